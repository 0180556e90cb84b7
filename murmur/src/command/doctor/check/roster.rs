//! Do all go by the same member list?

use smc_core::charter::Open;
use smc_core::name::NodeName;
use smc_core::time::Timestamp;
use smc_mqtt::status::Presence;

use crate::command::doctor::findings::{Findings, list};
use crate::command::doctor::seen::Seen;

const CHECK: &str = "roster";
/// What a peer counts that hears another one speak of another member list.
const OTHER_SITE_FILE: &str = "other_site_file";

pub(in crate::command::doctor) fn check(seen: &Seen, now: Timestamp, findings: &mut Findings) {
    if let Some(why) = &seen.false_charters {
        findings.problem(
            CHECK,
            format!("the changes of the member list that the broker has don't follow from this site file: {why}"),
            "use the site file that the peers have; if that one is it, an old or foreign message is retained on murmur/SITE/charter",
        );
    }
    differing(seen, findings);
    pending(seen, now, findings);
    if findings.is_well(CHECK) {
        let revision = seen.members.register().revision_in_force();
        findings.ok(
            CHECK,
            format!("no peer tells of another site file; the member list is at revision {revision}"),
        );
    }
}

/// Peers that hear others speak of another list.
fn differing(seen: &Seen, findings: &mut Findings) {
    let refusing =
        |heard: &smc_mqtt::status::Heard| heard.refused.get(OTHER_SITE_FILE).is_some_and(|&count| count > 0);
    let refusing: Vec<_> = seen
        .peers()
        .filter(|(_, heard)| heard.is_some_and(refusing))
        .map(|(peer, _)| peer.as_str())
        .collect();
    if refusing.is_empty() {
        return;
    }
    let computing = seen.computing();
    let is_out = |(peer, heard): &(&NodeName, Option<&smc_mqtt::status::Heard>)| {
        heard.is_some_and(|heard| heard.state == Presence::Online) && !computing.contains(peer)
    };
    let out: Vec<_> = seen.peers().filter(is_out).map(|(peer, _)| peer.as_str()).collect();
    let says = format!("{} refused messages of peers with another site file", list(refusing));
    let remedy = "compare the site files (sha256sum site.toml) and give all nodes the same; restart those whose file changed";
    match out.as_slice() {
        // It may have been mended since: peers count from their start on.
        [] => findings.note(CHECK, format!("{says}, and all that are connected compute now"), remedy),
        out => {
            let out = list(out.iter().copied());
            findings.problem(CHECK, format!("{says}; connected without taking part: {out}"), remedy);
        }
    }
}

/// Changes that wait.
fn pending(seen: &Seen, now: Timestamp, findings: &mut Findings) {
    let register = seen.members.register();
    for enacted in register.pending() {
        let (revision, effective) = (enacted.charter.revision, enacted.charter.effective);
        findings.ok(CHECK, format!("revision {revision} of the member list holds from {effective} on"));
    }
    for Open { charter, subject, signers, needed } in seen.poll.open(register, now) {
        let signers = list(signers.iter().map(|signer| signer.as_str()));
        findings.note(
            CHECK,
            format!(
                "a change of the member list waits until {}, signed by {signers} of {needed} that it takes: {subject}",
                charter.effective
            ),
            "the other peers' operators consent (`murmur member consent`) or refuse; `murmur member list` tells what it is",
        );
    }
}
