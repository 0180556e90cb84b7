//! Do all run the same version?

use std::collections::BTreeMap;

use smc_mqtt::status::Presence;

use crate::command::doctor::findings::{Findings, list};
use crate::command::doctor::seen::Seen;

const CHECK: &str = "versions";
const OWN: &str = env!("CARGO_PKG_VERSION");

pub(in crate::command::doctor) fn check(seen: &Seen, findings: &mut Findings) {
    let mut programs: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (peer, heard) in seen.peers() {
        let online = heard.filter(|heard| heard.state != Presence::Offline);
        if let Some(program) = online.and_then(|heard| heard.program.as_ref()) {
            programs.entry(program.to_string()).or_default().push(peer.as_str());
        }
    }
    for introduction in seen.introductions.iter() {
        programs.entry(introduction.program.to_string()).or_default().push(introduction.node.as_str());
    }
    let same = programs.remove(OWN).map_or(0, |nodes| nodes.len());
    for (version, nodes) in programs {
        let says = format!("version {version}, where this program is {OWN}: {}", list(nodes));
        findings.note(CHECK, says, "update the older ones, one node after the other");
    }
    if findings.is_well(CHECK) {
        findings.ok(CHECK, format!("{same} nodes tell their version, and it is this program's: {OWN}"));
    }
}
