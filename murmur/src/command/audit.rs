//! `murmur audit`: what a peer kept account of, shown, verified, proven.

mod check;
mod pipeline;
mod prove;
mod show;
mod verify;

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use smc_core::audit::{HeadError, Kind, ProofError, Unfit};
use smc_core::charter::{Eras, Register};
use smc_core::name::NodeName;
use smc_core::roster::{Node, SiteDocument};
use smc_mqtt::config::ConfigError;
use smc_peer::{AuditError, LogFile, Owner};

use self::check::Check;
pub(crate) use self::pipeline::examine_all;
use self::prove::Prove;
use self::show::Show;
use self::verify::Verify;
use super::Outcome;

/// `murmur audit`
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Verify a proof that an entry is in a log, without the log
    Check(Check),
    /// Prove that an entry is in a log
    Prove(Prove),
    /// Print the entries of a log in plain words
    Show(Show),
    /// Check a log: every entry, the heads that were signed, and that every result was asked for, allowed and voted for
    Verify(Verify),
}

impl Audit {
    pub(crate) fn run(self) -> Result<Outcome, AuditFailure> {
        match self.what {
            What::Check(check) => check.run(),
            What::Prove(prove) => prove.run(),
            What::Show(show) => show.run(),
            What::Verify(verify) => verify.run(),
        }
    }
}

/// Why nothing (more) could be said of a log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditFailure {
    /// A file has something else than it should.
    #[error("{path}: {error}; {should}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: String,
        /// What it should be.
        should: &'static str,
    },
    /// The entry that is to be proven is not what was written.
    #[error("entry {entry} of this log was changed: {unfit}; see `murmur audit verify`")]
    Entry {
        /// Which.
        entry: u64,
        /// Why.
        unfit: Box<Unfit>,
    },
    /// The head is none of the peer's.
    #[error("the head: {0}")]
    Head(#[from] HeadError),
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] AuditError),
    /// The proof has no head beside it.
    #[error(
        "no head to hold the proof against; give one with --head, such as the retained message on murmur/<site>/audit/<peer>"
    )]
    NoHead,
    /// There is no such entry, or not so many.
    #[error("there is no entry {entry} among the first {size}")]
    NoEntry {
        /// Which.
        entry: u64,
        /// Of how many.
        size: u64,
    },
    /// No head has the entry.
    #[error("no head vouches for entry {entry} yet: the next one will, within minutes; or give --size")]
    NotVouched {
        /// Which.
        entry: u64,
    },
    /// Nobody takes what is printed.
    #[error("it could not be printed: {0}")]
    Output(#[source] io::Error),
    /// The proof proves nothing.
    #[error("not proven: {0}")]
    Proof(#[from] ProofError),
    /// A file can't be read.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The site file or the changes of its member list can't be used.
    #[error("--site, --members: {0}")]
    Site(#[from] ConfigError),
    /// The log is not of the site.
    #[error(
        "the log of `{peer}` at `{site}`, which the site file does not know; give that site's file with --site, and with --members how its member list changed"
    )]
    Stranger {
        /// Whose it is.
        peer: String,
        /// Of which site.
        site: String,
    },
}

/// The peer that a log is of, if it is or was one of the site: also one that joined by a charter that its own log has.
fn owner(log: &LogFile, eras: &Eras, site: SiteDocument) -> Result<Node, AuditFailure> {
    let Owner { site: of, peer } = log.owner()?;
    if let Some(node) = known(eras, &of, &peer) {
        return Ok(node.clone());
    }
    let joined = charters_in(log, site)?;
    let node = joined.and_then(|register| known(register.eras(), &of, &peer).cloned());
    node.ok_or(AuditFailure::Stranger { peer, site: of })
}

/// What the charters in a log make of the site file, up to the first that does not count.
fn charters_in(log: &LogFile, site: SiteDocument) -> Result<Option<Register>, AuditFailure> {
    let Ok(mut register) = Register::new(site) else { return Ok(None) };
    log.of_kind(Kind::Membership, |row| {
        let enacted = serde_json::from_str(&row.body).ok();
        let counts = enacted.is_some_and(|enacted| register.enact(enacted).is_ok());
        if counts { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(Some(register))
}

fn known<'a>(eras: &'a Eras, site: &str, peer: &str) -> Option<&'a Node> {
    let name: NodeName = peer.parse().ok()?;
    eras.peer(&name).filter(|_| eras.newest().site().as_str() == site)
}
