//! One half of the measurement: start everybody, wait until all are connected, watch the windows, ask the operating
//! system what it took.

use std::collections::BTreeMap;
use std::time::Duration;

use smc_core::time::{Period, WindowIndex};
use smc_mqtt::clock::Clock;

use super::BenchError;
use super::child::Child;
use super::figures::{Figures, RoleUsage};
use super::lookout::{Lookout, Sight};
use super::role::Role;
use super::said::Seen;
use super::setup::{EPOCH_WINDOWS, Setup};
use crate::percentiles::percentiles;
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
        let seen = watch(&mut lookout, setup, period, first, &clock).await?;
        let after = usages(broker, &children);
        drop(lookout);
        for child in &mut children {
            child.stop().await?;
        }
        Ok(figures(setup, period, &seen, &before, &after, idle_broker))
    }
}

/// Notes the results of the measured windows, as they are seen.
async fn watch(
    lookout: &mut Lookout,
    setup: &Setup,
    period: Period,
    first: WindowIndex,
    clock: &Clock,
) -> Result<BTreeMap<WindowIndex, Seen>, BenchError> {
    let last = WindowIndex(first.0 + setup.windows);
    let patience = setup.grace.get() + 10 * setup.period.get().max(Duration::from_secs(1));
    let deadline = period.end(last) + patience;
    let mut results = BTreeMap::new();
    loop {
        let sight = tokio::select! {
            sight = lookout.next() => sight,
            () = clock.sleep_until(deadline) => return if results.is_empty() { Err(BenchError::Stalled(patience)) } else { Ok(results) },
        };
        let Some(sight) = sight else { return Ok(results) };
        let Sight::Result(seen) = sight else { continue };
        if seen.window >= last {
            return Ok(results);
        }
        if seen.window >= first {
            results.insert(seen.window, seen);
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
    let mut waits: Vec<f64> = seen
        .iter()
        .map(|(&window, seen)| seen.at_us.saturating_sub(due(window).as_micros()) as f64 / 1e3)
        .collect();
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
