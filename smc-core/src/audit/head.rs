//! A head: what a peer's log came to at some instant, signed. Who has two that contradict each other can prove to
//! anybody that the peer told two stories.

use serde::{Deserialize, Serialize};

use super::instant;
use super::proof::is_consistent;
use crate::digest::Digest;
use crate::document::{Signable, Signed};
use crate::name::{NodeName, SiteName};
use crate::result::VERSION;
use crate::roster::Node;
use crate::time::{Timestamp, exact};

/// The longest head, in bytes. A proof has at most two hashes for each bit of a size: 5 kB.
pub const MAX_HEAD: usize = 8 << 10;

/// What a log came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Whose log.
    pub peer: NodeName,
    /// How many entries.
    #[serde(deserialize_with = "exact")]
    pub size: u64,
    /// The root of the tree of all entries.
    pub root: Digest,
    /// The hash of the last entry.
    pub chain: Digest,
    /// When it was signed.
    #[serde(with = "instant")]
    pub time: Timestamp,
    /// The head that was published before; none if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

impl Signable for Head {
    const DOMAIN: &'static str = "murmuration/1/audit-head";
}

/// An earlier head, and that this one goes on from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// How many entries.
    #[serde(deserialize_with = "exact")]
    pub size: u64,
    /// The root of their tree.
    pub root: Digest,
    /// The hashes that show it.
    pub proof: Vec<Digest>,
}

/// How a head follows from an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Heads in between were not seen; only the log can tell.
    Missed,
    /// It was signed before the other one.
    Older,
    /// The log only grew: the head proves it.
    Proven,
    /// It says the same.
    Same,
}

/// Two heads that can't be of one log that only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forked {
    /// The later head was signed over a log that does not begin with the earlier one's.
    #[error(
        "the log of {size} entries does not begin with the {earlier} entries that an earlier head vouches for"
    )]
    Changed {
        /// Of the earlier head.
        earlier: u64,
        /// Of the later one.
        size: u64,
    },
    /// It is said not to have been published.
    #[error("a head of {size} entries says that none was published of {earlier}, and one was")]
    Denied {
        /// Of the earlier head.
        earlier: u64,
        /// Of the later one.
        size: u64,
    },
    /// The later head has fewer entries.
    #[error("a later head has {size} entries, an earlier one had {earlier}")]
    Shrunk {
        /// Of the earlier head.
        earlier: u64,
        /// Of the later one.
        size: u64,
    },
    /// Two logs of one size.
    #[error("two heads of {size} entries differ")]
    Split {
        /// Of both.
        size: u64,
    },
}

/// Why a document is not a peer's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not JSON of this form, or of another site, peer or version.
    #[error("not a head of this peer's log")]
    Malformed,
    /// The proof that it carries does not hold.
    #[error("its own proof of growth does not hold")]
    Unproven,
    /// Not signed by the peer.
    #[error("not signed by the peer")]
    Unsigned,
}

impl Head {
    /// Reads a head of `node`'s log.
    ///
    /// # Errors
    /// Unless it is one, signed by the node, and holds together.
    pub fn read(json: &[u8], site: &SiteName, node: &Node) -> Result<Signed<Self>, HeadError> {
        if json.len() > MAX_HEAD {
            return Err(HeadError::Malformed);
        }
        let signed: Signed<Self> = serde_json::from_slice(json).map_err(|_| HeadError::Malformed)?;
        signed.document.check(site, &node.name)?;
        if !signed.document.is_signed_by(&node.identity, &signed.sig) {
            return Err(HeadError::Unsigned);
        }
        Ok(signed)
    }

    fn check(&self, site: &SiteName, peer: &NodeName) -> Result<(), HeadError> {
        if self.v != VERSION || (&self.site, &self.peer) != (site, peer) || self.size == 0 {
            return Err(HeadError::Malformed);
        }
        let Some(Before { size, root, proof }) = &self.before else { return Ok(()) };
        if *size == 0 || *size >= self.size {
            return Err(HeadError::Malformed);
        }
        let proven = is_consistent(*size, root, self.size, &self.root, proof);
        if proven { Ok(()) } else { Err(HeadError::Unproven) }
    }

    /// How this head follows from `earlier`, another one of the same peer; both hold together ([`Head::read`]).
    ///
    /// # Errors
    /// If no log that only grows has both.
    pub fn follows(&self, earlier: &Self) -> Result<Growth, Forked> {
        let (size, before) = (self.size, earlier.size);
        if size == before {
            let same = (self.root, self.chain) == (earlier.root, earlier.chain);
            return if same { Ok(Growth::Same) } else { Err(Forked::Split { size }) };
        }
        if self.time < earlier.time {
            // The other way round it is the same question.
            return earlier.follows(self).map(|_| Growth::Older);
        }
        if size < before {
            return Err(Forked::Shrunk { earlier: before, size });
        }
        match &self.before {
            Some(known) if known.size > before => Ok(Growth::Missed),
            Some(known) if known.size == before && known.root == earlier.root => Ok(Growth::Proven),
            Some(known) if known.size == before => Err(Forked::Changed { earlier: before, size }),
            _ => Err(Forked::Denied { earlier: before, size }),
        }
    }
}
