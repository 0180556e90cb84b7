//! Charters: how the member list of a site moves while the site runs (docs/members.md).
//!
//! A charter is one change of the member list, signed by as many peers of the list before as the site's rule demands, and in
//! force from an instant on at which a cohort epoch begins. Each names the digest of the list before and of the list after it, so
//! that charters make one chain from the site file on; whoever has the site file can verify all of them.

mod change;
mod eras;
mod poll;
mod register;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

pub use self::change::{Change, ChangeError, LoginHash, LoginHashError};
pub use self::eras::Eras;
pub use self::poll::{Open, Poll};
pub use self::register::{MAX_LEAD, Register, next_boundary};
use crate::digest::Digest;
use crate::document::{Signable, Signed, canonical, split};
use crate::identity::Signature;
use crate::name::{NodeName, SiteName, SubjectName};
use crate::roster::RosterError;
use crate::time::{Timestamp, exact};

/// The most charters that a chain has.
pub const MAX_REVISIONS: u64 = 500;
/// The longest chain in its JSON form, in bytes: it must fit into one message.
pub const MAX_CHAIN: usize = 512 * 1024;
/// The longest proposal, in bytes: an agent with the most streams that it may have, and the longest names.
pub const MAX_PROPOSAL: usize = 256 * 1024;

/// One change of the member list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charter {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Which list comes of it; the site file is revision 0.
    #[serde(deserialize_with = "exact")]
    pub revision: u64,
    /// From when on the list holds: an instant at which a cohort epoch begins.
    pub effective: Timestamp,
    /// The digest of the list that is changed.
    pub before: Digest,
    /// What is changed.
    pub change: Change,
    /// The digest of the list that comes of it.
    pub after: Digest,
}

impl Signable for Charter {
    const DOMAIN: &'static str = "murmuration/1/charter";
}

impl Charter {
    /// What an order to consent to this charter, or to refuse it, names: its SHA-256 digest in hexadecimal. Whoever consents
    /// to it consents to every byte of it.
    pub fn subject(&self) -> SubjectName {
        let digest: [u8; 32] = Sha256::digest(canonical(self)).into();
        let hex = digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
            // A string takes what is written to it.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        SubjectName::hexadecimal(&hex)
    }
}

/// A proposal: a charter with one peer's signature. Whose, is told by the place where it was found.
pub type Proposal = Signed<Charter>;

/// A charter with the signatures that it counts by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Enacted {
    /// The change.
    #[serde(flatten)]
    pub charter: Charter,
    /// By peers of the list before.
    pub signatures: BTreeMap<NodeName, Signature>,
}

impl<'de> Deserialize<'de> for Enacted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (charter, signatures) = split(deserializer, "signatures")?;
        Ok(Self { charter, signatures })
    }
}

/// All charters of a site, from revision 1 on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Revision 1, 2, and so on.
    pub charters: Vec<Enacted>,
}

/// Why a charter, or a chain of them, does not count.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CharterError {
    /// The chain has all the charters that it may have.
    #[error(
        "the site has had as many changes as are kept ({MAX_REVISIONS}, or {MAX_CHAIN} bytes): give all nodes a new site file, see docs/members.md"
    )]
    Full,
    /// What is to be changed is not there, or can't be changed so.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// A signature is not by whom it should be.
    #[error("revision {revision}: the signature in the name of `{peer}` is false")]
    Forged {
        /// Of which charter.
        revision: u64,
        /// Whose it was said to be.
        peer: NodeName,
    },
    /// Another charter of this revision is known: the peers contradicted themselves, or the site file is another one.
    #[error(
        "revision {revision}: another member list of this revision is known; the peers contradict themselves"
    )]
    Fork {
        /// Which.
        revision: u64,
    },
    /// Charters in between are missing, or it is not based on this site file.
    #[error("revision {revision} does not follow revision {have}, or was made from another site file")]
    Gap {
        /// Which.
        revision: u64,
        /// The newest known.
        have: u64,
    },
    /// Not JSON of this form, too long, or of another version or site.
    #[error("not a charter of this site")]
    Malformed,
    /// It does not say what comes of the change.
    #[error("revision {revision}: the list after it is not what the change makes of the list before")]
    OtherOutcome {
        /// Which.
        revision: u64,
    },
    /// It was overtaken by a newer one.
    #[error("revision {revision} is older than revision {have}, which is known")]
    Older {
        /// Which.
        revision: u64,
        /// The newest known.
        have: u64,
    },
    /// The site that comes of it does not hold together.
    #[error("the site would not hold together: {0}")]
    Roster(Box<RosterError>),
    /// This peer signed another charter of the same revision, which has not lapsed yet.
    #[error(
        "another change with the same revision was signed before; it lapses at {lapses} unless enough peers sign it"
    )]
    SignedAnother {
        /// When that one lapses.
        lapses: Timestamp,
    },
    /// A signature is by somebody who was no peer, or by the peer that is to be replaced.
    #[error("revision {revision}: `{signer}` is none of the peers that may sign it")]
    Stranger {
        /// Of which charter.
        revision: u64,
        /// Who signed.
        signer: NodeName,
    },
    /// Fewer peers signed than the site's rule demands.
    #[error("revision {revision}: signed by {have} peers; the site's rule demands {need}")]
    TooFew {
        /// Of which charter.
        revision: u64,
        /// How many signed.
        have: usize,
        /// How many must.
        need: usize,
    },
    /// Nobody proposed this.
    #[error("no open proposal has this digest")]
    Unknown,
    /// Not at the beginning of a cohort epoch, before the change before it, in the past when it was to be signed, or too far ahead.
    #[error(
        "revision {revision} would hold from {effective} on: that must be when a cohort epoch begins, lie ahead (by {most} days at most), and not before the revision before it",
        most = MAX_LEAD.as_secs() / 86_400
    )]
    When {
        /// Of which charter.
        revision: u64,
        /// From when on it would hold.
        effective: Timestamp,
    },
}

impl From<RosterError> for CharterError {
    fn from(error: RosterError) -> Self {
        Self::Roster(Box::new(error))
    }
}
