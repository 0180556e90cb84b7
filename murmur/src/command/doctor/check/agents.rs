//! Are the agents there, and heard?

use std::time::Duration;

use smc_core::roster::Agent;
use smc_mqtt::status::Presence;

use crate::command::doctor::findings::{Findings, list};
use crate::command::doctor::seen::Seen;

const CHECK: &str = "agents";
const REMEDY: &str = "start them on their machines (sensor-agent --config NAME.toml); the logs there tell why they ended, or why they don't get through to the broker";

/// `listened` is how long shares were listened for; nothing, if they can't be read with this login.
pub(in crate::command::doctor) fn check(seen: &Seen, listened: Option<Duration>, findings: &mut Findings) {
    let (mut never, mut gone, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for agent in seen.roster.agents() {
        let name = agent.node.name.as_str();
        match seen.status(&agent.node.name).map(|heard| heard.state) {
            None => never.push(name),
            Some(Presence::Offline) => gone.push(name),
            Some(Presence::Idle | Presence::Online) => {
                let expected = listened.is_some_and(|listened| listened >= twice(seen, agent));
                if expected && !seen.shares.contains_key(&agent.node.name) {
                    silent.push(name);
                }
            }
        }
    }
    let total = seen.roster.agents().len();
    if !gone.is_empty() {
        findings.problem(CHECK, format!("{} of {total} are gone: {}", gone.len(), list(gone)), REMEDY);
    }
    if !never.is_empty() {
        let says = format!("{} of {total} have never been at this broker: {}", never.len(), list(never));
        findings.problem(CHECK, says, REMEDY);
    }
    if !silent.is_empty() {
        findings.problem(
            CHECK,
            format!("connected, and no shares came in two windows: {}", list(silent)),
            "look at their logs: without the peers' cards, or with another clock or site file, an agent can't share",
        );
    }
    if findings.is_well(CHECK) {
        let heard = seen.shares.len();
        findings.ok(
            CHECK,
            format!("all {total} are there; shares of {heard} of them came while it was listened"),
        );
    }
}

/// Two windows of all that it measures: in so long it speaks at least once.
fn twice(seen: &Seen, agent: &Agent) -> Duration {
    let longest = agent.bundles.iter().map(|&bundle| seen.roster.bundle(bundle).period.as_duration()).max();
    2 * longest.unwrap_or_default()
}
