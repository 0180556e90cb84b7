//! `murmur audit show`

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use serde_json::{Value, json};
use smc_core::audit::{Kind, Row, instant_of};
use smc_core::roster::Span;
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use smc_peer::LogFile;
use smc_peer::figure::printable;

use super::{AuditFailure, Outcome};

const EXAMPLES: &str = "\
Examples:
  murmur audit show state/peer-1/audit.sqlite
  murmur audit show peer-1.sqlite --kind decision --since 24h
  murmur audit show peer-1.sqlite --json | jq 'select(.kind == \"result\").body.value'

Prints what stands there and checks nothing: that is `murmur audit verify`.";

/// `murmur audit show FILE`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Show {
    /// The log: a peer's audit.sqlite, or a copy
    file: PathBuf,
    /// Only entries of this kind: decision, head, intervention, membership, policy, request, result, start, vote
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Only entries since an instant, such as 2026-01-01T12:00:00Z, or for so long, such as 24h
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
    /// Print one JSON object per entry
    #[arg(long)]
    json: bool,
}

/// An instant, or how long ago.
#[derive(Debug, Clone, Copy)]
enum Since {
    Ago(Span),
    At(Timestamp),
}

/// A text that says no time.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no time: write an instant such as 2026-01-01T12:00:00Z, or a length of time such as 24h")]
struct NoTime;

impl FromStr for Since {
    type Err = NoTime;
    fn from_str(text: &str) -> Result<Self, NoTime> {
        let ago = || text.parse().map(Self::Ago).map_err(|_| NoTime);
        instant_of(text).map(Self::At).map_or_else(ago, Ok)
    }
}

impl Show {
    pub(super) fn run(self) -> Result<Outcome, AuditFailure> {
        let log = LogFile::open(&self.file)?;
        let since = self.since.map(|since| match since {
            Since::Ago(span) => Clock::system().now() - span.get(),
            Since::At(instant) => instant,
        });
        let mut output = io::BufWriter::new(io::stdout().lock());
        let mut printed = Ok(());
        log.each(0, |row| {
            let kind = self.kind.is_none_or(|kind| row.kind == kind.as_str());
            // What has no time that can be read is shown, not hidden.
            let recent = since.is_none_or(|since| instant_of(&row.time).is_none_or(|time| time >= since));
            if kind && recent {
                let line = if self.json { form(row) } else { line(&row) };
                printed = writeln!(output, "{line}");
            }
            if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        printed.and_then(|()| output.flush()).map_err(AuditFailure::Output)?;
        Ok(Outcome::Done)
    }
}

/// An entry in one line.
pub(super) fn line(row: &Row) -> String {
    let said = smc_peer::words(row);
    printable(&format!("{:>6}  {:27}  {:12}  {said}", row.seq, row.time, row.kind))
}

/// An entry as one JSON object, as it is hashed, and with its hash.
fn form(row: Row) -> String {
    let hash = row.clone().read().ok().map(|written| written.hash);
    let body: Value = serde_json::from_str(&row.body).unwrap_or(Value::String(row.body));
    json!({"seq": row.seq, "time": row.time, "kind": row.kind, "body": body, "hash": hash}).to_string()
}
