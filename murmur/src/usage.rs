//! What the operating system knows of a process.

use serde::Serialize;

/// What a process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Usage {
    /// CPU time, user and system, in seconds.
    pub(crate) cpu_s: f64,
    /// The most memory it ever held, in MiB.
    pub(crate) peak_rss_mib: f64,
}

impl Usage {
    /// What the process `pid` has used so far; nothing if it is gone.
    pub(crate) fn of(pid: u32) -> Self {
        Self {
            cpu_s: cpu_seconds(pid).unwrap_or(0.0),
            peak_rss_mib: status_mib(pid, "VmHWM:").unwrap_or(0.0),
        }
    }
}

/// What a process holds now, in MiB; none if it is gone.
pub(crate) fn rss_mib(pid: u32) -> Option<f64> {
    status_mib(pid, "VmRSS:")
}

/// What the process `pid` had to be written to disks so far, in bytes; none if it is gone. What was taken back before it was
/// written, as with a file that is cut, does not count.
pub(crate) fn written_bytes(pid: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let of = |key: &str| io.lines().find_map(|line| line.strip_prefix(key))?.trim().parse::<u64>().ok();
    Some(of("write_bytes:")?.saturating_sub(of("cancelled_write_bytes:")?))
}

/// Fields 14 and 15 of `/proc/<pid>/stat`, counted after the name in parentheses, in clock ticks of 10 ms.
fn cpu_seconds(pid: u32) -> Option<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn status_mib(pid: u32, key: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: f64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}
