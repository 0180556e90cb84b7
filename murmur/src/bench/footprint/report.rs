//! What came of it.

use std::fmt;

use serde::Serialize;

use super::node::Node;
use super::written::Written;
use super::{Options, PEERS};
use crate::bench::figures::Machine;

/// The whole report; `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(super) machine: Machine,
    pub(super) told: Told,
    pub(super) roles: Vec<Role>,
    pub(super) flash: Flash,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    agents: u32,
    peers: u32,
    period_ms: u64,
    windows: u32,
}

/// The processes of a role.
#[derive(Debug, Serialize)]
pub(super) struct Role {
    role: &'static str,
    processes: usize,
    /// The median, and that of the slowest.
    ready_ms: f64,
    slowest_ms: f64,
    /// At the end, of the one that holds the most.
    rss_mib: f64,
    /// The most that any ever held.
    peak_rss_mib: f64,
}

/// What a peer wrote.
#[derive(Debug, Serialize)]
pub(super) struct Flash {
    bytes_per_window: u64,
    mb_per_day: f64,
    /// The same for the device with its state, with all that the file system writes for itself and for others.
    device_bytes_per_window: Option<u64>,
    device_mb_per_day: Option<f64>,
}

impl From<&Options> for Told {
    fn from(options: &Options) -> Self {
        let period_ms = options.period.get().as_millis() as u64;
        Self { agents: options.agents, peers: PEERS, period_ms, windows: options.windows }
    }
}

impl Role {
    pub(super) fn of(role: &'static str, nodes: &[Node]) -> Self {
        let mut ready: Vec<f64> = nodes.iter().map(|node| node.ready.as_secs_f64() * 1000.0).collect();
        ready.sort_by(f64::total_cmp);
        let most = |of: fn(&Node) -> f64| nodes.iter().map(of).fold(0.0, f64::max);
        Self {
            role,
            processes: nodes.len(),
            ready_ms: ready.get(ready.len() / 2).copied().unwrap_or_default(),
            slowest_ms: ready.last().copied().unwrap_or_default(),
            rss_mib: most(Node::rss_mib),
            peak_rss_mib: most(Node::peak_rss_mib),
        }
    }
}

impl Flash {
    pub(super) fn of(written: Written, options: &Options) -> Self {
        const DAY: f64 = 86_400.0;
        let windows = f64::from(options.windows);
        let windows_per_day = DAY / options.period.get().as_secs_f64();
        let per_window = |bytes: u64| bytes / u64::from(options.windows);
        let per_day = |bytes: u64| bytes as f64 / windows * windows_per_day / 1e6;
        Self {
            bytes_per_window: per_window(written.process),
            mb_per_day: per_day(written.process),
            device_bytes_per_window: written.device.map(per_window),
            device_mb_per_day: written.device.map(per_day),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { agents, peers, period_ms, windows } = self.told;
        writeln!(f, "{agents} agents, {peers} peers, {windows} windows of {period_ms} ms")?;
        for Role { role, processes, ready_ms, slowest_ms, rss_mib, peak_rss_mib } in &self.roles {
            writeln!(
                f,
                "{processes:>3} {role:<7} ready after {ready_ms:>4.0} ms, at most {slowest_ms:>4.0} ms; \
                 holds {rss_mib:>5.1} MiB, at most {peak_rss_mib:>5.1} MiB"
            )?;
        }
        let Flash { bytes_per_window, mb_per_day, device_bytes_per_window, device_mb_per_day } = self.flash;
        write!(f, "a peer writes {bytes_per_window} bytes per window, {mb_per_day:.1} MB per day")?;
        if let (Some(bytes), Some(mb)) = (device_bytes_per_window, device_mb_per_day) {
            write!(f, "; its disk is written {bytes} bytes per window, {mb:.1} MB per day")?;
        }
        Ok(())
    }
}
