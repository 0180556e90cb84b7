//! What a person is told once a site is made.

use std::path::Path;

use smc_core::name::NodeName;
use smc_core::roster::{Roster, Span};
use smc_mqtt::topic::Topics;

use super::folder::{AUTHORITY, config};
use super::plan::{HOME_ASSISTANT, Member, OBSERVER, Plan};

/// How many commands of a kind are spelled out.
const SPELLED_OUT: usize = 9;

/// What was made, and what to run next.
pub(super) fn report(folder: &Path, plan: &Plan, roster: &Roster) -> String {
    let mut text = format!(
        "Made the site {name} in {dir}: {peers} peers, {agents} agents.
Any {threshold} of the peers together learn nothing; {quorum} must agree on a result.

  site.toml     public; the same copy for every node
  broker.toml   for the broker alone
  <node>.toml   one for each peer and agent
  keys/         secrets: a machine gets the key files of its own nodes and no others
{tls}",
        tls = if plan.rules.tls { TLS } else { "" },
        name = roster.site(),
        dir = folder.display(),
        agents = roster.agents().len(),
        peers = roster.sharing().peers(),
        threshold = roster.sharing().threshold(),
        quorum = roster.quorum().size(),
    );
    text += &note(roster);
    text += &format!(
        "\nStart the broker, then the agents, then the peers (an agent that comes later joins within {}):\n",
        Span::new(roster.timing().cohort_epoch)
    );
    text += &format!("  smc-broker --config {}\n", path(folder, "broker.toml"));
    text += &commands("sensor-agent", folder, &plan.agents);
    text += &commands("smc-peer", folder, &plan.peers);
    text + &watching(folder, plan, roster)
}

const TLS: &str = "  ca.pem        public; goes with site.toml
  broker.pem    the broker's certificate, with keys/broker-key.pem for the broker alone
  keys/ca-key.pem  makes certificates that nodes believe: only `murmur site renew` needs it, so keep it where no node runs
";

/// A site of too few agents has no results, and should not have to wonder why.
fn note(roster: &Roster) -> String {
    let (have, need) = (roster.agents().len() as u64, u64::from(roster.minimum_cohort()));
    if have >= need {
        return String::new();
    }
    format!(
        "\nNote: a result must cover {need} agents and there are {have}, so every window will be withheld.\n\
         Make the site with more agents, or with a lower --minimum-cohort (3 at the least).\n"
    )
}

fn commands(program: &str, folder: &Path, members: &[Member]) -> String {
    let line = |node: &NodeName| format!("  {program} --config {}\n", path(folder, &config(node)));
    let mut text: String = members.iter().take(SPELLED_OUT).map(|member| line(&member.name)).collect();
    if members.len() > SPELLED_OUT {
        text += &format!("  ... and so on for the other {}\n", members.len() - SPELLED_OUT);
    }
    text
}

fn watching(folder: &Path, plan: &Plan, roster: &Roster) -> String {
    let password = |login: &str| path(folder, &format!("keys/{login}.password"));
    format!(
        "
Watch and check the results as `{OBSERVER}`:
  mosquitto_sub -h {host} -p {port} {ca}-u {OBSERVER} -P \"$(cat {observer})\" -t '{results}' |
    murmur verify --site {site}
Home Assistant logs in as `{HOME_ASSISTANT}`, with the password in {home_assistant}.
",
        host = plan.rules.broker.host(),
        port = plan.rules.broker.port(),
        ca = if plan.rules.tls { format!("--cafile {} ", path(folder, AUTHORITY)) } else { String::new() },
        observer = password(OBSERVER),
        results = Topics::new(roster.site().clone()).results(),
        site = path(folder, "site.toml"),
        home_assistant = password(HOME_ASSISTANT),
    )
}

/// A file of the site as a shell takes it.
pub(super) fn path(folder: &Path, name: &str) -> String {
    let path = folder.join(name).display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_shell() {
        assert_eq!(path(Path::new("a/b"), "site.toml"), "a/b/site.toml");
        assert_eq!(path(Path::new("Büro"), "site.toml"), "Büro/site.toml");
        assert_eq!(path(Path::new("my site"), "x"), "'my site/x'");
        assert_eq!(path(Path::new("it's"), "x"), "'it'\\''s/x'");
    }
}
