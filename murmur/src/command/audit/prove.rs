//! `murmur audit prove`

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use smc_core::audit::{Entry, Head, InclusionProof, inclusion};
use smc_core::document::Signed;
use smc_core::result::VERSION;
use smc_peer::{LogFile, Owner};

use super::{AuditFailure, Outcome};

const EXAMPLES: &str = "\
Examples:
  murmur audit prove state/peer-1/audit.sqlite --entry 17 > proof.json
  murmur audit check proof.json --site site.toml

The proof has the entry, the way from it to the root, and the signed head of that root. Whoever gets it learns this
entry and nothing of the others. For a head from elsewhere, say how many entries it has: --size.";

/// `murmur audit prove FILE --entry N`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Prove {
    /// The log: a peer's audit.sqlite, or a copy
    file: PathBuf,
    /// Which entry
    #[arg(long, value_name = "N")]
    entry: u64,
    /// How many entries the head has that the proof is for; the newest that the log has, if not given
    #[arg(long, value_name = "N")]
    size: Option<u64>,
}

impl Prove {
    pub(super) fn run(self) -> Result<Outcome, AuditFailure> {
        let log = LogFile::open(&self.file)?;
        let heads = log.heads()?;
        let newest = heads.last().map(|(size, _)| *size).filter(|size| *size > self.entry);
        let entry = self.entry;
        let size = self.size.or(newest).ok_or(AuditFailure::NotVouched { entry })?;
        let most = log.size()?;
        if entry >= size || size > most {
            return Err(AuditFailure::NoEntry { entry, size: size.min(most) });
        }
        let head = heads.iter().find(|(have, _)| *have == size);
        let head: Option<Signed<Head>> = head.and_then(|(_, json)| serde_json::from_slice(json).ok());
        let proof = self.proof(&log, size, head)?;
        let text = serde_json::to_string_pretty(&proof).unwrap_or_default();
        writeln!(io::stdout().lock(), "{text}").map_err(AuditFailure::Output)?;
        Ok(Outcome::Done)
    }

    fn proof(
        &self,
        log: &LogFile,
        size: u64,
        head: Option<Signed<Head>>,
    ) -> Result<InclusionProof, AuditFailure> {
        let Owner { site, peer } = log.owner()?;
        let stranger = || AuditFailure::Stranger { peer: peer.clone(), site: site.clone() };
        let named = site.parse().ok().zip(peer.parse().ok());
        let (site, peer) = named.ok_or_else(stranger)?;
        let entry = self.read(log)?;
        let path = inclusion(self.entry, size, &mut |at| log.node(at))?;
        Ok(InclusionProof { v: VERSION, site, peer, entry, size, path, head })
    }

    fn read(&self, log: &LogFile) -> Result<Entry, AuditFailure> {
        let mut found = None;
        log.each(self.entry, |row| {
            found = Some(row);
            ControlFlow::Break(())
        })?;
        let row = found.filter(|row| row.seq == self.entry);
        let row = row.ok_or(AuditFailure::NoEntry { entry: self.entry, size: log.size()? })?;
        let broken = |unfit| AuditFailure::Entry { entry: self.entry, unfit: Box::new(unfit) };
        row.read().map(|written| written.entry).map_err(broken)
    }
}
