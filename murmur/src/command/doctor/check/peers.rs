//! Are the peers there, and how do they fare?

use std::collections::BTreeMap;
use std::time::Duration;

use smc_core::name::NodeName;
use smc_core::time::Timestamp;
use smc_mqtt::status::{Fare, Heard, Presence, WorkerState};

use crate::command::doctor::findings::{Findings, list};
use crate::command::doctor::seen::Seen;

const CHECK: &str = "peers";
/// How many windows may pass without a peer.
const WINDOWS: u32 = 3;
/// How long a peer may not have told of a window: it does so with its next status.
const UNTOLD: Duration = Duration::from_secs(60);

pub(in crate::command::doctor) fn check(seen: &Seen, now: Timestamp, findings: &mut Findings) {
    let (mut online, mut all) = (0, 0);
    for (peer, heard) in seen.peers() {
        all += 1;
        match heard {
            None => findings.problem(CHECK, format!("{peer} has never been at this broker"), start(peer)),
            Some(Heard { state: Presence::Offline, .. }) => {
                findings.problem(CHECK, format!("{peer} is gone"), start(peer));
            }
            // Why is told beside its disk.
            Some(Heard { state: Presence::Idle, .. }) => findings.note(
                CHECK,
                format!("{peer} is connected and takes no part"),
                "see what is said about its disk",
            ),
            Some(Heard { state: Presence::Online, .. }) => online += 1,
        }
    }
    let needed = seen.roster.quorum().size();
    if online < needed {
        let says = format!("{online} of {all} peers take part, and a result takes {needed}: there are none");
        findings.problem(CHECK, says, "start the peers that are gone");
    }
    slow(seen, findings);
    idle(seen, now, findings);
    workers(seen, findings);
    accused(seen, findings);
    if findings.is_well(CHECK) {
        findings.ok(CHECK, format!("all {all} are there; none is called slow, and nobody is blamed"));
    }
}

fn start(peer: &NodeName) -> String {
    format!(
        "on its machine: smc-peer --config {peer}.toml; its log tells why it ended, or why it does not get through to the broker"
    )
}

/// Peers that are there, and that others do without.
fn slow(seen: &Seen, findings: &mut Findings) {
    let mut late: BTreeMap<&NodeName, Vec<&str>> = BTreeMap::new();
    for (peer, heard) in seen.peers() {
        let Some(heard) = heard.filter(|heard| heard.state == Presence::Online) else { continue };
        for (other, fare) in &heard.peers {
            let is_there = seen.status(other).is_some_and(|status| status.state == Presence::Online);
            if is_there && *fare != Fare::Online {
                late.entry(other).or_default().push(peer.as_str());
            }
        }
    }
    for (peer, by) in late {
        findings.note(
            CHECK,
            format!("{peer} is connected, and too late or silent for {}", list(by)),
            "look at the load of its machine, its network and its clock; a longer `step` in the site file gives it more time",
        );
    }
}

/// Peers that are there, and take part in nothing while others do.
fn idle(seen: &Seen, now: Timestamp, findings: &mut Findings) {
    let periods =
        seen.roster.queries().map(|(_, query)| seen.roster.quantity(query.quantity).quantity.period());
    let Some(longest) = periods.map(|period| period.as_duration()).max() else { return };
    let timing = seen.roster.timing();
    let allowed = WINDOWS * longest + timing.grace + 2 * timing.step + UNTOLD;
    let ended = |heard: &Heard| heard.last_window.as_ref().map(|window| window.end);
    for (peer, heard) in seen.peers() {
        let online = heard.filter(|heard| heard.state == Presence::Online);
        if let Some(end) = online.and_then(ended).filter(|end| now.since(*end) > allowed) {
            findings.note(
                CHECK,
                format!("{peer} is connected, and has taken part in no window since {end}"),
                "see results, clocks, and what is said about its disk; its log tells whether it sits out",
            );
        }
    }
}

/// Connections of a peer that take no part of its shares.
fn workers(seen: &Seen, findings: &mut Findings) {
    for (peer, heard) in seen.peers() {
        let online = heard.filter(|heard| heard.state == Presence::Online);
        let workers = online.map(|heard| heard.workers.as_slice()).unwrap_or_default();
        let named = |state| {
            workers.iter().filter(move |worker| worker.state == state).map(|worker| worker.client.as_str())
        };
        if workers.iter().any(|worker| worker.state == WorkerState::Refused) {
            findings.note(
                CHECK,
                format!("the broker does not divide the shares of {peer} among {} connections: all come by one", workers.len()),
                "set `workers` to 1 in its file, or take a broker with shared subscriptions (docs/brokers.md)",
            );
        } else if workers.iter().any(|worker| worker.state == WorkerState::Away) {
            findings.note(
                CHECK,
                format!("{peer} is there, and these of its connections are not: {}", list(named(WorkerState::Away))),
                "its log tells why; the broker may bound the connections of a login, or another program have this client id",
            );
        }
    }
}

/// Who was seen to do what nobody should.
fn accused(seen: &Seen, findings: &mut Findings) {
    let mut blamed: BTreeMap<(&NodeName, &str), (u64, Vec<&str>)> = BTreeMap::new();
    for (peer, heard) in seen.peers() {
        for accused in heard.iter().flat_map(|heard| &heard.blamed) {
            let entry = blamed.entry((&accused.node, accused.reason.as_str())).or_default();
            entry.0 = entry.0.max(accused.count);
            entry.1.push(peer.as_str());
        }
    }
    for ((node, reason), (count, by)) in blamed {
        findings.problem(
            CHECK,
            format!("{} blame {node} for {reason}, up to {count} times since they started", list(by)),
            remedy(reason),
        );
    }
    for (peer, heard) in seen.peers() {
        let left_out = heard.map(|heard| heard.left_out.as_slice()).unwrap_or_default();
        if !left_out.is_empty() {
            let names = list(left_out.iter().map(NodeName::as_str));
            findings.problem(
                CHECK,
                format!(
                    "{peer} leaves {names} out until the cohort epoch ends: their shares were no readings"
                ),
                "update those agents, or give them new keys: whoever has the old ones may have sent it",
            );
        }
    }
}

/// What may be behind it.
fn remedy(reason: &str) -> &'static str {
    match reason {
        "equivocation" => {
            "two programs may run under this agent's name: stop one; else give it new keys (`murmur member rekey`)"
        }
        "flood" => "two programs may run under its name, or it is broken: look at its machine",
        "forked_log" => {
            "an old copy of its state was put back, or its log was rewritten: `murmur audit verify` it against another peer's (docs/audit.md)"
        }
        "invalid_input" => {
            "update that agent, or give it new keys: whoever has the old ones may have sent it"
        }
        "two_faced" => {
            "two programs may run on one peer's keys: stop one; else do not trust it any more (docs/members.md)"
        }
        _ => {
            "it computes falsely: look at its machine and its version; if that does not help, replace it (docs/members.md)"
        }
    }
}
