//! The task behind a connection: connect, converse until it breaks, pause, again.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Connect, LastWill, Login as ConnectLogin, Packet, Publish};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroize;

use super::backoff::Backoff;
use super::exchange::Exchanges;
use super::inbox::{Inbox, Received};
use super::link::{CLOSING, Ends, converse};
use super::looks::Looks;
use super::outbox::Outbox;
use super::teller::Teller;
use super::{Fault, Happening, Phase, Refusal, Shared, Told};
use crate::settings::ConnectionSettings;
use crate::tls::{Connector, Stream, fault};

/// How long the broker may take to greet.
const GREETING: Duration = Duration::from_secs(10);

/// The first byte of every CONNACK. Looked at by itself, because whatever else answers a CONNECT may well look
/// like the beginning of some other packet that never ends.
const CONNACK: u8 = 0x20;
/// The first byte with which TLS says what it thinks of a CONNECT.
const TLS_ALERT: u8 = 0x15;

/// What outlives the single connection.
#[derive(Debug)]
pub(super) struct Driver {
    settings: ConnectionSettings,
    subscriptions: Vec<String>,
    shared: Arc<Shared>,
    fed: Fed,
    outbox: Outbox,
    teller: Teller,
    backoff: Backoff,
    connector: Connector,
}

/// What the owner asks for.
#[derive(Debug)]
pub(super) struct Fed {
    pub(super) queue: mpsc::Receiver<Publish>,
    pub(super) looks: Looks,
    pub(super) exchanges: Exchanges,
}

/// Why there is no connection.
#[derive(Debug)]
enum Trouble {
    Fault(Fault),
    Refused(Refusal),
}

impl<E: Into<Fault>> From<E> for Trouble {
    fn from(fault: E) -> Self {
        Self::Fault(fault.into())
    }
}

impl Driver {
    pub(super) fn new(
        settings: ConnectionSettings,
        subscriptions: Vec<String>,
        shared: Arc<Shared>,
        fed: Fed,
        tell: mpsc::Sender<Told>,
    ) -> Self {
        let teller = Teller::new(tell, settings.max_packet);
        let backoff = Backoff::new(settings.pauses, &settings.client_id, Instant::now());
        let (connector, outbox) = (Connector::new(shared.dates.clone()), Outbox::default());
        Self { settings, subscriptions, shared, fed, outbox, teller, backoff, connector }
    }

    /// Runs until both halves are dropped or the connection is closed.
    pub(super) async fn run(mut self) {
        let mut phase = self.shared.phase.subscribe();
        let closing = async move {
            // An error means that nobody is left, which is as good a reason to end.
            let _ = phase.wait_for(|phase| *phase != Phase::Open).await;
        };
        tokio::pin!(closing);
        while !self.is_abandoned() {
            let greeted = tokio::select! {
                greeted = greet(&mut self.connector, &self.settings) => greeted,
                () = &mut closing => {
                    // What was accepted gets one chance to be sent.
                    if self.waiting() == 0 { break }
                    greet_and_go(&mut self.connector, &self.settings).await
                }
            };
            let Err(trouble) = self.talk(greeted).await else { break };
            if *self.shared.phase.borrow() != Phase::Open {
                break;
            }
            let pause = self.backoff.pause(Instant::now());
            tracing::debug!(broker = %self.settings.broker, ?trouble, ?pause, "no connection");
            let happening = match trouble {
                Trouble::Fault(reason) => Happening::Disconnected { reason },
                Trouble::Refused(reason) => Happening::Refused { reason },
            };
            tokio::select! {
                () = async { self.teller.tell_once(happening).await; sleep(pause).await } => {}
                () = &mut closing => break,
            }
        }
        self.end();
    }

    /// Converses over a connection that was made. `Ok` when we closed it.
    async fn talk(&mut self, greeted: Result<(Stream, Inbox), Trouble>) -> Result<(), Trouble> {
        let (stream, inbox) = greeted?;
        self.shared.tally.connections.fetch_add(1, Relaxed);
        self.fed.looks.restart();
        self.fed.exchanges.restart();
        let given_up = self.outbox.restart();
        self.shared.tally.given_up.fetch_add(given_up, Relaxed);
        self.shared.settled.notify_waiters();
        let ends = Ends {
            outbox: &mut self.outbox,
            queue: &mut self.fed.queue,
            looks: &mut self.fed.looks,
            exchanges: &mut self.fed.exchanges,
            teller: &mut self.teller,
            backoff: &mut self.backoff,
            shared: &self.shared,
            subscriptions: self.subscriptions.clone(),
            keep_alive: Duration::from_secs(keep_alive(&self.settings).into()),
        };
        match stream {
            Stream::Plain(stream) => {
                let (reader, writer) = stream.into_split();
                Ok(converse(ends, inbox, reader, writer).await?)
            }
            Stream::Tls(stream) => {
                let (reader, writer) = tokio::io::split(stream);
                Ok(converse(ends, inbox, reader, writer).await?)
            }
        }
    }

    fn is_abandoned(&self) -> bool {
        self.fed.queue.is_closed() && self.teller.is_gone()
    }

    /// How many accepted publishes the broker has not acknowledged.
    fn waiting(&self) -> usize {
        self.outbox.pending() + self.fed.queue.len()
    }

    fn end(&mut self) {
        self.fed.queue.close();
        let unacknowledged = self.waiting();
        self.shared.phase.send_replace(Phase::Closed { unacknowledged });
    }
}

/// Connects, says who we are, and waits for the answer.
async fn greet(connector: &mut Connector, settings: &ConnectionSettings) -> Result<(Stream, Inbox), Trouble> {
    timeout(GREETING, async {
        let broken = |error| fault(&error, &settings.broker);
        let mut stream = connector.connect(&settings.broker).await?;
        let mut bytes = introduction(settings).ok_or(Trouble::Refused(Refusal::ClientId))?;
        let sent = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        }
        .await;
        bytes.as_mut().zeroize();
        sent.map_err(broken)?;
        let mut inbox = Inbox::new(settings.max_packet);
        loop {
            match inbox.peek() {
                Some(TLS_ALERT) => return Err(Fault::WantsTls.into()),
                Some(first) if first != CONNACK => return Err(Fault::Speech.into()),
                _ => {}
            }
            match inbox.next().map_err(Fault::from)? {
                Some(Received::Packet(Packet::ConnAck(answer))) => {
                    return match Refusal::from_code(answer.code) {
                        None => Ok((stream, inbox)),
                        Some(refusal) => Err(Trouble::Refused(refusal)),
                    };
                }
                Some(_) => return Err(Fault::Speech.into()),
                None => {}
            }
            if stream.read_buf(inbox.space()).await.map_err(broken)? == 0 {
                return Err(Fault::Closed.into());
            }
        }
    })
    .await
    .unwrap_or(Err(Trouble::Fault(Fault::Silent)))
}

/// The same in the time that is left once we close.
async fn greet_and_go(
    connector: &mut Connector,
    settings: &ConnectionSettings,
) -> Result<(Stream, Inbox), Trouble> {
    timeout(CLOSING, greet(connector, settings)).await.unwrap_or(Err(Fault::Silent.into()))
}

/// The CONNECT packet; `None` if a field is longer than the 65,535 bytes that MQTT allows.
fn introduction(settings: &ConnectionSettings) -> Option<BytesMut> {
    let mut connect = Connect::new(settings.client_id.as_str());
    connect.keep_alive = keep_alive(settings);
    connect.last_will = settings.will.as_ref().map(|will| LastWill {
        topic: will.topic.clone(),
        message: will.payload.clone(),
        qos: QoS::AtLeastOnce,
        retain: will.retain,
    });
    connect.login =
        settings.login.as_ref().map(|login| ConnectLogin::new(login.user.as_str(), login.password.reveal()));
    let mut bytes = BytesMut::new();
    let short = |length: usize| length <= usize::from(u16::MAX);
    let fits = short(connect.client_id.len())
        && connect.last_will.iter().all(|will| short(will.topic.len()) && short(will.message.len()))
        && connect.login.iter().all(|login| short(login.username.len()) && short(login.password.len()));
    let written = fits && connect.write(&mut bytes).is_ok();
    if let Some(login) = &mut connect.login {
        login.password.zeroize();
    }
    written.then_some(bytes)
}

fn keep_alive(settings: &ConnectionSettings) -> u16 {
    u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{BrokerAddress, Login, Will};
    use rumqttc::mqttbytes::v4::Packet;

    fn settings() -> ConnectionSettings {
        ConnectionSettings::new(BrokerAddress::new("localhost", 1883).unwrap(), "room-101")
    }

    #[test]
    fn the_introduction_says_it_all() {
        let mut settings = settings();
        settings.keep_alive = Duration::from_millis(1_999);
        settings.login = Some(Login { user: "u".into(), password: "p".to_owned().into() });
        settings.will = Some(Will { topic: "w".into(), payload: "gone".into(), retain: true });
        let Packet::Connect(connect) =
            Packet::read(&mut introduction(&settings).unwrap(), usize::MAX).unwrap()
        else {
            panic!("not a CONNECT")
        };
        assert_eq!(
            (connect.client_id.as_str(), connect.keep_alive, connect.clean_session),
            ("room-101", 1, true)
        );
        assert_eq!(connect.login, Some(ConnectLogin::new("u", "p")));
        assert_eq!(connect.last_will, Some(LastWill::new("w", "gone", QoS::AtLeastOnce, true)));
    }

    #[test]
    fn fields_beyond_mqtts_limit_are_not_cut_short() {
        let mut settings = settings();
        settings.will = Some(Will { topic: "w".into(), payload: vec![0; 65_536].into(), retain: false });
        assert!(introduction(&settings).is_none());
    }
}
