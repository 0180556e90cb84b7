//! `murmur queries`

use clap::Args;
use serde_json::json;
use smc_core::function::Query;
use smc_core::name::{NodeName, QueryName};
use smc_core::request::Verdict;
use smc_core::time::Timestamp;
use smc_mqtt::client::{Client, Entry};
use smc_mqtt::clock::Clock;

use super::AskFailure;
use super::cancel::tidy;
use super::told::{self, say};
use super::who::Who;
use crate::command::{Failure, Outcome, block_on};
use smc_peer::figure::printable;

const EXAMPLES: &str = "\
Examples:
  murmur queries --key keys/display.key
  murmur queries --key keys/display.key --all --json
  murmur queries --key keys/room-101.key       an agent's owner sees what everybody asks

Lists the standing queries of the site file, then requests with what each peer decided. A client sees its
own requests, and of others' what was decided. Requests of its own that are over are taken off the broker.

Exit codes: 0 all is well, 1 an error, 2 wrong usage.";

/// `murmur queries --key NAME.key`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Queries {
    #[command(flatten)]
    who: Who,
    /// Also what is over, and others' requests
    #[arg(long)]
    all: bool,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

impl Queries {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(block_on(self.queries())??)
    }

    async fn queries(self) -> Result<Outcome, AskFailure> {
        let (mut client, _) = self.who.connect(self.who.access()?).await?;
        let now = Clock::system().now();
        for (_, query) in client.roster().queries() {
            self.standing(&client, query)?;
        }
        for ((asker, name), entry) in client.queries() {
            let mine =
                asker == client.access().node() || client.roster().client(client.access().node()).is_none();
            if self.all || (mine && !is_over(entry, now)) {
                self.request(&client, asker, name, entry)?;
            }
        }
        tidy(&mut client, now).await?;
        client.close().await;
        Ok(Outcome::Done)
    }

    fn standing(&self, client: &Client, query: &Query) -> Result<(), AskFailure> {
        let (function, purpose) = (query.function.entry().name, &query.purpose);
        let quantity = client.roster().quantity(query.quantity).quantity.name().clone();
        Ok(say(&if self.json {
            json!({ "query": query.name, "standing": true, "function": function, "quantity": quantity,
                    "scope": query.scope, "minimum_cohort": query.minimum_cohort, "purpose": purpose })
            .to_string()
        } else {
            printable(&format!("{}: {function} of {quantity}, standing in the site file", query.name))
        })?)
    }

    fn request(
        &self,
        client: &Client,
        asker: &NodeName,
        name: &QueryName,
        entry: &Entry,
    ) -> Result<(), AskFailure> {
        let (request, cancelled) =
            (entry.request.as_ref().map(|asked| &asked.request), entry.cancellation.is_some());
        let decisions = || {
            entry.decisions.values().filter(|decision| entry.request.is_none() || entry.is_about(decision))
        };
        let computed_by: Vec<_> =
            decisions().filter(|decision| decision.verdict == Verdict::Allowed).collect();
        let computed_by: Vec<_> = computed_by.into_iter().map(|decision| &decision.peer).collect();
        let needed = client.roster().quorum().size();
        if self.json {
            let decisions: Vec<_> = decisions().map(told::decision_json).collect();
            let line = json!({ "query": name, "client": asker, "cancelled": cancelled, "request": request,
                               "computed_by": computed_by, "needed": needed, "decisions": decisions });
            return Ok(say(&line.to_string())?);
        }
        let asked = request.map_or_else(|| format!("asked by {asker}"), told::request);
        say(&format!("{name}: {asked}{}", if cancelled { ", cancelled" } else { "" }))?;
        say(&printable(&serving(&computed_by, needed)))?;
        decisions().try_for_each(|decision| Ok(say(&told::decision(decision))?))
    }
}

/// Which peers compute a query, by what they signed; results come where there are enough of them.
fn serving(computed_by: &[&NodeName], needed: usize) -> String {
    let names = computed_by.iter().map(|peer| peer.as_str()).collect::<Vec<_>>().join(", ");
    match computed_by.len() {
        0 => "  computed by no peer".to_owned(),
        have if have < needed => {
            format!("  computed by {names} alone, so there are no results: it takes {needed}")
        }
        _ => format!("  computed by {names}"),
    }
}

/// Whether nothing can follow.
fn is_over(entry: &Entry, now: Timestamp) -> bool {
    let expired = entry.request.as_ref().is_none_or(|asked| asked.request.until <= now);
    let about = || entry.decisions.values().filter(|decision| entry.is_about(decision));
    let stopped = about().next().is_some() && about().all(|decision| decision.verdict.is_final());
    expired || stopped || entry.cancellation.is_some()
}
