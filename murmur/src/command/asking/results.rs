//! `murmur results`

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use smc_core::audit::Kind;
use smc_core::function::Query;
use smc_core::name::QueryName;
use smc_core::result::{ResultDocument, SignedResult};
use smc_core::roster::Roster;
use smc_core::time::Timestamp;
use smc_core::value::Value;
use smc_mqtt::client::Notice;
use smc_mqtt::clock::Clock;
use smc_mqtt::process;
use smc_peer::LogFile;

use super::AskFailure;
use super::told::{self, say};
use super::watch::definition_of;
use super::when::When;
use super::who::Who;
use crate::command::{Failure, Outcome, block_on};

const EXAMPLES: &str = "\
Examples:
  murmur results co2-mean --key keys/display.key                   the newest one, which the broker keeps
  murmur results co2-mean --key keys/display.key --since 1h --csv  from now on, into a table
  murmur results co2-mean --key keys/display.key --for-windows 60 --csv > hour.csv
  murmur results co2-mean --log state/peer-1/audit.sqlite --since 7d --csv > week.csv

The broker keeps the newest result of each query alone: what came earlier is known to whoever listened then.
With --since or --for-windows results are collected from now on, until Ctrl-C or so many windows. A peer's log has
all that it signed; of those the ones are printed that a quorum signed.

Exit codes: 0 there were results, 1 there was none, or an error, 2 wrong usage.";

const HEADER: &str = "query,window,start,end,status,value,unit,cohort,fresh,carried,verified,reason";

/// `murmur results QUERY --key NAME.key`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Results {
    /// The query: one of the site file, or one that was asked
    query: QueryName,
    #[command(flatten)]
    who: Who,
    /// The log of a peer: the results that it signed, instead of what the broker has
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Only windows that begin at this instant or later; without --log, collects from now on
    #[arg(long, value_name = "WHEN")]
    since: Option<When>,
    /// Collect so many windows
    #[arg(long, value_name = "N")]
    for_windows: Option<u64>,
    /// Print a table
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print one JSON object per line: the results as they were signed
    #[arg(long)]
    json: bool,
}

impl Results {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        Ok(block_on(self.results())??)
    }

    async fn results(self) -> Result<Outcome, AskFailure> {
        if let Some(log) = &self.log {
            return self.logged(&LogFile::open(log)?);
        }
        let (mut client, kept) = self.who.connect_about(&self.query).await?;
        let definition = definition_of(&client, &self.query)?;
        let roster = Arc::clone(client.roster());
        let since = self.since.map(|since| since.ago(Clock::system().now()));
        let mut printing = Printing { since, roster, definition, csv: self.csv, json: self.json, count: 0 };
        if self.csv {
            say(HEADER)?;
        }
        for notice in kept {
            match notice {
                Notice::Result(signed) if signed.result.query == self.query => printing.print(&signed)?,
                _ => {}
            }
        }
        if self.since.is_some() {
            eprintln!(
                "the broker keeps the newest result alone; from now on all are collected (Ctrl-C ends it)"
            );
        }
        // Without --since and --for-windows what the broker has kept is all that is wanted.
        let forever = if self.since.is_some() { u64::MAX } else { 0 };
        let wanted = self.for_windows.unwrap_or(forever);
        while printing.count < wanted {
            tokio::select! {
                signed = client.next_result(&self.query) => printing.print(&signed.ok_or(AskFailure::Ended)?)?,
                () = process::asked_to_end() => break,
            }
        }
        client.close().await;
        Ok(printing.outcome())
    }

    /// What a peer signed, as far as the peers of each window vouch for it.
    fn logged(&self, log: &LogFile) -> Result<Outcome, AskFailure> {
        let members = self.who.told.members()?;
        let roster = members.roster()?;
        let definition = roster.query_named(&self.query).map(|index| roster.query(index).clone());
        let since = self.since.map(|since| since.ago(Clock::system().now()));
        let mut printing = Printing { since, roster, definition, csv: self.csv, json: self.json, count: 0 };
        if self.csv {
            say(HEADER)?;
        }
        let most = self.for_windows.unwrap_or(u64::MAX);
        let (mut printed, mut doubtful) = (Ok(()), 0_u64);
        log.of_kind(Kind::Result, |row| {
            let signed: Option<SignedResult> = serde_json::from_str(&row.body).ok();
            let Some(signed) = signed.filter(|signed| signed.result.query == self.query) else {
                return ControlFlow::Continue(());
            };
            match members.register().eras().verify(&signed) {
                Ok(()) => printed = printing.print(&signed),
                Err(_) => doubtful += 1,
            }
            let enough = printed.is_err() || printing.count >= most;
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        printed?;
        if doubtful > 0 {
            eprintln!(
                "{doubtful} results that the peers of the site do not vouch for; see `murmur audit verify`, and --members"
            );
        }
        Ok(printing.outcome())
    }
}

/// Prints results, and counts them.
struct Printing {
    since: Option<Timestamp>,
    roster: Arc<Roster>,
    definition: Option<Query>,
    csv: bool,
    json: bool,
    count: u64,
}

impl Printing {
    fn outcome(&self) -> Outcome {
        if self.count > 0 { Outcome::Done } else { Outcome::Refused }
    }

    fn print(&mut self, signed: &SignedResult) -> Result<(), AskFailure> {
        let start = signed.result.window.start.parse::<Timestamp>();
        if self.since.is_some_and(|since| start.is_ok_and(|start| start < since)) {
            return Ok(());
        }
        self.count += 1;
        Ok(say(&match (self.csv, self.json) {
            (true, _) => row(signed),
            (_, true) => json!(signed).to_string(),
            _ => told::result(signed, &self.roster, self.definition.as_ref()),
        })?)
    }
}

/// A result as a row of a table; a list or a record as JSON in its cell.
fn row(signed: &SignedResult) -> String {
    let ResultDocument {
        query, window, status, value, unit, cohort, fresh, carried, verified, reason, ..
    } = &signed.result;
    let value = value.as_ref().map_or_else(String::new, |value| match value {
        Value::Text(text) => text.clone(),
        other => other.to_string(),
    });
    let cells = [
        query.to_string(),
        window.index.to_string(),
        window.start.clone(),
        window.end.clone(),
        status.to_string(),
        value,
        unit.clone(),
        cohort.to_string(),
        fresh.to_string(),
        carried.to_string(),
        verified.to_string(),
        reason.clone().unwrap_or_default(),
    ];
    cells.map(|cell| quoted(&cell)).join(",")
}

/// A cell as RFC 4180 has it. Spreadsheets take what begins with `=`, `+`, `-` or `@` for a formula, unless it is a number.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@']) && cell.parse::<f64>().is_err();
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_one_cell_and_no_formula() {
        for (cell, written) in [
            ("1203", "1203"),
            ("-0.5", "-0.5"),
            ("[1,2]", "\"[1,2]\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=cmd()", "'=cmd()"),
        ] {
            assert_eq!(quoted(cell), written);
        }
    }
}
