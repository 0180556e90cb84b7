//! `murmur watch`

use clap::Args;
use serde_json::json;
use smc_core::function::Query;
use smc_core::name::QueryName;
use smc_core::result::{SignedResult, Status};
use smc_core::session::Session;
use smc_mqtt::client::{Client, Notice};
use smc_mqtt::process;

use super::AskFailure;
use super::opening::Opening;
use super::told::{self, say};
use super::who::Who;
use crate::command::open::Opened;
use crate::command::{Failure, Outcome, block_on};

const EXAMPLES: &str = "\
Examples:
  murmur watch mean-co2-k3v9q2xa --key keys/display.key
  murmur watch co2-mean --key keys/display.key --for-windows 10 --json

Prints every window's outcome as it comes, checked like `murmur verify` does, and what peers decide
meanwhile. A value that is for this client alone is opened. Ends with Ctrl-C.

Exit codes: 0 all is well, 1 an error, 2 wrong usage.";

/// `murmur watch QUERY --key NAME.key`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Watch {
    /// The query: one of the site file, or one that was asked
    query: QueryName,
    #[command(flatten)]
    who: Who,
    /// End after so many values
    #[arg(long, value_name = "N")]
    for_windows: Option<u64>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

impl Watch {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(block_on(self.watch())??)
    }

    async fn watch(self) -> Result<Outcome, AskFailure> {
        let (client, kept) = self.who.connect_about(&self.query).await?;
        let definition = definition_of(&client, &self.query)?;
        let mut watching = Watching::new(client, self.query, definition, self.json);
        let mut values = 0;
        for notice in kept {
            values += u64::from(watching.tell(notice)?);
        }
        let wanted = self.for_windows.unwrap_or(u64::MAX);
        let outcome = watching.until_values(wanted.saturating_sub(values)).await;
        watching.close().await;
        outcome
    }
}

/// What `query` computes: one of the site file, or one that was asked. Of somebody else's request that may not be ours to
/// know.
pub(super) fn definition_of(client: &Client, query: &QueryName) -> Result<Option<Query>, AskFailure> {
    let roster = client.roster();
    if let Some(index) = roster.query_named(query) {
        return Ok(Some(roster.query(index).clone()));
    }
    let mut known =
        client.queries().filter(|((_, name), _)| name == query).map(|(_, entry)| entry).peekable();
    if known.peek().is_none() {
        return Err(AskFailure::Unknown { query: query.clone() });
    }
    let asked = known.find_map(|entry| entry.request.as_ref());
    Ok(asked.map(|asked| Session::asked(roster, asked)).transpose()?.map(|session| session.query().clone()))
}

/// One query that is watched.
pub(super) struct Watching {
    client: Client,
    query: QueryName,
    definition: Option<Query>,
    opening: Opening,
    json: bool,
}

impl Watching {
    /// Watches `query`.
    pub(super) fn new(client: Client, query: QueryName, definition: Option<Query>, json: bool) -> Self {
        let opening = Opening::new(client.access(), definition.as_ref());
        Self { client, query, definition, opening, json }
    }

    /// Tells what comes until there were `wanted` values, or somebody asks to end.
    pub(super) async fn until_values(&mut self, wanted: u64) -> Result<Outcome, AskFailure> {
        let mut values = 0;
        while values < wanted {
            tokio::select! {
                notice = self.client.next() => {
                    values += u64::from(self.tell(notice.ok_or(AskFailure::Ended)?)?);
                }
                () = self.opening.due() => {}
                () = process::asked_to_end() => return Ok(Outcome::Done),
            }
            while let Some(opened) = self.opening.pop() {
                values += u64::from(opened.value.is_ok());
                self.say_opened(&opened)?;
            }
        }
        Ok(Outcome::Done)
    }

    pub(super) async fn close(self) {
        self.client.close().await;
    }

    /// Tells of a notice; whether it was a value.
    fn tell(&mut self, notice: Notice) -> Result<bool, AskFailure> {
        match notice {
            Notice::Decision(decision) if decision.query == self.query => {
                say(&if self.json {
                    json!({ "decision": told::decision_json(&decision) }).to_string()
                } else {
                    told::decision(&decision)
                })?;
            }
            Notice::Disconnected(fault) => eprintln!("disconnected: {fault}; trying again"),
            Notice::Output { topic, payload } => self.opening.take(self.client.roster(), &topic, &payload),
            Notice::Refused(refusal) => eprintln!("refused by the broker: {refusal}"),
            Notice::Result(signed) if signed.result.query == self.query => return self.result(&signed),
            _ => {}
        }
        Ok(false)
    }

    fn result(&self, signed: &SignedResult) -> Result<bool, AskFailure> {
        // The value is opened a moment later.
        if signed.result.status == Status::Ok && self.opening.is_ours() {
            return Ok(false);
        }
        say(&if self.json {
            json!({ "result": signed }).to_string()
        } else {
            told::result(signed, self.client.roster(), self.definition.as_ref())
        })?;
        Ok(signed.result.status == Status::Ok)
    }

    fn say_opened(&self, opened: &Opened) -> Result<(), AskFailure> {
        Ok(say(&if self.json { opened.json() } else { opened.to_string() })?)
    }
}
