//! Can the programs use their own files?

use broker::settings::Settings;
use sensor_agent::AgentConfig;
use smc_core::roster::Roster;
use smc_mqtt::config::{ConfigError, beside, load_site};
use smc_peer::PeerConfig;

use crate::command::doctor::findings::Findings;
use crate::command::doctor::local::{Local, Program};

const CHECK: &str = "config";

pub(in crate::command::doctor) fn check(local: &Local, roster: Option<&Roster>, findings: &mut Findings) {
    let path = &local.path;
    let read = match local.program() {
        Program::Agent => AgentConfig::load(path).map(|_| ()),
        Program::Broker => {
            match Settings::load(path) {
                Ok(_) => findings.ok(CHECK, format!("{}: the broker can use it", path.display())),
                Err(error) => findings.problem(CHECK, error.to_string(), "mend the file"),
            }
            return;
        }
        Program::Peer => PeerConfig::load(path).map(|_| ()),
    };
    match read {
        Ok(()) => {
            let node = local.own.node.as_ref().map_or("a node", |node| node.as_str());
            findings.ok(CHECK, format!("{}: {node} can use it, and its keys", path.display()));
        }
        Err(ConfigError::Keys(error)) => {
            findings.problem("keys", error.to_string(), "the node does not start until then");
        }
        Err(error) => {
            findings.problem(CHECK, error.to_string(), "the node does not start until that is mended")
        }
    }
    same_site(local, roster, findings);
}

/// Whether the node has the site file that is looked at.
fn same_site(local: &Local, roster: Option<&Roster>, findings: &mut Findings) {
    let (Some(site), Some(roster)) = (&local.own.site, roster) else { return };
    let site = beside(&local.path, site);
    // That it can't be read was told before.
    let Ok(own) = load_site(&site) else { return };
    if own.digest() != roster.digest() && own.site() == roster.site() {
        findings.problem(
            "roster",
            format!(
                "{}: {} is another site file than the one that is looked at",
                local.path.display(),
                site.display()
            ),
            "give all nodes the same file: nodes whose files differ don't understand each other",
        );
    }
}
