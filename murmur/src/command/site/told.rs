//! What a person is told once a site is made.

use std::path::Path;

use smc_core::name::NodeName;
use smc_core::roster::{Roster, Span};
use smc_mqtt::topic::Topics;

use super::folder::config;
use super::plan::{HOME_ASSISTANT, Member, OBSERVER, Plan};

/// How many commands of a kind are spelled out.
const SPELLED_OUT: usize = 9;

/// What was made, and what to run next.
pub(super) fn report(folder: &Path, plan: &Plan, roster: &Roster) -> String {
    let dir = folder.display();
    let (name, agents) = (roster.site(), roster.agents().len());
    let mut text = format!(
        "Made the site {name} in {dir}: {peers} peers, {agents} agents.
Any {threshold} of the peers together learn nothing; {quorum} must agree on a result.

  site.toml     public; the same copy for every node
  broker.toml   for the broker alone
  <node>.toml   one for each peer and agent
  keys/         secrets: a machine gets the key files of its own nodes and no others
",
        peers = roster.sharing().peers(),
        threshold = roster.sharing().threshold(),
        quorum = roster.quorum().size(),
    );
    let minimum = roster.minimum_cohort();
    if (agents as u64) < u64::from(minimum) {
        text += &format!(
            "\nNote: a result must cover {minimum} agents and there are {agents}, so every window will be withheld \
             until more agents join or minimum_cohort is lowered (to 3 at the least).\n"
        );
    }
    text += &format!(
        "\nStart the broker, then the peers, then the agents (who comes later joins within {}):\n",
        Span::new(roster.timing().cohort_epoch)
    );
    text += &format!("  smc-broker --config {}\n", folder.join("broker.toml").display());
    text += &commands("smc-peer", folder, &plan.peers);
    text += &commands("sensor-agent", folder, &plan.agents);
    text + &watching(folder, plan, roster)
}

fn commands(program: &str, folder: &Path, members: &[Member]) -> String {
    let line = |node: &NodeName| format!("  {program} --config {}\n", folder.join(config(node)).display());
    let mut text: String = members.iter().take(SPELLED_OUT).map(|member| line(&member.name)).collect();
    if members.len() > SPELLED_OUT {
        text += &format!("  ... and so on for the other {}\n", members.len() - SPELLED_OUT);
    }
    text
}

fn watching(folder: &Path, plan: &Plan, roster: &Roster) -> String {
    let password = |login: &str| folder.join(format!("keys/{login}.password")).display().to_string();
    format!(
        "
Watch and check the results as `{OBSERVER}`:
  mosquitto_sub -h {host} -p {port} -u {OBSERVER} -P \"$(cat {observer})\" -t '{results}' |
    murmur verify --site {site}
Home Assistant logs in as `{HOME_ASSISTANT}`, with the password in {home_assistant}.
",
        host = plan.rules.broker.host(),
        port = plan.rules.broker.port(),
        observer = password(OBSERVER),
        results = Topics::new(roster.site().clone()).results(),
        site = folder.join("site.toml").display(),
        home_assistant = password(HOME_ASSISTANT),
    )
}
