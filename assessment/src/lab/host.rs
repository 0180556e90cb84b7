//! A machine of a lab: a network namespace of its own with one address.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::process::Child;

use super::cgroup::Group;
use super::namespace::{Namespace, on_a_thread};
use super::proxy::Proxy;
use super::{INTERFACE, LabError, Limits, Process, Shared};
use crate::meter::Events;

/// A machine of a lab.
#[derive(Debug)]
pub struct Host {
    pub(super) name: String,
    pub(super) address: IpAddr,
    pub(super) way: Way,
    pub(super) shared: Arc<Shared>,
}

/// How a host is joined to the others.
#[derive(Debug)]
pub(super) enum Way {
    /// By an interface in a namespace of its own, whose counters are in this file: of IP packets, each behind a header.
    Interface { namespace: Arc<Namespace>, counters: Mutex<File>, header_bytes: u64 },
    /// By proxies on the loopback of the machine.
    Proxy(Proxy),
}

/// What a host has sent and received so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// Bytes of IP packets with their headers; by proxies, bytes of TCP's payload.
    pub sent_bytes: u64,
    /// Packets; none by proxies, which see none.
    pub sent_packets: Option<u64>,
    /// Bytes, as above.
    pub received_bytes: u64,
    /// Packets, as above.
    pub received_packets: Option<u64>,
    /// Packets that were not sent, since its interface's queue was full: what joins the hosts did not keep up.
    pub dropped_packets: Option<u64>,
}

impl Host {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address: the others reach it there, through [`Self::reach`].
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// What a process here has to connect to in order to reach `to` with the impairments: `to` itself, or a proxy's near end.
    ///
    /// # Errors
    ///
    /// If a proxy can't listen.
    pub fn reach(&self, to: SocketAddr) -> Result<SocketAddr, LabError> {
        match &self.way {
            Way::Interface { .. } => Ok(to),
            Way::Proxy(proxy) => proxy.reach(to),
        }
    }

    /// Calls `job` on a thread in this host's network: what it binds and connects is there, also afterwards.
    ///
    /// # Errors
    ///
    /// If the namespace can't be entered.
    pub fn inside<T: Send>(&self, job: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        match &self.way {
            Way::Interface { namespace, .. } => namespace.run(job),
            Way::Proxy(_) => on_a_thread(job),
        }
    }

    /// Whether it has no network of its own, but proxies.
    pub(super) fn is_proxied(&self) -> bool {
        matches!(self.way, Way::Proxy(_))
    }

    /// What it has sent to and received from other hosts so far.
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn wire(&self) -> Result<Wire, LabError> {
        match &self.way {
            Way::Interface { counters, header_bytes, .. } => {
                let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
                read_counters(&mut counters, INTERFACE)
                    .map(|wire| wire.without(*header_bytes))
                    .map_err(|source| LabError::Network { what: "reading its counters", source })
            }
            Way::Proxy(proxy) => Ok(proxy.wire()),
        }
    }

    /// Starts a process here: with its standard input and output as pipes, in a control group of its own with `limits` before
    /// its first instruction (with control groups of version 2, right after it; cores hold from the first on).
    ///
    /// # Errors
    ///
    /// If the program does not start, and if the limits can't be held: a figure for a limit that did not hold would be wrong.
    pub async fn spawn(&self, command: Command, limits: &Limits) -> Result<Process, LabError> {
        let shared = &*self.shared;
        let cores = shared.cores.last(limits.cores)?;
        if let Some(percent) = limits.cpu_percent {
            if percent == 0 {
                return Err(LabError::CpuPercent(percent));
            }
            if !shared.cgroups.limits_cpu() {
                return Err(LabError::Unlimited { percent });
            }
        }
        let number = shared.processes.fetch_add(1, Ordering::Relaxed);
        let group = Group::make(&shared.cgroups, number, limits, &cores.to_string())?;
        let (pid, child, events) = self.inside(|| shared.start(command, &group, &cores.to_set()))??;
        // Not on that thread, which is in the group itself until it ends.
        group.take(pid)?;
        Ok(Process::new(pid, child, group, events))
    }
}

impl Wire {
    /// The same of packets without headers of so many bytes.
    fn without(self, header_bytes: u64) -> Self {
        let headers = |packets: Option<u64>| packets.unwrap_or(0).saturating_mul(header_bytes);
        Self {
            sent_bytes: self.sent_bytes.saturating_sub(headers(self.sent_packets)),
            received_bytes: self.received_bytes.saturating_sub(headers(self.received_packets)),
            ..self
        }
    }
}

impl Shared {
    /// Starts a process from this thread, which is on the host, and does nothing else after.
    fn start(
        &self,
        command: Command,
        group: &Group,
        cores: &CpuSet,
    ) -> Result<(u32, Child, Events), LabError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |source: io::Error| LabError::Spawn { program: program.clone(), source };
        let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guard) = &*guard {
            guard.enter()?;
        }
        sched_setaffinity(Pid::from_raw(0), cores).map_err(|error| failed(error.into()))?;
        group.enter()?;
        let events = Events::of_next_process();
        let _runtime = self.runtime.enter();
        let mut command = tokio::process::Command::from(command);
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let pid = child.id().ok_or_else(|| failed(io::Error::other("it ended at once")))?;
        Ok((pid, child, events))
    }
}

/// From `/proc/net/dev`: a name, then eight numbers of what came, and eight of what went, bytes and packets first.
fn read_counters(file: &mut File, interface: &str) -> io::Result<Wire> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_string(&mut text)?;
    wire(&text, interface).ok_or_else(|| io::Error::other(format!("{interface} is not in it")))
}

fn wire(dev: &str, interface: &str) -> Option<Wire> {
    let numbers =
        dev.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    let numbers: Vec<u64> =
        numbers.split_ascii_whitespace().map_while(|number| number.parse().ok()).collect();
    Some(Wire {
        received_bytes: *numbers.first()?,
        received_packets: Some(*numbers.get(1)?),
        sent_bytes: *numbers.get(8)?,
        sent_packets: Some(*numbers.get(9)?),
        dropped_packets: Some(*numbers.get(11)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_the_interfaces_whole_name() {
        let dev = "Inter-|   Receive | Transmit\n face |bytes\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n\
                   lab0:  700 7 0 0 0 0 0 0  900 9 0 3 0 0 0 0\n";
        let read = wire(dev, "lab0").unwrap();
        assert_eq!((read.received_bytes, read.received_packets), (700, Some(7)));
        assert_eq!((read.sent_bytes, read.sent_packets), (900, Some(9)));
        assert_eq!(read.dropped_packets, Some(3));
        assert_eq!(wire(dev, "lab"), None);
    }

    #[test]
    fn headers_that_are_not_ips_do_not_count() {
        let read = Wire {
            sent_bytes: 900,
            sent_packets: Some(9),
            received_bytes: 700,
            received_packets: Some(7),
            dropped_packets: Some(3),
        };
        assert_eq!(read.without(14), Wire { sent_bytes: 774, received_bytes: 602, ..read });
        assert_eq!(read.without(0), read);
    }
}
