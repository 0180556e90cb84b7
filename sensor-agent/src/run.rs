//! The loop of an agent: read, share in rhythm, seal, publish.

mod intake;
mod moving;
mod service;
mod time;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use smc_core::identity::NodeKeys;
use smc_core::name::{NodeName, StreamName};
use smc_core::protocol::input::Steps;
use smc_core::protocol::terms::Terms;
use smc_core::quantity::{MAX_ELEMENTS, Quantity};
use smc_core::roster::{BundleIndex, Roster, SiteDocument};
use smc_core::time::WindowIndex;
use smc_mqtt::clock::Clock;
use smc_mqtt::config::{KeyFile, connection};
use smc_mqtt::connection::{Happening, connect};
use smc_mqtt::discovery::{DiscoveryError, locate_unless};
use smc_mqtt::entropy::NoEntropy;
use smc_mqtt::joining::{self, Joined};
use smc_mqtt::members::{Members, MembersError};
use smc_mqtt::settings::{BrokerAddress, ConnectionSettings, Pauses};
use smc_mqtt::tls::Tls;
use smc_mqtt::topic::{Topic, Topics};
use tokio::sync::mpsc;
use tracing::{info, warn};

use self::service::Service;
use crate::screen::{RulesError, Screens, StreamRules};
use crate::source::mqtt::Taps;
use crate::source::{Context, GapReason, Happened, Running, SourceConfig, SourceError};
use crate::switches::{Link, Switch, SwitchOptions};

/// How many readings may wait for the agent before their source waits, too.
const READINGS_WAITING: usize = 256;
/// How many numbers in them, at least one reading: 8 MiB.
const NUMBERS_WAITING: u32 = 1 << 20;

/// What an agent needs to run.
#[derive(Debug)]
pub struct AgentOptions {
    /// The site.
    pub roster: Arc<Roster>,
    /// How its member list moves; none for a site whose list stays as it is.
    pub members: Option<Members>,
    /// The agent's keys and password.
    pub secrets: KeyFile,
    /// Where the broker is; if left out, one that announces the site is looked for.
    pub broker: Option<BrokerAddress>,
    /// Whom to trust there, if it is to be a broker with TLS.
    pub tls: Option<Tls>,
    /// The file in which the owner says what not to share, if there is to be one.
    pub control: Option<PathBuf>,
    /// The switches in the owner's Home Assistant, if there are to be any.
    pub switches: Option<SwitchOptions>,
    /// What the owner calls the place; for this machine's log alone.
    pub display_name: Option<String>,
    /// What the agent demands of results that cover it.
    pub terms: Terms,
    /// How long a reading counts as fresh; one window if none.
    pub maximum_age: Option<Duration>,
    /// What becomes of readings before they are shared, for streams of which anything is said.
    pub rules: BTreeMap<StreamName, StreamRules>,
    /// Where the readings come from.
    pub feed: Feed,
}

/// Where an agent's readings come from.
#[derive(Debug)]
pub enum Feed {
    /// From the same process.
    Channel(mpsc::Receiver<Happened>),
    /// From configured sources.
    Sources(Vec<SourceConfig>),
}

/// What an agent shared in the clear: for a demonstration or a test that holds results against the truth, in the
/// same process.
#[derive(Debug)]
pub struct Witness {
    /// Which bundle.
    pub bundle: BundleIndex,
    /// Which window.
    pub window: WindowIndex,
    /// Per stream the reading, or why there was none.
    pub readings: Vec<Result<Steps, GapReason>>,
    /// What it took to share them.
    pub effort: Effort,
}

/// What sharing took: dealing the shares, sealing them, and handing them to the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Time.
    pub wall: Duration,
    /// CPU time of the agent's thread.
    pub cpu: Duration,
    /// Messages, one for each peer and part.
    pub messages: u64,
    /// Bytes of the shares in them.
    pub plain_bytes: u64,
    /// Bytes of them as published.
    pub sealed_bytes: u64,
}

/// Why an agent can't run.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No broker was found.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The operating system has no entropy.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// The member list can't be used.
    #[error(transparent)]
    Members(Box<MembersError>),
    /// The site file does not name this node among the agents.
    #[error("`{node}` is no agent of the site; check `node` and the [[agent]] tables of the site file")]
    NotAnAgent {
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
    /// The member list has moved on without this node, or gave it other keys.
    #[error(
        "`{node}` is no member of the site with these keys any more, as of revision {revision} of the member list"
    )]
    Removed {
        /// The node.
        node: String,
        /// As of which revision.
        revision: u64,
    },
    /// What is said of a stream makes no sense.
    #[error("the file of `{node}`: {error}")]
    Rules {
        /// The node.
        node: String,
        /// Why.
        error: RulesError,
    },
    /// A source can't be used.
    #[error("[[source]] of `{node}`: {error}")]
    Source {
        /// The node.
        node: String,
        /// Why.
        error: SourceError,
    },
}

/// Runs an agent until `shutdown` resolves. A `witness` is told in the clear what was shared; what it does not take
/// in time is dropped.
///
/// # Errors
/// If the agent can't start, or is no member of the site any more.
pub async fn run(
    mut options: AgentOptions,
    clock: Clock,
    witness: Option<mpsc::Sender<Witness>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), AgentError> {
    let topics = Topics::new(options.roster.site().clone());
    let node = options.secrets.node.clone();
    if let Some(display_name) = &options.display_name {
        info!(%node, display_name, "starting");
    }
    tokio::pin!(shutdown);
    if !time::is_known(&node, &clock, shutdown.as_mut()).await {
        return Ok(());
    }
    let (broker, tls) = (options.broker.take(), options.tls.take());
    let broker = locate_unless(broker, tls.as_ref(), options.roster.site(), shutdown.as_mut()).await?;
    let Some(broker) = broker else { return Ok(()) };
    let mut settings = connection(&topics, &node, broker, options.secrets.password.clone());
    let Some((roster, members)) = membership(&mut options, &settings, &clock, shutdown.as_mut()).await?
    else {
        return Ok(());
    };
    let AgentOptions { secrets, control, switches, terms, maximum_age, rules, feed, .. } = options;
    let screens = Screens::new(&rules, &streams(&roster, &node), &node, maximum_age)
        .map_err(|error| AgentError::Rules { node: node.to_string(), error })?;
    let sources = Sources::start(feed, &node, &roster, &clock, &settings)?;
    let Sources { mut readings, taps, max_packet, running } = sources;
    settings.max_packet = max_packet;
    settings.pauses = pauses(&roster);
    let own = (terms, maximum_age, control);
    let mut service = Service::new(roster, secrets, own, screens, topics.clone(), clock.clone(), witness)?;
    service.follow(members);
    let mut switches = switches.map(|options| put_up(options, &service));
    let control = Topic::Control { agent: node.clone() };
    let mut inboxes = vec![topics.cards(), topics.spell(&Topic::Charter), topics.spell(&control)];
    inboxes.extend(taps.iter().flat_map(Taps::filters));
    let (publisher, mut incoming) = connect(settings, inboxes);
    service.attach(publisher.clone());
    let outcome = loop {
        let due = service.due();
        tokio::select! {
            () = &mut shutdown => break Ok(()),
            happening = incoming.next() => match happening {
                Some(happening) => handle(&mut service, &taps, happening),
                None => break Ok(()),
            },
            touch = touched(&mut switches) => service.handle_touch(touch),
            Some(happened) = readings.recv() => service.handle_happened(happened),
            () = service.room(), if service.is_held() => {}
            () = clock.sleep_until(due) => {
                // First: what is shared from then on is shared as the new list has it.
                if let Err(error) = service.move_on() {
                    break Err(error);
                }
                service.handle_timeout();
            }
        }
        if let Some(link) = switches.as_ref().filter(|_| std::mem::take(&mut service.is_control_new)) {
            link.show(|switch| service.is_on(switch));
        }
    };
    service.leave();
    if let Some(link) = switches {
        link.close().await;
    }
    let ignored: u64 = running.iter().map(Running::ignored).sum();
    if ignored > 0 {
        info!(%node, ignored, "messages of sensors that held no reading of ours");
    }
    let unsent = publisher.close().await;
    if unsent > 0 {
        warn!(%node, unsent, "left before the broker took all messages");
    }
    outcome
}

/// Shows the owner a switch for the agent, for each of its streams, and for each purpose that its terms allow.
fn put_up(options: SwitchOptions, service: &Service) -> Link {
    let streams = streams(&service.roster, service.name()).into_keys().map(Switch::Stream);
    let purposes = options.purposes.iter().cloned().map(Switch::Purpose);
    let switches = [Switch::All].into_iter().chain(streams).chain(purposes).collect();
    let site = service.roster.site().clone();
    Link::start(options, site, service.name(), switches, |switch| service.is_on(switch))
}

/// What the owner does next, if there are switches.
async fn touched(switches: &mut Option<Link>) -> Option<(Switch, bool)> {
    match switches {
        Some(link) => link.touched().await,
        None => std::future::pending().await,
    }
}

/// The roster that names this agent: at once, or once a newer member list does. None if the process is asked to end
/// meanwhile.
async fn membership(
    options: &mut AgentOptions,
    settings: &ConnectionSettings,
    clock: &Clock,
    shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Result<Option<(Arc<Roster>, Option<Members>)>, AgentError> {
    let Some(mut members) = options.members.take() else {
        return Ok(Some((Arc::clone(&options.roster), None)));
    };
    let KeyFile { node, keys, .. } = &options.secrets;
    let named = |site: &SiteDocument| is_named(site, node, keys);
    if named(members.register().document()) {
        return Ok(Some((members.roster()?, Some(members))));
    }
    match joining::wait(&mut members, node, settings.clone(), clock, shutdown, named).await? {
        Joined::Ended => Ok(None),
        Joined::Member => Ok(Some((members.roster()?, Some(members)))),
        Joined::Stranger => {
            let node = node.to_string();
            let known = members.register().document().agent.iter().any(|agent| agent.name.as_str() == node);
            Err(if known { AgentError::OtherKeys { node } } else { AgentError::NotAnAgent { node } })
        }
    }
}

/// Whether the list names this agent with these keys.
fn is_named(site: &SiteDocument, node: &NodeName, keys: &NodeKeys) -> bool {
    site.agent.iter().any(|agent| agent.name == *node && agent.sealing == *keys.sealing.public())
}

fn pauses(roster: &Roster) -> Pauses {
    let agents = u32::try_from(roster.agents().len()).unwrap_or(u32::MAX);
    let period = roster.shortest_period();
    period.map_or_else(Pauses::default, |period| Pauses::of_agent(period.as_duration(), agents))
}

fn handle(service: &mut Service, taps: &[Taps], happening: Happening) {
    match happening {
        Happening::Connected => service.handle_connected(),
        Happening::Disconnected { reason } => {
            warn!(node = %service.name(), %reason, "disconnected; trying again");
        }
        Happening::Message { topic, payload, retain } => {
            if !service.handle_publish(&topic, &payload) {
                for drawn in taps.iter().flat_map(|taps| taps.draw(&topic, &payload, retain)) {
                    service.handle_drawn(drawn);
                }
            }
        }
        Happening::Refused { reason } => warn!(node = %service.name(), %reason, "refused by the broker"),
    }
}

/// The sources at work.
struct Sources {
    readings: mpsc::Receiver<Happened>,
    /// Topics of the agent's own broker, read over the agent's own connection.
    taps: Vec<Taps>,
    /// How large the packets are that it must take in for them.
    max_packet: usize,
    running: Vec<Running>,
}

impl Sources {
    fn of(readings: mpsc::Receiver<Happened>, settings: &ConnectionSettings) -> Self {
        Self { readings, taps: Vec::new(), max_packet: settings.max_packet, running: Vec::new() }
    }

    fn start(
        feed: Feed,
        node: &NodeName,
        roster: &Roster,
        clock: &Clock,
        settings: &ConnectionSettings,
    ) -> Result<Self, AgentError> {
        let configs = match feed {
            Feed::Channel(readings) => return Ok(Self::of(readings, settings)),
            Feed::Sources(configs) => configs,
        };
        let context = Context {
            agent: node.clone(),
            clock: clock.clone(),
            connection: Some(settings.clone()),
            streams: streams(roster, node),
        };
        let largest = context.streams.values().map(Quantity::elements).max().unwrap_or(MAX_ELEMENTS);
        let (sender, readings) = mpsc::channel(READINGS_WAITING.min((NUMBERS_WAITING / largest) as usize));
        let mut sources = Self::of(readings, settings);
        let refuse = |error| AgentError::Source { node: node.to_string(), error };
        SourceConfig::check_together(&configs, &context.streams).map_err(refuse)?;
        for config in configs {
            config.check(&context).map_err(refuse)?;
            match config {
                SourceConfig::Mqtt(config) if config.broker.is_none() => {
                    sources.max_packet = sources.max_packet.max(config.max_packet());
                    sources.taps.push(Taps::new(&config));
                }
                config => {
                    sources.running.push(config.spawn(context.clone(), sender.clone()).map_err(refuse)?);
                }
            }
        }
        Ok(sources)
    }
}

/// The streams of an agent and what they measure.
pub(crate) fn streams(roster: &Roster, node: &NodeName) -> BTreeMap<StreamName, Quantity> {
    let bundles = roster.agent_named(node.as_str()).map(|agent| &roster.agent(agent).bundles);
    let begin = bundles.into_iter().flatten().map(|&bundle| roster.bundle(bundle)).filter(|b| b.begins());
    let streams = begin.flat_map(|bundle| &bundle.streams);
    let measured = |quantity| roster.quantity(quantity).quantity.clone();
    streams.map(|stream| (stream.name.clone(), measured(stream.quantity))).collect()
}
