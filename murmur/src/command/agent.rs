//! `murmur agent pause` and `murmur agent resume`: what the owner of an agent does not want it to share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use smc_core::control::{self, Control, Controls};
use smc_core::name::{NodeName, StreamName};
use smc_core::protocol::terms::MAX_PURPOSES;
use smc_core::result::VERSION;
use smc_core::roster::{Roster, Span};
use smc_mqtt::client::{Access, AccessError};
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::{Happening, Incoming, PublishRefused, connect};
use smc_mqtt::discovery::{DiscoveryError, locate};
use smc_mqtt::topic::{Topic, Topics};
use tokio::time::{Instant, timeout, timeout_at};

use super::asking::say;
use super::{Failure, Outcome, block_on};

const EXAMPLES: &str = "\
Examples:
  murmur agent pause --agent-config hq/room-101.toml                    share nothing
  murmur agent pause --agent-config hq/room-101.toml --stream motion    share no motion
  murmur agent pause --agent-config hq/room-101.toml --purpose adverts  take no part in what is for that
  murmur agent resume --agent-config hq/room-101.toml                   share everything again

Signed with the agent's own key and left at the broker: the agent follows with its next window, also
if it is away now. Whoever may read the site's topics can see what is paused; what the file named by
`control` pauses, only this machine knows. Both count.

Exit codes: 0 done, 1 an error, 2 wrong usage.";

/// After a silence this long, what the broker had kept has come.
const QUIET: Duration = Duration::from_millis(400);

/// `murmur agent ...`
#[derive(Debug, Args)]
pub(crate) struct AgentCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Share nothing, or nothing of some streams, from the next window on
    Pause(Change),
    /// Share again
    Resume(Change),
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Change {
    /// The agent's own file
    #[arg(long, value_name = "FILE")]
    agent_config: PathBuf,
    /// Only these streams; everything if left out
    #[arg(long, value_name = "NAME")]
    stream: Vec<StreamName>,
    /// Only results for these purposes, as requests state them
    #[arg(long, value_name = "TEXT")]
    purpose: Vec<String>,
    /// How long to wait for the broker
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    wait: Span,
}

/// What the owner has signed not to share.
#[derive(Debug, Default)]
struct Paused {
    all: bool,
    streams: BTreeSet<StreamName>,
    purposes: BTreeSet<String>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentFailure {
    /// The agent's files can't be used.
    #[error("--agent-config: {0}")]
    Access(#[from] AccessError),
    /// The broker is away, or refuses.
    #[error("no connection to the broker in time: {reason}; see `broker` in the agent's file")]
    NoConnection {
        /// What was the matter last.
        reason: String,
    },
    /// The file is another node's.
    #[error("`{node}` is no agent of the site with this key")]
    NoAgent {
        /// Whose it is.
        node: NodeName,
    },
    /// The agent measures nothing of this name.
    #[error("--stream {stream}: `{node}` has no such stream; it has {known}")]
    NoStream {
        /// What was named.
        stream: StreamName,
        /// Whose.
        node: NodeName,
        /// What there is.
        known: String,
    },
    /// No broker was found.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The message was not taken for sending.
    #[error("not sent: {0}")]
    NotSent(#[from] PublishRefused),
    /// There is no room in an agent's terms for more.
    #[error("--purpose: at most {MAX_PURPOSES} purposes can be paused one by one; pause the agent instead")]
    TooManyPurposes,
    /// The change could not be told.
    #[error("it is done, but could not be printed: {0}")]
    Output(#[from] std::io::Error),
}

impl AgentCommand {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        let (change, pauses) = match self.what {
            What::Pause(change) => (change, true),
            What::Resume(change) => (change, false),
        };
        Ok(block_on(change.apply(pauses))??)
    }
}

impl Change {
    async fn apply(self, pauses: bool) -> Result<Outcome, AgentFailure> {
        let (access, broker, tls) = Access::of_config(&self.agent_config)?;
        let node = access.node().clone();
        let identity = access.key().verifying_key();
        let known = streams(access.roster(), &node);
        let known = known.filter(|_| is_its_key(access.roster(), &node, identity.as_bytes()));
        let known = known.ok_or_else(|| AgentFailure::NoAgent { node: node.clone() })?;
        if let Some(stream) = self.stream.iter().find(|stream| !known.contains(stream)) {
            let known = known.iter().map(StreamName::as_str).collect::<Vec<_>>().join(", ");
            return Err(AgentFailure::NoStream { stream: stream.clone(), node, known });
        }
        let site = access.roster().site().clone();
        let topic = Topics::new(site.clone()).spell(&Topic::Control { agent: node.clone() });
        let broker = locate(broker, tls.as_ref(), &site).await?;
        // The agent itself is connected under its own name meanwhile.
        let settings = access.connection(broker, format!("{node}.open"));
        let (publisher, mut incoming) = connect(settings, vec![topic.clone()]);
        let mut controls = Controls::new(site.clone(), node.clone(), identity);
        self.hear(&mut incoming, &mut controls).await?;
        let now = Clock::system().now();
        let before = controls.newest();
        let known = before.map(|known| Paused {
            all: known.paused,
            streams: known.paused_streams.clone(),
            purposes: known.paused_purposes.clone(),
        });
        let changed = self.changed(pauses, known.unwrap_or_default());
        if changed.purposes.len() > MAX_PURPOSES {
            return Err(AgentFailure::TooManyPurposes);
        }
        // Newer than the last one, also if a clock was set back.
        let least = before.map(|known| known.issued + Duration::from_micros(1));
        let issued = least.map_or(now, |least| least.max(now));
        let told = told(&node, &changed);
        let Paused { all: paused, streams: paused_streams, purposes: paused_purposes } = changed;
        let control =
            Control { v: VERSION, site, agent: node, paused, paused_streams, paused_purposes, issued };
        publisher.publish_wait(topic, control::sign(control, access.key()), true).await?;
        if publisher.close().await > 0 {
            return Err(AgentFailure::NoConnection { reason: "it has not taken the message".to_owned() });
        }
        say(&told)?;
        Ok(Outcome::Done)
    }

    /// What is paused after the change.
    fn changed(&self, pauses: bool, mut paused: Paused) -> Paused {
        match (pauses, self.stream.is_empty() && self.purpose.is_empty()) {
            (true, true) => Paused { all: true, ..paused },
            (false, true) => Paused::default(),
            (true, false) => {
                paused.streams.extend(self.stream.iter().cloned());
                paused.purposes.extend(self.purpose.iter().cloned());
                paused
            }
            (false, false) => {
                paused.streams.retain(|stream| !self.stream.contains(stream));
                paused.purposes.retain(|purpose| !self.purpose.contains(purpose));
                paused
            }
        }
    }

    /// Hears the newest control that the broker has kept.
    async fn hear(&self, incoming: &mut Incoming, controls: &mut Controls) -> Result<(), AgentFailure> {
        let deadline = Instant::now() + self.wait.get();
        let mut reason = "it does not answer".to_owned();
        let mut take = |payload: &[u8]| {
            // What does not count is left where it is: the new one takes its place.
            let _ = controls.take(Clock::system().now(), payload);
        };
        loop {
            match timeout_at(deadline, incoming.next()).await {
                Ok(Some(Happening::Connected)) => break,
                Ok(Some(Happening::Disconnected { reason: fault })) => reason = fault.to_string(),
                Ok(Some(Happening::Message { payload, .. })) => take(&payload),
                Ok(Some(Happening::Refused { reason })) => {
                    return Err(AgentFailure::NoConnection { reason: reason.to_string() });
                }
                Ok(None) | Err(_) => return Err(AgentFailure::NoConnection { reason }),
            }
        }
        while let Ok(Some(happening)) = timeout(QUIET, incoming.next()).await {
            if let Happening::Message { payload, .. } = happening {
                take(&payload);
            }
        }
        Ok(())
    }
}

fn told(node: &NodeName, paused: &Paused) -> String {
    let streams = paused.streams.iter().map(|stream| format!("of {stream}"));
    let purposes = paused.purposes.iter().map(|purpose| format!("for {purpose:?}"));
    let parts = streams.chain(purposes).collect::<Vec<_>>().join(", ");
    match (paused.all, parts.is_empty()) {
        (true, _) => format!("{node} shares nothing, from its next window on"),
        (false, true) => {
            format!("{node} shares everything that its control file allows, from its next window on")
        }
        (false, false) => format!("{node} shares nothing {parts}, from its next window on"),
    }
}

fn is_its_key(roster: &Roster, node: &NodeName, key: &[u8; 32]) -> bool {
    let agent = roster.agent_named(node.as_str()).map(|agent| roster.agent(agent));
    agent.is_some_and(|agent| agent.node.identity.as_bytes() == key)
}

/// What an agent measures.
fn streams(roster: &Roster, node: &NodeName) -> Option<Vec<StreamName>> {
    let agent = roster.agent(roster.agent_named(node.as_str())?);
    let begin = agent.bundles.iter().map(|&bundle| roster.bundle(bundle)).filter(|bundle| bundle.begins());
    Some(begin.flat_map(|bundle| bundle.streams.iter().map(|stream| stream.name.clone())).collect())
}
