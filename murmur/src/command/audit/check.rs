//! `murmur audit check`

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use smc_core::audit::{Head, InclusionProof, Row};
use smc_core::document::canonical;

use super::show::line;
use super::{AuditFailure, Outcome, known};
use crate::command::told::Told;

const EXAMPLES: &str = "\
Examples:
  murmur audit check proof.json --site site.toml
  mosquitto_sub -h localhost -u observer -P ... -C 1 -t murmur/hq/audit/peer-1 > head.json
  murmur audit check proof.json --head head.json --site site.toml

Whether the entry is in the log that the head was signed over, and the head is signed by the peer that the site file
states. A head that you kept yourself, or got from another peer, shows that the log was not rewritten since.

Exit codes: 0 it is proven, 1 it is not, 2 wrong usage.";

/// The longest proof or head that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// `murmur audit check PROOF.json --site site.toml`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    /// The proof, as `murmur audit prove` makes it
    proof: PathBuf,
    /// The head to hold it against; the one that came with the proof, if not given
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
    #[command(flatten)]
    told: Told,
}

impl Check {
    pub(super) fn run(self) -> Result<Outcome, AuditFailure> {
        let members = self.told.members()?;
        let eras = members.register().eras();
        let should = "make the file with `murmur audit prove`";
        let proof: InclusionProof = serde_json::from_slice(&read(&self.proof)?).map_err(|error| {
            AuditFailure::Content { path: self.proof.clone(), error: error.to_string(), should }
        })?;
        let head = match (&self.head, &proof.head) {
            (Some(path), _) => read(path)?,
            (None, Some(head)) => canonical(head),
            (None, None) => return Err(AuditFailure::NoHead),
        };
        let stranger =
            || AuditFailure::Stranger { peer: proof.peer.to_string(), site: proof.site.to_string() };
        let peer = known(eras, proof.site.as_str(), proof.peer.as_str()).ok_or_else(stranger)?;
        let head = Head::read(head.trim_ascii(), eras.newest().site(), peer)?.document;
        proof.verify(&head)?;
        let entry = &proof.entry;
        let row = Row {
            seq: entry.seq,
            time: entry.time.to_string(),
            kind: entry.kind.to_string(),
            body: entry.body.to_string(),
            ..Row::default()
        };
        let (peer, size, time) = (&head.peer, head.size, head.time);
        let text = format!("ok: in the log of {size} entries that {peer} signed at {time}:\n{}", line(&row));
        writeln!(io::stdout().lock(), "{text}").map_err(AuditFailure::Output)?;
        Ok(Outcome::Done)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, AuditFailure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    read.map_err(|error| AuditFailure::Read { path: path.to_owned(), error })?;
    Ok(bytes)
}
