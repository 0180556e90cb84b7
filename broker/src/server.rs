//! The broker as a whole: binding, accepting, ending.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use smc_core::name::SiteName;
use smc_mqtt::discovery::{Announcement, Listener};
use smc_mqtt::members::Members;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::account::Account;
use crate::admission::Admission;
use crate::auth::Authenticator;
use crate::connection;
use crate::counters::{Counters, bump};
use crate::door::{self, Door, Speaks, accept};
use crate::error::BrokerError;
use crate::handshake::{Refusal, welcome};
use crate::limits::Limits;
use crate::reload::Source;
use crate::shared::{Parts, Shared};
use crate::tap::Tap;
use crate::tls::{Shown, TlsDoor, TlsListener};
use crate::watchdog;
use crate::websocket::WebsocketListener;
use crate::wire::Wire;

/// How long connections have to say goodbye when the broker ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// Everything that a broker needs to know.
#[derive(Debug)]
pub struct BrokerConfig {
    /// Where to listen for MQTT over TCP, if anywhere; port 0 takes a free one, see [`Broker::local_addr`].
    pub listen: Option<SocketAddr>,
    /// The listener with TLS, if there is to be one.
    pub tls: Option<TlsListener>,
    /// The listener for websockets, if there is to be one.
    pub websocket: Option<WebsocketListener>,
    /// Where retained messages are kept; in memory alone if none.
    pub state_dir: Option<PathBuf>,
    /// How much of everything there may be.
    pub limits: Limits,
    /// Who may connect.
    pub accounts: Vec<Account>,
    /// The shared account of clients that send no login; without one they are refused.
    pub anonymous: Option<String>,
    /// An observer of every accepted PUBLISH.
    pub tap: Option<Tap>,
    /// The member list, if logins are to come and go with it.
    pub members: Option<Members>,
    /// The site that is announced by multicast DNS; none if nothing is to be announced.
    pub announce: Option<SiteName>,
    /// The file that all this is from, if the accounts are to follow it.
    pub file: Option<PathBuf>,
}

/// A broker that listens. Connections are served by [`Broker::run`].
///
/// Every broker has a router of its own, whose thread can't be ended: it sleeps on, without work, until the
/// process ends. A process that binds many brokers, such as a test, keeps as many idle threads.
#[derive(Debug)]
pub struct Broker {
    /// At least one.
    doors: Vec<Door>,
    address: SocketAddr,
    announce: Option<SiteName>,
    source: Option<Source>,
    shared: Arc<Shared>,
}

impl Broker {
    /// Opens the store, starts the router and listens. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A configuration that can't work, a state folder that can't be used, an address that can't be listened
    /// on, or no threads.
    pub async fn bind(config: BrokerConfig) -> Result<Self, BrokerError> {
        config.limits.check()?;
        let source = Source::of(&config);
        let auth = Authenticator::new(config.accounts, config.anonymous.as_deref())?;
        let tls = config.tls.clone().map(TlsDoor::open).transpose()?;
        let doors = door::bind(config.listen, config.tls.as_ref(), config.websocket.as_ref()).await?;
        let address = doors.first().ok_or(BrokerError::NoListener)?.address;
        let parts = Parts {
            admission: config.members.map(Admission::new),
            auth,
            folder: config.state_dir,
            follows_file: source.is_some(),
            limits: config.limits,
            tap: config.tap,
            tls,
            websocket: config.websocket,
        };
        let shared = tokio::task::spawn_blocking(|| Shared::start(parts)).await;
        let shared = shared.map_err(|_| BrokerError::Router)??;
        Ok(Self { doors, address, announce: config.announce, source, shared: Arc::new(shared) })
    }

    /// Where the broker listens, with the port that it got: over TCP, or else with TLS.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, and what is spoken there.
    pub fn listeners(&self) -> impl Iterator<Item = (Speaks, SocketAddr)> {
        self.doors.iter().map(|door| (door.speaks, door.address))
    }

    /// The broker's running counts.
    pub fn counters(&self) -> Arc<Counters> {
        self.shared.counters.clone()
    }

    /// Serves clients until `shutdown` completes, then publishes the wills of those still connected, says
    /// goodbye and returns.
    ///
    /// # Errors
    /// [`BrokerError::Router`] if the router no longer carries messages: the process should end then.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), BrokerError> {
        let mut connections = JoinSet::new();
        let announcements =
            self.announce.iter().flat_map(|site| self.doors.iter().map(move |door| (site, door)));
        let announcements: Vec<_> = announcements.filter_map(|(site, door)| announce(site, door)).collect();
        let outcome = tokio::select! {
            // The shutdown first: whoever is served must be able to have it end.
            biased;
            () = shutdown => Ok(()),
            error = watchdog::watch(&self.shared) => Err(error),
            () = admit(&self.shared) => Ok(()),
            () = follow_certificate(&self.shared) => Ok(()),
            () = follow_file(self.source.as_ref(), &self.shared) => Ok(()),
            never = accept(&self.doors, &self.shared, &mut connections) => never,
        };
        for announcement in announcements {
            announcement.end().await;
        }
        self.shared.registry.shut_down();
        let all_ended = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all_ended).await.is_err() {
            tracing::warn!(connections = connections.len(), "connections did not end in time");
        }
        self.shared.retained.close().await;
        outcome
    }
}

/// Tells the network where the broker is; where that is not possible, it serves those who know its address.
fn announce(site: &SiteName, door: &Door) -> Option<Announcement> {
    let listener = match door.speaks {
        Speaks::Plain => Listener::Plain,
        // Browsers look for nothing.
        Speaks::SecureWebsocket | Speaks::Websocket => return None,
        Speaks::Tls => Listener::Tls,
    };
    match Announcement::start(site, listener, door.address) {
        Ok(announcement) => Some(announcement),
        Err(error) => {
            tracing::warn!(%error, "nodes need `broker` in their files");
            None
        }
    }
}

/// Has logins come and go with the member list. Never returns.
async fn admit(shared: &Shared) {
    match &shared.admission {
        Some(admission) => admission.serve(shared).await,
        None => std::future::pending().await,
    }
}

/// Serves one client on any stream of bytes; `shown` is its certificate. It has to log in until `deadline`.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    shared: Arc<Shared>,
    stream: S,
    shown: Option<Shown>,
    pending: OwnedSemaphorePermit,
    deadline: Instant,
) {
    bump(&shared.counters.connections_total);
    let _open = Open::new(shared.counters.clone());
    let mut wire = Wire::new(stream);
    let welcomed = welcome(&shared, &mut wire, shown.as_ref(), deadline).await;
    drop(pending);
    match welcomed {
        Ok(client) => Box::pin(connection::serve(shared, wire, client)).await,
        Err(refusal) => {
            count_refusal(&shared, &refusal);
        }
    }
}

fn count_refusal(shared: &Shared, refusal: &Refusal) {
    match refusal {
        Refusal::Closed | Refusal::Io(_) => return,
        Refusal::Decode(_) | Refusal::Tls => bump(&shared.counters.protocol_errors),
        _ => bump(&shared.counters.refused_logins),
    }
    if let Some(more) = shared.gates.login.open() {
        tracing::warn!(why = %refusal, more, "refused a client");
    }
}

/// Counts a connection for as long as it lives.
struct Open(Arc<Counters>);

impl Open {
    fn new(counters: Arc<Counters>) -> Self {
        bump(&counters.connections_open);
        Self(counters)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections_open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Has the certificate follow its file. Never returns.
async fn follow_certificate(shared: &Shared) {
    match &shared.tls {
        Some(tls) => tls.follow().await,
        None => std::future::pending().await,
    }
}

/// Has the accounts follow their file. Never returns.
async fn follow_file(source: Option<&Source>, shared: &Shared) {
    match source {
        Some(source) => source.follow(shared).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::QoS;
    use crate::message::{Message, Origin};
    use crate::router::Routed;

    #[tokio::test]
    async fn a_broker_whose_router_died_ends() {
        let broker = Broker::bind(BrokerConfig {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            tls: None,
            websocket: None,
            state_dir: None,
            limits: Limits::default(),
            accounts: vec![],
            anonymous: None,
            tap: None,
            members: None,
            announce: None,
            file: None,
        });
        let broker = broker.await.unwrap();
        let router = broker.shared.router.clone();
        let running = tokio::spawn(broker.run(std::future::pending()));
        // What the broker never sends ends rumqttd's thread, once it has a filter to compare it with: a topic that
        // begins with a character of two bytes.
        let message = Message::build("co2", QoS::AtMostOnce, false, &[], b"x", Origin(1));
        let deadly = Routed { inlet: "\u{e9}/co2".into(), message };
        let poison = async {
            while !running.is_finished() {
                // Nobody takes it once the router is dead.
                let publish = async { router.publish(&mut vec![deadly.clone()]).await };
                let _ = tokio::time::timeout(Duration::from_millis(5), publish).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), poison).await.unwrap();
        let ended = running.await.unwrap();
        assert!(matches!(ended, Err(BrokerError::Router)), "{ended:?}");
    }
}
