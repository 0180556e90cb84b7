//! What one process has used.

use std::fs;
use std::time::Duration;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::{Events, stack};

/// What a process has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time, user and system, in milliseconds: of it and what it started, where there are control groups; of it alone
    /// elsewhere.
    pub cpu_ms: f64,
    /// The most memory that it held at once, in bytes.
    pub rss_peak_bytes: u64,
    /// CPU cycles, where the kernel counts them.
    pub cycles: Option<u64>,
    /// Instructions, where the kernel counts them.
    pub instructions: Option<u64>,
    /// Of all threads' stacks, the most that one has touched, in bytes, in pages; where the kernel says it.
    pub stack_peak_bytes: Option<u64>,
}

impl Usage {
    /// That of the process `pid`, of whose group the CPU time is given. What the kernel no longer says is as it was.
    pub(crate) fn read(pid: u32, group_cpu_ns: Option<u64>, events: &mut Events, last: &Self) -> Self {
        let cpu_ns = group_cpu_ns.or_else(|| cpu_ns(pid));
        let deepest = stack::deepest_bytes(pid).into_iter().chain(last.stack_peak_bytes).max();
        Self {
            cpu_ms: cpu_ns.map_or(last.cpu_ms, |ns| ns as f64 / 1e6),
            rss_peak_bytes: rss_peak_bytes(pid).unwrap_or(0).max(last.rss_peak_bytes),
            cycles: events.cycles().or(last.cycles),
            instructions: events.instructions().or(last.instructions),
            stack_peak_bytes: deepest,
        }
    }
}

/// By the process's own clock, which counts nanoseconds, where `/proc/<pid>/stat` counts ticks of ten milliseconds.
fn cpu_ns(pid: u32) -> Option<u64> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed())).ok()?;
    Some(Duration::from(clock_gettime(clock).ok()?).as_nanos() as u64)
}

fn rss_peak_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}
