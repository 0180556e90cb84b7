//! `murmur cancel`, and what is taken off the broker when it is over.

use clap::Args;
use serde_json::json;
use smc_core::name::QueryName;
use smc_core::request::{Admissible, Verdict};
use smc_core::time::Timestamp;
use smc_mqtt::client::{Client, Entry};
use smc_mqtt::process;
use tokio::time::{Instant, sleep_until};

use super::AskFailure;
use super::told::{self, say};
use super::who::Who;
use crate::command::{Failure, Outcome, block_on};

const EXAMPLES: &str = "\
Examples:
  murmur cancel mean-co2-k3v9q2xa --key keys/display.key

The peers stop with the next window and say so. A peer that is away reads it when it is back.

Exit codes: 0 all peers have stopped, 1 an error, 2 wrong usage, 4 some peers have not answered in time.";

/// `murmur cancel QUERY --key NAME.key`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cancel {
    /// The request's name
    query: QueryName,
    #[command(flatten)]
    who: Who,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

impl Cancel {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(block_on(self.cancel())??)
    }

    async fn cancel(self) -> Result<Outcome, AskFailure> {
        let (mut client, _) = self.who.connect_about(&self.query).await?;
        client.cancel(&self.query).await?;
        let deadline = Instant::now() + self.who.wait();
        let outcome = loop {
            if silent(&client, &self.query).is_empty() {
                // Nobody has to read it any more.
                client.clear(&self.query).await?;
                break Outcome::Done;
            }
            tokio::select! {
                decision = client.next_decision(&self.query) => {
                    let decision = decision.ok_or(AskFailure::Ended)?;
                    say(&if self.json {
                        json!({ "decision": told::decision_json(&decision) }).to_string()
                    } else {
                        told::decision(&decision)
                    })?;
                }
                () = sleep_until(deadline) => {
                    let silent = silent(&client, &self.query).join(", ");
                    eprintln!("no answer from {silent} within the time of --wait; the cancellation stands");
                    break Outcome::Unanswered;
                }
                () = process::asked_to_end() => break Outcome::Unanswered,
            }
        };
        client.close().await;
        Ok(outcome)
    }
}

/// The peers that have not said that a request of ours is over for them.
fn silent(client: &Client, query: &QueryName) -> Vec<String> {
    let entry = client.query(client.access().node(), query);
    let over = |peer: &str| {
        entry.is_some_and(|entry| {
            entry.decisions.iter().any(|(name, decision)| {
                name.as_str() == peer && decision.verdict.is_final() && entry.is_about(decision)
            })
        })
    };
    let peers = client.roster().peers().map(|(_, node)| node.name.to_string());
    peers.filter(|peer| !over(peer)).collect()
}

/// Takes this client's requests off the broker whose time is over, and those that all peers have stopped for.
pub(super) async fn tidy(client: &mut Client, now: Timestamp) -> Result<(), AskFailure> {
    let me = client.access().node().clone();
    let peers = client.roster().peers().count();
    let is_over = |entry: &Entry| {
        let expired = |Admissible { request, .. }: &Admissible| request.until <= now;
        let stopped = entry
            .decisions
            .values()
            .filter(|decision| entry.is_about(decision) && decision.verdict == Verdict::Cancelled);
        entry.request.as_ref().is_some_and(expired)
            || (entry.cancellation.is_some() && stopped.count() == peers)
    };
    let ours = client.queries().filter(|((client, _), entry)| *client == me && is_over(entry));
    let over: Vec<QueryName> = ours.map(|((_, query), _)| query.clone()).collect();
    for query in over {
        client.clear(&query).await?;
    }
    Ok(())
}
