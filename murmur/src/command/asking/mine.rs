//! `murmur mine`: what the owner of an agent can know of the queries that concern it.

mod concern;
mod history;

use std::path::PathBuf;

use clap::Args;
use smc_core::name::NodeName;
use smc_core::roster::{AgentIndex, Roster};
use smc_core::time::Timestamp;
use smc_mqtt::client::{Client, Notice};
use smc_mqtt::clock::Clock;
use smc_peer::LogFile;

use self::concern::{Concern, Concerns, Use};
use super::AskFailure;
use super::told::say;
use super::when::When;
use super::who::Who;
use crate::command::{Failure, Outcome, block_on};
use smc_peer::figure::printable;

const EXAMPLES: &str = "\
Examples:
  murmur mine --agent room-101 --site hq/site.toml
  murmur mine --key hq/keys/room-101.key --site hq/site.toml --json
  murmur mine --agent room-101 --site hq/site.toml --log hq/state/peer-1/audit.sqlite --since 7d

Lists the queries whose scope covers the agent: who asks, what for, what each peer decided and why, and
what came of it. A result says how many agents it covers, and not which: so the agent's reading may be one of
them. A peer's log says more: for which streams the peers agreed on a window. Check the log first, with
`murmur audit verify`.

Exit codes: 0 all is well, 1 an error, 2 wrong usage.";

/// What a result can't tell.
const HONESTLY: &str = "A result says how many agents it covers and not which. Yours may be one of them unless it was paused, \
silent, or its terms don't cover the query. The broker keeps the newest result of each query alone; a peer's log (--log) has all \
that this peer signed, and says whether your agent was in the cohort.";

/// `murmur mine --agent NAME`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Mine {
    /// The agent; whose key file it is, if left out
    #[arg(long, value_name = "NAME")]
    agent: Option<NodeName>,
    #[command(flatten)]
    who: Who,
    /// The log of a peer: what it says, instead of what the broker has
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Only windows that begin at this instant or later, or so long ago
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Print one JSON object per query, and with --log per window
    #[arg(long)]
    json: bool,
}

impl Mine {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(block_on(self.mine())??)
    }

    async fn mine(mut self) -> Result<Outcome, AskFailure> {
        let agent = match (&self.agent, &self.who.key) {
            (Some(agent), _) => agent.clone(),
            (None, Some(_)) => self.who.access()?.node().clone(),
            (None, None) => return Err(AskFailure::NoKey),
        };
        let since = self.since.map(|since| since.ago(Clock::system().now()));
        let concerns = match self.log.take() {
            Some(log) => history::read(&LogFile::open(&log)?, &self.who.told, &agent, since, self.json)?,
            None => self.live(&agent, since).await?,
        };
        for concern in concerns.iter() {
            say(&if self.json { concern.json().to_string() } else { printable_lines(&concern.text()) })?;
        }
        if !self.json {
            say(&summary(&agent, &concerns))?;
        }
        Ok(Outcome::Done)
    }

    /// What the broker has, as the agent's own login may see it.
    async fn live(&mut self, agent: &NodeName, since: Option<Timestamp>) -> Result<Concerns, AskFailure> {
        if self.who.key.is_none() {
            let folder = self.who.told.site.parent().map(|folder| folder.join("keys")).unwrap_or_default();
            self.who.key = Some(folder.join(format!("{agent}.key")));
        }
        let (client, kept) = self.who.connect(self.who.access()?).await?;
        let place = place(client.roster(), agent)?;
        let mut concerns = asked(&client, place);
        for notice in kept {
            if let Notice::Result(signed) = notice {
                let used = if signed.result.value.is_some() || signed.result.parts.is_some() {
                    Use::Maybe
                } else {
                    Use::of_status(signed.result.status)
                };
                concerns.note(&signed.result, used, since);
            }
        }
        client.close().await;
        Ok(concerns)
    }
}

/// Which agent of the list that is.
fn place(roster: &Roster, agent: &NodeName) -> Result<AgentIndex, AskFailure> {
    roster.agent_named(agent.as_str()).ok_or_else(|| AskFailure::NoAgent { agent: agent.clone() })
}

/// The queries that concern the agent, with what the peers decided.
fn asked(client: &Client, agent: AgentIndex) -> Concerns {
    let roster = client.roster();
    let mut concerns = Concerns::standing(roster, agent);
    for ((asker, name), entry) in client.queries() {
        let Some(asked) = &entry.request else {
            // Its client has cleared it, or it came before this agent: what it was about nobody says any more.
            concerns.unknown += u64::from(!entry.decisions.is_empty());
            continue;
        };
        if let Some(mut concern) = Concern::asked(roster, agent, &asked.request) {
            for decision in entry.decisions.values().filter(|decision| entry.is_about(decision)) {
                concern.decide(decision);
            }
            concern.cancelled = entry.cancellation.is_some();
            concerns.add(concern);
        } else {
            tracing::debug!(%asker, %name, "does not concern this agent");
            concerns.others += 1;
        }
    }
    concerns
}

fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

fn summary(agent: &NodeName, concerns: &Concerns) -> String {
    let count = concerns.iter().count();
    let refused = concerns.iter().filter(|concern| concern.is_refused()).count();
    let mut lines = format!(
        "{count} queries concern {agent}, {refused} of them refused by peers; {} do not concern it",
        concerns.others
    );
    if concerns.unknown > 0 {
        let unknown = concerns.unknown;
        lines += &format!("; of {unknown} more the request is gone, and nobody says what it was about");
    }
    format!("{lines}\n{HONESTLY}")
}
