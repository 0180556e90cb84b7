//! The broker as a whole: binding, accepting, ending.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use smc_core::name::SiteName;
use smc_mqtt::discovery::{Announcement, Listener};
use smc_mqtt::members::Members;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::account::Account;
use crate::admission::{Admission, FILTERS_TO_COME};
use crate::auth::Authenticator;
use crate::connection;
use crate::counters::{Counters, bump};
use crate::error::BrokerError;
use crate::fanout::Fanout;
use crate::filter::Filter;
use crate::handshake::{Refusal, welcome};
use crate::limits::Limits;
use crate::retained::Retained;
use crate::router::Router;
use crate::shared::Shared;
use crate::tap::Tap;
use crate::watchdog;
use crate::wire::Wire;

/// How long connections have to say goodbye when the broker ends.
const FAREWELL: Duration = Duration::from_secs(5);
/// Pause after the operating system refused a connection, so that it is not asked in a tight loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Everything that a broker needs to know.
#[derive(Debug)]
pub struct BrokerConfig {
    /// Where to listen; port 0 takes a free one, see [`Broker::local_addr`].
    pub listen: SocketAddr,
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
}

/// A broker that listens. Connections are served by [`Broker::run`].
///
/// Every broker has a router of its own, whose thread can't be ended: it sleeps on, without work, until the
/// process ends. A process that binds many brokers, such as a test, keeps as many idle threads.
#[derive(Debug)]
pub struct Broker {
    listener: TcpListener,
    address: SocketAddr,
    announce: Option<SiteName>,
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
        let listen = |source| BrokerError::Listen { address: config.listen, source };
        let auth = Authenticator::new(config.accounts, config.anonymous.as_deref())?;
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (limits, tap, folder) = (config.limits, config.tap, config.state_dir);
        let admission = config.members.map(Admission::new);
        let start = move || start(auth, limits, tap, folder, admission);
        let shared = tokio::task::spawn_blocking(start).await.map_err(|_| BrokerError::Router)??;
        Ok(Self { listener, address, announce: config.announce, shared: Arc::new(shared) })
    }

    /// Where the broker listens, with the port that it got.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
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
        let announcement = self.announce.as_ref().and_then(|site| announce(site, self.address));
        let outcome = tokio::select! {
            () = shutdown => Ok(()),
            error = watchdog::watch(&self.shared) => Err(error),
            () = admit(&self.shared) => Ok(()),
            never = accept(&self.listener, &self.shared, &mut connections) => never,
        };
        if let Some(announcement) = announcement {
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
fn announce(site: &SiteName, address: SocketAddr) -> Option<Announcement> {
    match Announcement::start(site, Listener::Plain, address) {
        Ok(announcement) => Some(announcement),
        Err(error) => {
            tracing::warn!(%error, "nodes need `broker` in their files");
            None
        }
    }
}

/// What blocks: the disk and the router's thread.
fn start(
    auth: Authenticator,
    limits: Limits,
    tap: Option<Tap>,
    folder: Option<PathBuf>,
    admission: Option<Admission>,
) -> Result<Shared, BrokerError> {
    let counters = Arc::new(Counters::default());
    let retained = Retained::open(folder.as_deref(), &limits, counters.clone())?;
    let filters = routed_filters(&auth);
    let to_come = admission.as_ref().map_or(0, |_| FILTERS_TO_COME);
    let router = Arc::new(Router::start(&limits, filters.len() + to_come)?);
    let fanout = Fanout::start(filters, to_come, router.clone(), &limits, counters.clone())?;
    Ok(Shared {
        admission,
        auth,
        counters,
        fanout,
        gates: Default::default(),
        limits,
        origins: Default::default(),
        registry: Default::default(),
        retained,
        router,
        tap,
        topics: Default::default(),
    })
}

/// The filters that the router has to know: those that some account may subscribe.
fn routed_filters(auth: &Authenticator) -> Vec<Filter> {
    let of_rules = auth.configured().flat_map(|account| account.rules.subscribe.iter().cloned());
    let all: BTreeSet<Filter> = of_rules.chain(watchdog::TOPIC.parse()).collect();
    all.into_iter().collect()
}

/// Has logins come and go with the member list. Never returns.
async fn admit(shared: &Shared) {
    match &shared.admission {
        Some(admission) => admission.serve(shared).await,
        None => std::future::pending().await,
    }
}

async fn accept(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    connections: &mut JoinSet<()>,
) -> Result<(), BrokerError> {
    let pending = Arc::new(Semaphore::new(shared.limits.pending_connections));
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    if let Some(more) = shared.gates.crowded.open() {
                        tracing::error!(%error, more, "can't accept connections: raise the limit of open files");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let permit = pending.clone().try_acquire_owned();
        match permit {
            Ok(permit) if connections.len() < shared.limits.connections => {
                connections.spawn(serve_tcp(shared.clone(), stream, permit));
            }
            _ => {
                bump(&shared.counters.connections_refused);
                if let Some(more) = shared.gates.crowded.open() {
                    tracing::warn!(more, "too many connections: turned one away");
                }
            }
        }
    }
}

async fn serve_tcp(shared: Arc<Shared>, stream: TcpStream, pending: OwnedSemaphorePermit) {
    // Small messages must not wait for each other; without the option everything still works, later.
    let _ = stream.set_nodelay(true);
    serve(shared, stream, pending).await;
}

/// Serves one client on any stream of bytes.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    shared: Arc<Shared>,
    stream: S,
    pending: OwnedSemaphorePermit,
) {
    bump(&shared.counters.connections_total);
    let _open = Open::new(shared.counters.clone());
    let mut wire = Wire::new(stream);
    let welcomed = welcome(&shared, &mut wire).await;
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
        Refusal::Decode(_) => bump(&shared.counters.protocol_errors),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::QoS;
    use crate::message::{Message, Origin};

    #[tokio::test]
    async fn a_broker_whose_router_died_ends() {
        let broker = Broker::bind(BrokerConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            state_dir: None,
            limits: Limits::default(),
            accounts: vec![],
            anonymous: None,
            tap: None,
            members: None,
            announce: None,
        });
        let broker = broker.await.unwrap();
        let router = broker.shared.router.clone();
        let running = tokio::spawn(broker.run(std::future::pending()));
        // What no client can send ends rumqttd's thread, once it has a filter to compare it with: a topic that
        // begins with a character of two bytes.
        let deadly = Message::build("\u{e9}/co2", QoS::AtMostOnce, false, &[], b"x", Origin(1));
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
