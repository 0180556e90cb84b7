//! The kernel's own emulation instead of the relay: hosts are joined by pairs of virtual Ethernet devices and a bridge, and a
//! queueing discipline at each host's end delays, loses and slows down.
//!
//! It takes less of the machine than the relay, where a kernel has it. All of it is in namespaces of the lab's own, and goes
//! with them. It is set up by `ip` and `tc`.

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use super::impairment::Shape;
use super::namespace::Namespace;
use super::relay::{HOSTS_MAX, address};
use super::{INTERFACE, Impairment, LabError};

/// What a rate is where none was asked: with one, netem keeps the order in spite of jitter.
const ANY_RATE_MBIT_S: f64 = 100_000.0;

/// Packets that one host may have on their way.
const PACKETS_MAX: f64 = 65_536.0;

/// An Ethernet header, which packets have here alone. It is neither counted nor takes time on a line, so that bytes are IP's
/// as at the relay.
pub(super) const HEADER_BYTES: u64 = 14;

/// A bridge and the hosts at it.
#[derive(Debug)]
pub(super) struct Netem {
    bridge: Namespace,
    hosts: Mutex<Vec<Arc<Namespace>>>,
    asked: Mutex<Impairment>,
}

impl Netem {
    /// Tries whether the kernel can, and makes a bridge.
    pub(super) fn open() -> Result<Self, LabError> {
        Namespace::make(|| tc(&qdisc("lo", &Impairment { latency_ms: 1.0, ..Impairment::NONE })))?;
        // One that listens for groups tells all hosts that it does, which they would count.
        let (bridge, ()) =
            Namespace::make(|| ip("link add bridge type bridge mcast_snooping 0\nlink set bridge up\n"))?;
        Ok(Self { bridge, hosts: Mutex::default(), asked: Mutex::new(Impairment::NONE) })
    }

    /// Makes the host of this number, and gives its namespace and the file of its counters.
    pub(super) fn join(&self, number: u8) -> Result<(Arc<Namespace>, File), LabError> {
        let (namespace, ()) = Namespace::make(|| Ok(()))?;
        let host = namespace.path();
        let port = format!("port{number}");
        self.bridge.run(|| {
            ip(&format!(
                "link add {port} type veth peer name {INTERFACE} address {mac} netns {host}\n\
                 link set {port} gso_max_segs 1 master bridge up\n",
                mac = mac(number),
            ))
        })??;
        let counters = namespace.run(|| {
            ip(&configure(number))?;
            File::open("/proc/thread-self/net/dev")
                .map_err(|source| LabError::Network { what: "its counters", source })
        })??;
        let namespace = Arc::new(namespace);
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        namespace.run(|| tc(&qdisc(INTERFACE, &asked)))??;
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&namespace));
        Ok((namespace, counters))
    }

    /// From now on, packets meet with this, which has been checked to be a [`Shape`].
    pub(super) fn impair(&self, asked: &Impairment) -> Result<(), LabError> {
        Shape::try_from(asked)?;
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = *asked;
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.iter().try_for_each(|host| host.run(|| tc(&qdisc(INTERFACE, asked)))?)
    }
}

/// A host's address; and, so that nothing need be asked for on the network, where all others are. Packets leave as they go
/// over the wire, not put together for the device to cut.
fn configure(number: u8) -> String {
    let mut lines = format!(
        "link set {INTERFACE} gso_max_segs 1 up\naddress add {}/24 dev {INTERFACE}\n",
        address(number)
    );
    for other in (0..HOSTS_MAX).filter(|other| *other != number) {
        let line =
            format!("neigh add {} lladdr {} dev {INTERFACE} nud permanent\n", address(other), mac(other));
        lines.push_str(&line);
    }
    lines
}

/// The Ethernet address of the host of this number: one of those that anybody may give.
fn mac(number: u8) -> String {
    let [a, b, c, d] = Ipv4Addr::octets(&address(number));
    format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// What `tc` is told.
fn qdisc(device: &str, asked: &Impairment) -> Vec<String> {
    let rate = asked.rate_mbit_s.unwrap_or(ANY_RATE_MBIT_S);
    // What is on its way, and what waits for the line as at the relay.
    let waits_ms = (64.0 * 8.192 / rate).max(100.0);
    let packets = ((asked.latency_ms + asked.jitter_ms + waits_ms) * rate / 12.0).clamp(50.0, PACKETS_MAX);
    let text = format!(
        "qdisc replace dev {device} root netem limit {packets:.0} delay {}us {}us loss {}% rate {:.0}bit -{HEADER_BYTES}",
        asked.latency_ms * 1000.0,
        asked.jitter_ms * 1000.0,
        asked.loss_percent,
        rate * 1e6,
    );
    let reorder = match asked.reorder_percent {
        0.0 => String::new(),
        percent => format!(" reorder {percent}%"),
    };
    (text + &reorder).split(' ').map(str::to_owned).collect()
}

/// Runs `tc` in the namespace of this thread.
fn tc(arguments: &[String]) -> Result<(), LabError> {
    run(Command::new("tc").args(arguments), "")
}

/// Lets `ip` carry out some lines in the namespace of this thread.
fn ip(lines: &str) -> Result<(), LabError> {
    run(Command::new("ip").args(["-batch", "-"]), lines)
}

fn run(command: &mut Command, lines: &str) -> Result<(), LabError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |said: String| LabError::Netem { program: program.clone(), said };
    let told = |error: std::io::Error| failed(error.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(told)?;
    // Few enough for a pipe; one that ended early says why.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(lines.as_bytes());
    }
    let output = child.wait_with_output().map_err(told)?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("it failed").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_told_what_was_asked() {
        let asked = Impairment {
            latency_ms: 10.0,
            jitter_ms: 2.5,
            rate_mbit_s: Some(12.0),
            loss_percent: 0.5,
            reorder_percent: 3.0,
        };
        // 112.5 ms at 12 Mbit/s are 112.5 packets.
        assert_eq!(
            qdisc("lab0", &asked).join(" "),
            "qdisc replace dev lab0 root netem limit 112 delay 10000us 2500us loss 0.5% rate 12000000bit -14 reorder 3%"
        );
    }

    #[test]
    fn every_host_knows_where_all_others_are() {
        let lines = configure(0);
        assert_eq!(
            lines.lines().filter(|line| line.starts_with("neigh")).count(),
            usize::from(HOSTS_MAX) - 1
        );
        assert!(lines.contains("neigh add 10.83.0.3 lladdr 02:00:0a:53:00:03 dev lab0"));
        assert!(!lines.contains("neigh add 10.83.0.1 "));
    }
}
