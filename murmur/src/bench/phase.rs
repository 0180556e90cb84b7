//! One half of the measurement: start everybody, wait until all are connected, watch the windows, ask the operating
//! system what it took.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use smc_core::result::SignedResult;
use smc_core::time::{Period, Timestamp, WindowIndex};
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::{Happening, Incoming, Publisher, connect};
use smc_mqtt::status::{self, Presence};
use smc_mqtt::topic::{Topic, Topics};
use tokio::time::timeout;

use super::child::Child;
use super::figures::{Figures, RoleUsage};
use super::plain::PlainResult;
use super::role::{Role, address};
use super::setup::{EPOCH_WINDOWS, Setup};
use super::{BenchError, LIMIT};
use crate::percentiles::percentiles;
use crate::stage::observer;
use crate::usage::Usage;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// This system.
    Murmuration,
    /// The baseline.
    Plain,
}

/// Windows that are not counted, after all nodes are there: in the first, everybody makes everybody's keys.
const WARM_UP: u64 = 2 * EPOCH_WINDOWS as u64;

/// A window's outcome as it was seen.
struct Seen {
    at: Timestamp,
    readings: u64,
}

impl Phase {
    pub(crate) async fn run(self, setup: &Setup, broker: &mut Child) -> Result<Figures, BenchError> {
        let cast = setup.cast()?;
        let mut lookout = Lookout::new(setup)?;
        let period = Period::try_from(setup.period).map_err(|error| BenchError::Setup(error.to_string()))?;

        // The agents first: a cohort is frozen with its first window.
        let senders = if self == Self::Murmuration { Role::Agents } else { Role::Publishers };
        let mut children = vec![Child::start(senders, setup).await?];
        children[0].ready().await?;
        lookout.wait_for(setup.agents).await?;
        let idle_broker = broker.rss_mib();
        for (peer, _) in cast.roster.peers() {
            let receiver = if self == Self::Murmuration { Role::Peer(peer) } else { Role::Subscriber(peer) };
            let mut child = Child::start(receiver, setup).await?;
            child.ready().await?;
            children.push(child);
        }
        lookout.wait_for(setup.agents + usize::from(setup.peers)).await?;

        let clock = Clock::system();
        let first = WindowIndex(period.window_at(clock.now()).0 + 1 + WARM_UP);
        clock.sleep_until(period.start(first)).await;
        let before = usages(broker, &children);
        let seen = lookout.watch(self, setup, period, first, &clock).await?;
        let after = usages(broker, &children);
        drop(lookout);
        for child in &mut children {
            child.stop().await?;
        }
        Ok(figures(setup, period, &seen, &before, &after, idle_broker))
    }

    /// Window and readings of a result.
    fn read(self, payload: &[u8]) -> Option<(WindowIndex, u64)> {
        match self {
            Self::Murmuration => {
                let signed: SignedResult = serde_json::from_slice(payload).ok()?;
                Some((signed.result.window.index, u64::from(signed.result.fresh)))
            }
            Self::Plain => {
                let result: PlainResult = serde_json::from_slice(payload).ok()?;
                Some((result.window, result.readings))
            }
        }
    }
}

/// Sees statuses and results as any client may.
pub(super) struct Lookout {
    topics: Topics,
    /// The connection lives as long as this does.
    _publisher: Publisher,
    incoming: Incoming,
    online: BTreeSet<String>,
}

impl Lookout {
    pub(super) fn new(setup: &Setup) -> Result<Self, BenchError> {
        let cast = setup.cast()?;
        let topics = Topics::new(cast.roster.site().clone());
        let settings = observer(address(setup)?, cast.observer);
        let (publisher, incoming) = connect(settings, vec![topics.results(), topics.statuses()]);
        Ok(Self { topics, _publisher: publisher, incoming, online: BTreeSet::new() })
    }

    /// Waits until `nodes` nodes are connected.
    pub(super) async fn wait_for(&mut self, nodes: usize) -> Result<(), BenchError> {
        let all = async {
            while self.online.len() < nodes {
                let Some(happening) = self.incoming.next().await else { break };
                let Happening::Message { topic, payload, .. } = happening else { continue };
                if let Ok(Topic::Status { node }) = self.topics.parse(&topic) {
                    match status::presence(&payload) {
                        Some(Presence::Online) => self.online.insert(node.to_string()),
                        _ => self.online.remove(node.as_str()),
                    };
                }
            }
        };
        match timeout(LIMIT, all).await {
            Ok(()) => Ok(()),
            Err(_) => Err(BenchError::Start { have: self.online.len(), need: nodes }),
        }
    }

    /// Notes the results of the measured windows.
    async fn watch(
        &mut self,
        phase: Phase,
        setup: &Setup,
        period: Period,
        first: WindowIndex,
        clock: &Clock,
    ) -> Result<BTreeMap<WindowIndex, Seen>, BenchError> {
        let last = WindowIndex(first.0 + setup.windows);
        let patience = setup.grace.get() + 10 * setup.period.get().max(Duration::from_secs(1));
        let deadline = period.end(last) + patience;
        let mut seen = BTreeMap::new();
        loop {
            let happening = tokio::select! {
                happening = self.incoming.next() => happening,
                () = clock.sleep_until(deadline) => return if seen.is_empty() { Err(BenchError::Stalled(patience)) } else { Ok(seen) },
            };
            let Some(happening) = happening else { return Ok(seen) };
            let Happening::Message { topic, payload, .. } = happening else { continue };
            let at = clock.now();
            if let (Ok(Topic::Result { .. }), Some((window, readings))) =
                (self.topics.parse(&topic), phase.read(&payload))
            {
                if window >= last {
                    return Ok(seen);
                }
                if window >= first {
                    seen.insert(window, Seen { at, readings });
                }
            }
        }
    }
}

fn usages(broker: &Child, children: &[Child]) -> Vec<(Role, Usage)> {
    std::iter::once(broker).chain(children).map(|child| (child.role(), child.usage())).collect()
}

fn figures(
    setup: &Setup,
    period: Period,
    seen: &BTreeMap<WindowIndex, Seen>,
    before: &[(Role, Usage)],
    after: &[(Role, Usage)],
    idle_broker: f64,
) -> Figures {
    let due = |window: WindowIndex| period.end(window) + setup.grace.get();
    let mut waits: Vec<f64> =
        seen.iter().map(|(&window, seen)| seen.at.since(due(window)).as_secs_f64() * 1000.0).collect();
    let readings: u64 = seen.values().map(|seen| seen.readings).sum();
    let asked = setup.windows * setup.readings_per_window() as u64;
    let roles = after.iter().zip(before).map(|((role, after), (_, before))| RoleUsage {
        role: role.to_string(),
        cpu_s: after.cpu_s - before.cpu_s,
        peak_rss_mib: after.peak_rss_mib,
    });
    let roles: Vec<_> = roles.collect();
    Figures {
        readings_per_s: readings as f64 / (setup.windows as f64 * setup.period.get().as_secs_f64()),
        made_window: readings as f64 / asked as f64,
        windows_with_result: seen.len() as u64,
        result_ms: percentiles(&mut waits),
        cpu_s: roles.iter().map(|role| role.cpu_s).sum(),
        connected_broker_rss_mib: idle_broker,
        roles,
    }
}
