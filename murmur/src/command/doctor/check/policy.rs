//! Is a peer's policy one?

use smc_mqtt::config::{beside, load};
use smc_peer::PeerConfig;
use smc_policy::Policy;

use crate::command::doctor::findings::Findings;
use crate::command::doctor::local::{Local, Program};

const CHECK: &str = "policy";

pub(in crate::command::doctor) fn check(local: &Local, findings: &mut Findings) {
    if local.program() != Program::Peer {
        return;
    }
    // That the file is none was told before.
    let Ok(config) = load::<PeerConfig>(&local.path, &[]) else { return };
    let node = &config.node;
    let Some(file) = config.policy.file else {
        findings.ok(CHECK, format!("{node} has no policy file: it leaves every request to its operator"));
        return;
    };
    let path = beside(&local.path, &file);
    let remedy = format!("see `murmur policy check {}`, and docs/policy.md", path.display());
    match Policy::load(&path) {
        Ok(policy) => {
            for warning in policy.warnings() {
                findings.note(CHECK, warning.clone(), remedy.clone());
            }
            let rules = policy.rules();
            findings.ok(CHECK, format!("{}: {rules} rules for {node}", path.display()));
        }
        Err(mistake) => {
            let says = format!("{mistake}; a peer that starts with it denies everything");
            findings.problem(CHECK, says.lines().collect::<Vec<_>>().join("; "), remedy);
        }
    }
}
