//! Do the clocks agree: the peers', the agents', this machine's?

use std::collections::BTreeMap;
use std::time::Duration;

use smc_core::name::NodeName;

use crate::command::doctor::findings::{Findings, list};
use crate::command::doctor::seen::Seen;

const CHECK: &str = "clocks";
/// What the way through the broker may take, in seconds.
const NOTICEABLE: f64 = 1.0;
const REMEDY: &str = "set it by NTP there (timedatectl set-ntp true), and see that it stays so";

pub(in crate::command::doctor) fn check(seen: &Seen, findings: &mut Findings) {
    peers(seen, findings);
    let is_here = this_machine(seen, findings);
    if findings.is_well(CHECK) && !is_here {
        let (agents, grace) = (seen.shares.len(), seen.roster.timing().grace);
        findings.ok(
            CHECK,
            format!("no peer tells of one that is off by more than {:?}; this machine's fits the windows of {agents} agents", grace / 2),
        );
    }
}

/// By how many seconds a node's clock is ahead of those of some peers.
type Differences<'a> = BTreeMap<&'a NodeName, BTreeMap<&'a NodeName, f64>>;

/// What peers tell: first those that differ from most others, then whoever differs from the rest.
fn peers(seen: &Seen, findings: &mut Findings) {
    let (between, others) = differences(seen);
    let count = seen.roster.peers().count();
    let is_off = |peer: &NodeName| between.get(peer).is_some_and(|from| 2 * from.len() > count - 1);
    for (peer, heard) in seen.peers() {
        if let Some(ahead) = heard.and_then(|heard| heard.own_clock) {
            let says = format!("{peer} says that its own clock is {} most others'", told(ahead));
            findings.problem(CHECK, says, REMEDY);
        } else if is_off(peer) {
            differs(peer, &between[peer], findings);
        }
        if let Some(back) = heard.and_then(|heard| heard.set_back) {
            let says = format!(
                "the clock of {peer} was set back by {back:.1} s: it waits until the time has caught up"
            );
            findings.problem(CHECK, says, REMEDY);
        }
    }
    for (node, mut from) in others {
        // Whose own clock is off is no measure for others'.
        from.retain(|peer, _| !is_off(peer));
        if !from.is_empty() && !is_off(node) {
            differs(node, &from, findings);
        }
    }
}

/// Between peers, whichever of the two says so; and what peers say of all.
fn differences(seen: &Seen) -> (Differences<'_>, Differences<'_>) {
    let (mut between, mut said) = (Differences::new(), Differences::new());
    for (peer, heard) in seen.peers() {
        for (node, &ahead) in heard.iter().flat_map(|heard| &heard.clocks) {
            said.entry(node).or_default().insert(peer, ahead);
            if seen.roster.peer_named(node.as_str()).is_some() {
                between.entry(node).or_default().insert(peer, ahead);
                between.entry(peer).or_default().entry(node).or_insert(-ahead);
            }
        }
    }
    (between, said)
}

fn differs(node: &NodeName, from: &BTreeMap<&NodeName, f64>, findings: &mut Findings) {
    let mut ahead: Vec<_> = from.values().copied().collect();
    ahead.sort_by(f64::total_cmp);
    let middle = ahead.get(ahead.len() / 2).copied().unwrap_or_default();
    let peers = list(from.keys().map(|peer| peer.as_str()));
    findings.problem(CHECK, format!("the clock of {node} is {} that of {peers}", told(middle)), REMEDY);
}

/// Whether this machine's clock is the one that is off.
fn this_machine(seen: &Seen, findings: &mut Findings) -> bool {
    let mut off: Vec<_> =
        seen.shares.values().map(|ahead| ahead.0).filter(|ahead| ahead.abs() > NOTICEABLE).collect();
    off.sort_by(f64::total_cmp);
    let middle = off.get(off.len() / 2).copied();
    let behind = seen.early > Duration::from_secs_f64(NOTICEABLE);
    let here = match middle {
        Some(ahead) if 2 * off.len() > seen.shares.len() => Some(ahead),
        _ if behind => Some(-seen.early.as_secs_f64()),
        _ => None,
    };
    if let Some(ahead) = here {
        let says = format!("the clock of this machine is {} the site's, at least", told(ahead));
        findings.problem(
            CHECK,
            says,
            "set it by NTP (timedatectl set-ntp true); what is said about times here is off by as much",
        );
    }
    here.is_some()
}

fn told(ahead: f64) -> String {
    let way = if ahead < 0.0 { "behind" } else { "ahead of" };
    format!("{:.1} s {way}", ahead.abs())
}
