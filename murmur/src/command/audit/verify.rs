//! `murmur audit verify`

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use smc_core::audit::{Audited, Auditor, Finding, Head, Kind, Lists, Misfit};
use smc_core::name::SiteName;
use smc_core::roster::Node;
use smc_mqtt::config::load_document;
use smc_peer::{LogFile, Owner};

use super::pipeline::examine_all;
use super::{AuditFailure, Outcome, owner};
use crate::command::told::Told;
use smc_peer::figure::printable;

const EXAMPLES: &str = "\
Examples:
  murmur audit verify state/peer-1/audit.sqlite --site site.toml
  murmur audit verify peer-1.sqlite --site site.toml --heads-of peer-2.sqlite --heads-of peer-3.sqlite

Checks who signed what clients asked, operators ordered and this peer decided; that no entry was changed, taken out or put in since it was written; that the log fits the heads that its
peer signed, as it keeps them itself and, with --heads-of, as the others recorded them; and that every result was
asked for, allowed by this peer, voted for by it and signed by a quorum. Names the first entry that doesn't fit.
Changes of the member list are in the log itself; of a log
that lacks some, give them with --members. A running peer's log may be checked where it is. Keep a log that doesn't fit: it may prove something.

Exit codes: 0 the log fits, 1 an entry doesn't fit or another peer is proven to have told two stories, 2 wrong usage.";

/// How many proofs against others are listed.
const LISTED: usize = 20;
/// How often progress is told.
const TELL: Duration = Duration::from_secs(1);

/// `murmur audit verify FILE --site site.toml`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    /// The log: a peer's audit.sqlite, or a copy
    file: PathBuf,
    #[command(flatten)]
    told: Told,
    /// Another peer's log, which has heads of this one
    #[arg(long, value_name = "FILE")]
    heads_of: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What came of it.
struct Verdict {
    peer: String,
    /// How many heads of this log the others' logs have.
    recorded: usize,
    findings: Vec<Finding>,
    found: u64,
    /// How many entries were taken.
    entries: u64,
}

impl Verify {
    pub(super) fn run(self) -> Result<Outcome, AuditFailure> {
        let mut lists = self.told.lists()?;
        let site = lists.eras().newest().site().clone();
        let log = LogFile::open(&self.file)?;
        let peer = owner(&log, lists.eras(), load_document(&self.told.site)?)?;
        let mut auditor = Auditor::new(&site, &peer.name);
        let own = auditor.want_own(log.heads()?, &site, &peer);
        let mut recorded = 0;
        for path in &self.heads_of {
            let (keeper, heads) = heads_in(path, &site, &peer)?;
            recorded += heads.len();
            auditor.want(heads, &format!("{keeper} has"));
        }
        let mut verdict =
            Verdict { peer: peer.name.to_string(), recorded, findings: Vec::new(), found: 0, entries: 0 };
        let progress = !self.json && io::stderr().is_terminal();
        let outcome = match own {
            Ok(()) => verdict.go_through(&log, &mut lists, auditor, progress)?,
            Err(misfit) => Err(misfit),
        };
        let text = if self.json { verdict.json(&outcome) } else { verdict.text(&outcome) };
        writeln!(io::stdout().lock(), "{text}").map_err(AuditFailure::Output)?;
        let fits = outcome.is_ok() && verdict.found == 0;
        Ok(if fits { Outcome::Done } else { Outcome::Refused })
    }
}

/// The heads of `peer` that another log has, and whose log that is.
fn heads_in(path: &Path, site: &SiteName, peer: &Node) -> Result<(String, Vec<Head>), AuditFailure> {
    let log = LogFile::open(path)?;
    let Owner { site: of, peer: keeper } = log.owner()?;
    if of != site.as_str() {
        return Err(AuditFailure::Stranger { peer: keeper, site: of });
    }
    let mut heads = Vec::new();
    log.of_kind(Kind::Head, |row| {
        // Only a signature counts, so it matters little what else that log says, and who has it.
        let head = Head::read(row.body.as_bytes(), site, peer);
        heads.extend(head.ok().map(|signed| signed.document));
        ControlFlow::Continue(())
    })?;
    Ok((keeper, heads))
}

impl Verdict {
    fn go_through(
        &mut self,
        log: &LogFile,
        lists: &mut Lists,
        mut auditor: Auditor,
        progress: bool,
    ) -> Result<Result<Audited, Misfit>, AuditFailure> {
        let (size, mut told, mut misfit) = (log.size()?, Instant::now(), None);
        examine_all(log, lists, |entry| {
            match auditor.take(entry) {
                Ok(finding) => self.note(finding),
                Err(first) => {
                    misfit = Some(first);
                    return ControlFlow::Break(());
                }
            }
            if progress && told.elapsed() >= TELL {
                told = Instant::now();
                eprint!("\r{} of {size} entries", self.entries);
            }
            ControlFlow::Continue(())
        })?;
        if progress {
            eprint!("\r\x1b[K");
        }
        Ok(misfit.map_or_else(|| auditor.finish(), Err))
    }

    fn note(&mut self, finding: Option<Finding>) {
        self.entries += 1;
        if let Some(finding) = finding {
            self.found += 1;
            if self.findings.len() < LISTED {
                self.findings.push(finding);
            }
        }
    }

    fn text(&self, outcome: &Result<Audited, Misfit>) -> String {
        let mut lines = Vec::new();
        match outcome {
            Ok(Audited { entries, heads, vouched, .. }) => {
                lines.push(format!("ok: the log of {} fits, {entries} entries", self.peer));
                lines.push(format!(
                    "    {heads} signed heads fit, {} of them as others recorded them; the newest vouches for {vouched} entries",
                    self.recorded
                ));
            }
            Err(misfit) => {
                lines.push(format!("MISFIT in the log of {}: {misfit}", self.peer));
                lines.push(format!("    this means: {}", misfit.unfit.means()));
                lines.push(format!("    {} entries before it were looked at and fit", self.entries));
            }
        }
        lines.extend(self.findings.iter().map(|finding| format!("PROOF: {finding}")));
        if self.found > LISTED as u64 {
            lines.push(format!("    and {} more", self.found - LISTED as u64));
        }
        lines.iter().map(|line| printable(line)).collect::<Vec<_>>().join("\n")
    }

    fn json(&self, outcome: &Result<Audited, Misfit>) -> String {
        let findings: Vec<_> = self
            .findings
            .iter()
            .map(|finding| json!({"peer": finding.peer, "entries": [finding.entries.0, finding.entries.1], "why": finding.to_string()}))
            .collect();
        let mut verdict = match outcome {
            Ok(Audited { entries, root, heads, vouched }) => json!({
                "verdict": "ok", "entries": entries, "root": root, "heads": heads, "vouched": vouched,
            }),
            Err(Misfit { seq, unfit }) => json!({
                "verdict": "misfit", "entry": seq, "why": unfit.to_string(), "means": unfit.means(),
                "before": self.entries,
            }),
        };
        verdict["peer"] = json!(self.peer);
        verdict["recorded"] = json!(self.recorded);
        verdict["findings"] = json!(findings);
        verdict["found"] = json!(self.found);
        verdict.to_string()
    }
}
