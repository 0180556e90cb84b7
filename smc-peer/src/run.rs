//! The loop of a peer: receive, decide, persist, transmit, sleep.

mod assistant;
mod board;
mod consent;
mod disk;
mod front;
mod homie;
mod moving;
mod office;
mod report;
mod service;
mod start;
mod wait;
mod workers;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use smc_core::message::Purpose;
use smc_core::name::QueryName;
use smc_core::peer::Event;
use smc_core::roster::Roster;
use smc_core::time::{Timestamp, WindowIndex};
use smc_mqtt::clock::Clock;
use smc_mqtt::config::{KeyFile, connection};
use smc_mqtt::connection::Happening;
use smc_mqtt::discovery::{DiscoveryError, locate_unless};
use smc_mqtt::entropy::NoEntropy;
use smc_mqtt::members::{Members, MembersError};
use smc_mqtt::settings::{BrokerAddress, Pauses};
use smc_mqtt::tls::Tls;
use smc_mqtt::topic::{HOME_ASSISTANT_STATUS, Topic, Topics};
use tokio::sync::mpsc;
use tracing::{info, warn};

use self::front::Front;
use self::service::Service;
use self::start::identify;
use self::workers::{Crew, FIRST};
pub use self::workers::{Workers, WorkersError};
use crate::audit::{AuditError, Gone};
use crate::discovery::HomeAssistant;
use crate::page::{PageError, PageOptions};
use crate::policy::PolicyOptions;
use crate::store::StoreError;

/// What a peer needs to run.
#[derive(Debug)]
pub struct PeerOptions {
    /// The site.
    pub roster: Arc<Roster>,
    /// How its member list moves; none for a site whose list stays as it is.
    pub members: Option<Members>,
    /// Which changes of the member list it signs by itself.
    pub consent: Consent,
    /// The peer's keys and password.
    pub secrets: KeyFile,
    /// Where the broker is; if left out, one that announces the site is looked for.
    pub broker: Option<BrokerAddress>,
    /// Whom to trust there, if it is to be a broker with TLS.
    pub tls: Option<Tls>,
    /// Where the store is and the log; if nowhere, the store is in memory, and there is no log.
    pub state_dir: Option<PathBuf>,
    /// Where inputs are kept and the log's entries since its last head, which need not outlive the machine; with all else if
    /// left out.
    pub run_dir: Option<PathBuf>,
    /// How often a head of the log is signed and published.
    pub head_every: Duration,
    /// What appears in Home Assistant, and how.
    pub home_assistant: HomeAssistant,
    /// Whether results appear by the Homie convention, too.
    pub homie: bool,
    /// What decides about requests.
    pub policy: PolicyOptions,
    /// The page for the operator, if there is to be one.
    pub page: Option<PageOptions>,
    /// How many connections its shares come by.
    pub workers: Workers,
}

/// Which changes of the member list a peer signs by itself. Who the peers are is always for its operator to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consent {
    /// None: each waits for its operator.
    #[default]
    Ask,
    /// Those of agents and clients.
    Auto,
}

/// Something that a peer did, for those who look over its shoulder.
#[derive(Debug, Clone)]
pub struct Observed {
    /// When.
    pub at: Timestamp,
    /// CPU time of the peer's thread until then.
    pub cpu: Duration,
    /// What it has sent until then.
    pub sent: Sent,
    /// What.
    pub what: Did,
}

/// What a peer did.
#[derive(Debug, Clone)]
pub enum Did {
    /// It decided.
    Decide(Event),
    /// It has what agents sent for a window, and plans on it.
    Gather {
        /// For which window.
        window: WindowIndex,
        /// When the last input came that was new to it.
        last: Timestamp,
    },
    /// It said something to other peers.
    Say {
        /// What about.
        step: Step,
        /// For which window.
        window: WindowIndex,
    },
}

/// A step of the protocol in which peers talk (docs/protocol.md, 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// What the sender holds.
    Inventory,
    /// The plan that it goes along with.
    Vote,
    /// Shares of what is opened in one round.
    Partial {
        /// Of which computation.
        of: Purpose,
        /// In which round, from 0.
        round: u32,
    },
    /// Its signature under a result.
    Endorsement(QueryName),
}

/// What a peer has sent to other peers so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Messages.
    pub messages: u64,
    /// Their bytes, as published.
    pub bytes: u64,
    /// Shares in them.
    pub shares: u64,
}

/// Why a peer can't run or go on.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The log can't be opened, or is not what this peer wrote.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// No broker was found.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The operating system has no entropy.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// What must not be forgotten about the member list can't be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The log's thread could not be started, or ended.
    #[error("the log's thread could not be started or ended")]
    LogThread,
    /// The member list can't be used.
    #[error(transparent)]
    Members(Box<MembersError>),
    /// The site file does not name this node among the peers.
    #[error("`{node}` is no peer of the site; check `node` and the [[peer]] tables of the site file")]
    NotAPeer {
        /// The node.
        node: String,
    },
    /// The keys are not those of the site file.
    #[error(
        "the keys of `{node}` are not those that the site file states; restore the key file or the site file"
    )]
    OtherKeys {
        /// The node.
        node: String,
    },
    /// The page has no address.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The program's own policy is broken.
    #[error(transparent)]
    Policy(#[from] smc_policy::PolicyError),
    /// The member list has moved on without this peer.
    #[error(
        "`{node}` is no peer of the site with these keys any more, as of revision {revision} of the member list"
    )]
    Removed {
        /// The node.
        node: String,
        /// As of which revision.
        revision: u64,
    },
    /// The store can't be opened: without it the peer must not vote.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store's thread could not be started, or ended.
    #[error("the store's thread could not be started or ended")]
    StoreThread,
}

impl From<Gone> for PeerError {
    fn from(_: Gone) -> Self {
        Self::LogThread
    }
}

impl PeerError {
    /// What went wrong, without paths, which are nobody else's business.
    fn cause(&self) -> String {
        match self {
            Self::Audit(error) => error.cause(),
            Self::Store(error) => error.cause(),
            other => other.to_string(),
        }
    }

    /// Whether the same may succeed later without anybody touching what the peer keeps.
    fn may_pass(&self) -> bool {
        match self {
            Self::Audit(error) => error.may_pass(),
            Self::Store(error) => error.may_pass(),
            _ => false,
        }
    }
}

/// Runs a peer until `shutdown` resolves. Who passes an `observer` is told of everything that the peer decides; what
/// it does not take in time is dropped.
///
/// # Errors
/// If the peer can't start, or can't remember its votes.
pub async fn run(
    mut options: PeerOptions,
    clock: Clock,
    observer: Option<mpsc::Sender<Observed>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), PeerError> {
    let topics = Topics::new(options.roster.site().clone());
    let node = options.secrets.node.clone();
    tokio::pin!(shutdown);
    let (broker, tls) = (options.broker.take(), options.tls.take());
    let broker = locate_unless(broker, tls.as_ref(), options.roster.site(), shutdown.as_mut()).await?;
    let Some(broker) = broker else { return Ok(()) };
    let mut settings = connection(&topics, &node, broker, options.secrets.password.clone());
    let period = options.roster.shortest_period();
    settings.pauses = period.map_or_else(Pauses::default, |period| Pauses::of_peer(period.as_duration()));
    let mut inboxes = vec![
        topics.cards(),
        topics.charters_proposed(),
        topics.decisions(),
        topics.heads(),
        topics.introductions(),
        topics.peer_inbox(&node),
        topics.requests(),
        topics.share_inbox(&node),
        topics.spell(&Topic::Charter),
        topics.spell(&Topic::Operator { peer: node.clone() }),
        topics.statuses(),
    ];
    if options.home_assistant.discovery {
        inboxes.extend(topics.discovery());
        inboxes.push(HOME_ASSISTANT_STATUS.to_owned());
    }
    if !start::join(&mut options, &settings, &clock, shutdown.as_mut()).await? {
        return Ok(());
    }
    let me = identify(&options)?;
    let mut front = Front::open(&options, clock.now()).await?;
    let remembered = wait::remember(&options, &settings, &topics, &clock, shutdown.as_mut()).await?;
    let Some(memory) = remembered else { return Ok(()) };
    let mut crew = Crew::connect(settings, inboxes, (&topics, &node), options.workers)?;
    let publisher = crew.publisher();
    let mut service = Service::new(me, options, memory, topics, clock.clone(), observer)?;
    service.attach(publisher.clone());
    service.put_up(front.views.take());
    let outcome = serve(&mut service, &mut crew, &mut front, &clock, shutdown).await;
    // Whatever the reason: the others must not wait for this peer in every window.
    service.leave().await;
    let unsent = publisher.close().await;
    if unsent > 0 {
        warn!(%node, unsent, "left before the broker took all messages");
    }
    outcome
}

async fn serve(
    service: &mut Service,
    crew: &mut Crew,
    front: &mut Front,
    clock: &Clock,
    mut shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), PeerError> {
    loop {
        let due = service.due();
        tokio::select! {
            () = shutdown.as_mut() => return Ok(()),
            happening = crew.next() => match happening {
                Some((place, happening)) => handle(service, crew, place, happening).await?,
                None => return Ok(()),
            },
            order = front.order() => service.handle_page(order).await?,
            head = service.next_head() => service.publish_head(&head),
            () = clock.sleep_until(due) => {
                // First: what is decided from then on is decided by the new list.
                service.move_on().await?;
                service.handle_timeout().await?;
                crew.look(service);
            }
        }
    }
}

async fn handle(
    service: &mut Service,
    crew: &mut Crew,
    place: usize,
    happening: Happening,
) -> Result<(), PeerError> {
    match &happening {
        Happening::Connected if place == FIRST => {
            service.handle_connected();
            service.handle_shown();
        }
        Happening::Disconnected { reason } if place == FIRST => {
            service.moving.shown = false;
            warn!(node = %service.name(), %reason, "disconnected; trying again");
        }
        Happening::Message { topic, payload, retain } => {
            return service.handle_publish(place, topic, payload, *retain).await;
        }
        Happening::Refused { reason } if place == FIRST => {
            warn!(node = %service.name(), %reason, "refused by the broker");
        }
        // Of the others only whether they take their part matters.
        Happening::Connected | Happening::Disconnected { .. } | Happening::Refused { .. } => {}
    }
    crew.follow(service, place, &happening);
    Ok(())
}

/// Says what the peer decided, for people who read logs.
fn log(node: &str, event: &Event) {
    match event {
        Event::Agreed { window, plan, .. } => {
            tracing::debug!(node, %window, members = plan.cohort.len(), peers = plan.peers.len(), "agreed");
        }
        Event::Blamed(blame) => warn!(node, ?blame, "somebody does not follow the protocol"),
        Event::Forget(_) | Event::Output { .. } | Event::Persist { .. } | Event::Planned { .. } => {}
        Event::Result { result, .. } => {
            let result = &result.result;
            let reason = result.reason.as_deref().unwrap_or("");
            info!(node, query = %result.query, window = %result.window.start, status = %result.status, reason, "window done");
        }
        Event::SatOut { quantity, window } => {
            info!(node, %quantity, %window, "sat out: the others hold readings that this peer lacks");
        }
        Event::Skipped { windows } => {
            warn!(node, windows, "windows skipped: the clock jumped or the machine slept")
        }
    }
}
