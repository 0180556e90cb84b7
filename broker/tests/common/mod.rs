//! A running broker with the accounts of a small site, and clients to try it with.
#![allow(dead_code, missing_docs, unreachable_pub)]
// Not test functions themselves, but what those are made of: failing here is failing the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod certificates;

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS};
use smc_broker::roles::Role;
use smc_broker::{
    Account, Broker, BrokerConfig, BrokerError, Counters, Limits, Password, PasswordHash, Rules, Speaks, Tap,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub const PATIENCE: Duration = Duration::from_secs(20);

/// `agent` publishes `share/+/agent`, never retained, and `status/agent`, `peer` reads shares and publishes results, `reader`
/// reads everything under `share`, `status` and `result`; each logs in with its name as password.
pub fn accounts() -> Vec<Account> {
    vec![
        account("agent", false, &["share/+/agent", "status/agent"], &["status/+"]),
        account("peer", false, &["result/+", "status/peer"], &["share/peer/+", "status/+"]),
        account("reader", true, &[], &["share/#", "status/#", "result/#"]),
        account("device", true, &["device/#"], &["device/#"]),
        account("home-assistant", true, &[], &["homeassistant/#"]),
    ]
}

pub fn account(name: &str, shared: bool, publish: &[&str], subscribe: &[&str]) -> Account {
    let filters = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let password = PasswordHash::of_random_key(&Password::new(name.as_bytes())).unwrap();
    let fleeting = publish.iter().filter(|topic| topic.starts_with("share/"));
    let fleeting = fleeting.map(|topic| topic.parse().unwrap()).collect();
    // That of those who may publish most: what is tried here is how fast the broker is.
    let role = Role::Peer;
    let rules = Rules { publish: filters(publish), fleeting, subscribe: filters(subscribe), role };
    Account { name: name.into(), password, shared, rules }
}

pub fn config() -> BrokerConfig {
    BrokerConfig {
        listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        tls: None,
        websocket: None,
        state_dir: None,
        limits: Limits::default(),
        accounts: accounts(),
        anonymous: None,
        tap: None,
        members: None,
        announce: None,
        file: None,
    }
}

pub struct TestBroker {
    /// Where it listens: over TCP, or else with TLS.
    pub address: SocketAddr,
    /// Where it listens with TLS, if it does.
    pub tls: Option<SocketAddr>,
    /// Where it listens for websockets, if it does.
    pub websocket: Option<SocketAddr>,
    pub counters: Arc<Counters>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), BrokerError>>,
}

impl TestBroker {
    pub async fn start() -> Self {
        Self::with(config()).await
    }

    pub async fn with_limits(limits: Limits) -> Self {
        Self::with(BrokerConfig { limits, ..config() }).await
    }

    pub async fn with_state(folder: &Path) -> Self {
        Self::with(BrokerConfig { state_dir: Some(folder.to_owned()), ..config() }).await
    }

    pub async fn with_tap(tap: Tap) -> Self {
        Self::with(BrokerConfig { tap: Some(tap), ..config() }).await
    }

    pub async fn with(config: BrokerConfig) -> Self {
        let broker = Broker::bind(config).await.unwrap();
        let (address, counters) = (broker.local_addr(), broker.counters());
        let at = |wanted: &[Speaks]| {
            let mut all = broker.listeners();
            all.find(|(speaks, _)| wanted.contains(speaks)).map(|(_, address)| address)
        };
        let (tls, websocket) = (at(&[Speaks::Tls]), at(&[Speaks::Websocket, Speaks::SecureWebsocket]));
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(broker.run(async {
            let _ = stopped.await;
        }));
        Self { address, tls, websocket, counters, stop, running }
    }

    pub async fn end(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap().unwrap();
    }

    pub fn options(&self, name: &str) -> MqttOptions {
        self.options_as(name, name)
    }

    pub fn options_as(&self, account: &str, id: &str) -> MqttOptions {
        let mut options = MqttOptions::new(id, self.address.ip().to_string(), self.address.port());
        options.set_credentials(account, account).set_max_packet_size(4 << 20, 4 << 20);
        options
    }

    /// A connected client of MQTT 3.1.1.
    pub async fn client(&self, name: &str) -> Client {
        Client::connect(self.options(name)).await
    }

    pub async fn client_as(&self, account: &str, id: &str) -> Client {
        Client::connect(self.options_as(account, id)).await
    }

    /// A message still goes from an agent to a peer.
    pub async fn still_works(&self) {
        let mut peer = self.client("peer").await;
        peer.subscribe("share/peer/+").await;
        let agent = self.client("agent").await;
        agent.publish("share/peer/agent", false, "alive").await;
        // The router may still be at what was published before.
        while peer.next().await.payload != "alive" {}
    }
}

/// A client whose event loop runs in a task.
pub struct Client {
    pub mqtt: AsyncClient,
    messages: mpsc::UnboundedReceiver<Publish>,
    subacks: mpsc::UnboundedReceiver<rumqttc::SubAck>,
    polling: JoinHandle<()>,
}

impl Client {
    pub async fn connect(options: MqttOptions) -> Self {
        Self::try_connect(options).await.unwrap()
    }

    /// Connects once; what goes wrong before the CONNACK is the error.
    pub async fn try_connect(options: MqttOptions) -> Result<Self, String> {
        let (mqtt, mut events) = AsyncClient::new(options, 1_000);
        loop {
            match within(events.poll()).await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => break,
                Ok(_) => {}
                Err(error) => return Err(format!("{error:?}")),
            }
        }
        let (message, messages) = mpsc::unbounded_channel();
        let (suback, subacks) = mpsc::unbounded_channel();
        let polling = tokio::spawn(poll(events, message, suback));
        Ok(Self { mqtt, messages, subacks, polling })
    }

    pub async fn subscribe(&mut self, filter: &str) -> bool {
        self.mqtt.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        let suback = within(self.subacks.recv()).await.unwrap();
        matches!(suback.return_codes[0], rumqttc::SubscribeReasonCode::Success(_))
    }

    pub async fn publish(&self, topic: &str, retain: bool, payload: &str) {
        self.mqtt.publish(topic, QoS::AtLeastOnce, retain, payload).await.unwrap();
    }

    pub async fn next(&mut self) -> Publish {
        within(self.messages.recv()).await.expect("connection ended")
    }

    /// Returns when the broker has closed the connection.
    pub async fn closed(&mut self) {
        within(async { while self.messages.recv().await.is_some() {} }).await;
    }

    /// Drops the TCP connection without a DISCONNECT.
    pub fn vanish(self) {
        self.polling.abort();
    }
}

async fn poll(
    mut events: EventLoop,
    messages: mpsc::UnboundedSender<Publish>,
    subacks: mpsc::UnboundedSender<rumqttc::SubAck>,
) {
    while let Ok(event) = events.poll().await {
        let taken = match event {
            Event::Incoming(Packet::Publish(publish)) => messages.send(publish).is_ok(),
            Event::Incoming(Packet::SubAck(suback)) => subacks.send(suback).is_ok(),
            _ => true,
        };
        if !taken {
            return;
        }
    }
}

pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// Polls until `condition` holds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A socket that says whatever it is told to.
pub struct Raw(pub TcpStream);

impl Raw {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    /// Connects and logs in with the account's name, by MQTT 3.1.1.
    pub fn login(address: SocketAddr, account: &str, id: &str) -> Self {
        let mut raw = Self::connect(address);
        raw.send(&connect(4, account, id, None));
        assert_eq!(raw.read(4), [0x20, 2, 0, 0]);
        raw
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// All that comes until the broker closes the connection.
    pub fn read_to_close(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => bytes,
            Err(error) => panic!("the broker keeps the connection: {error}"),
        }
    }
}

/// A CONNECT of protocol `level` 4 or 5; the password is the account's name.
pub fn connect(level: u8, account: &str, id: &str, will: Option<(&str, &str)>) -> Vec<u8> {
    let mut body =
        vec![0, 4, b'M', b'Q', b'T', b'T', level, 0xC2 | if will.is_some() { 4 } else { 0 }, 0, 60];
    let properties: &[u8] = if level == 5 { &[0] } else { &[] };
    body.extend(properties);
    body.extend(text(id));
    if let Some((topic, payload)) = will {
        body.extend(properties);
        body.extend(text(topic));
        body.extend(text(payload));
    }
    body.extend(text(account));
    body.extend(text(account));
    packet(0x10, &body)
}

/// A PUBLISH of MQTT 3.1.1 with QoS 0, or 1 if it has an id.
pub fn publish(topic: &[u8], id: Option<u16>, payload: &[u8]) -> Vec<u8> {
    let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
    body.extend(topic);
    body.extend(id.iter().flat_map(|id| id.to_be_bytes()));
    body.extend(payload);
    packet(if id.is_some() { 0x32 } else { 0x30 }, &body)
}

/// A SUBSCRIBE of MQTT 3.1.1 with QoS 1.
pub fn subscribe(filter: &str) -> Vec<u8> {
    packet(0x82, &[&[0, 1][..], &text(filter), &[1]].concat())
}

pub fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut len = body.len();
    loop {
        let more = len > 0x7f;
        bytes.push((len & 0x7f) as u8 | if more { 0x80 } else { 0 });
        len >>= 7;
        if !more {
            break;
        }
    }
    bytes.extend(body);
    bytes
}
