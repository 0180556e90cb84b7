//! Outputs for one client's eyes alone (docs/protocol.md, 4.10): what each peer seals for it, and how the client opens
//! them together.

mod parts;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use self::parts::{Gathering, MAX_PARTS};
use crate::digest::Digest;
use crate::envelope::KeyEpoch;
use crate::field::Fp;
use crate::function::{Facts, Query};
use crate::message::OutputShares;
use crate::name::{NodeName, QueryName};
use crate::peers::PeerSet;
use crate::roster::Roster;
use crate::shamir::{Degree, OpenError, PeerIndex};
use crate::time::WindowIndex;
use crate::value::Value;

/// One peer's shares of an output, or a part of them, to be sealed for the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedOutput {
    /// Whose shares.
    pub from: NodeName,
    /// Of which query.
    pub query: QueryName,
    /// The digest of its definition.
    pub definition: Digest,
    /// In which window.
    pub window: WindowIndex,
    /// P: all peers whose shares there are.
    pub peers: PeerSet,
    /// How many readings the output covers.
    pub readings: u32,
    /// Whose reading lies in which lane, where the value names agents; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<NodeName>,
    /// Of which degree the shares are.
    pub degree: Degree,
    /// Which part of the shares, from 0.
    pub part: u16,
    /// Of how many.
    pub parts: u16,
    /// The shares, one for each element.
    #[serde(skip)]
    pub shares: OutputShares,
}

/// Why an output can't be read or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// Peers speak of different things.
    #[error("`{peer}` speaks of another output than the others; its site file may differ")]
    Differs {
        /// Who differs from the first.
        peer: NodeName,
    },
    /// Not of this form.
    #[error("not an output of this version")]
    Malformed,
    /// A sender is no peer that computed.
    #[error("`{peer}` is no peer that took part")]
    NotAPeer {
        /// The name.
        peer: NodeName,
    },
    /// The shares contradict each other, or are too few.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was opened is nothing that honest inputs lead to.
    #[error("what was opened is out of range; a peer gave false shares")]
    Range,
    /// The query is not in the client's site file, or is defined otherwise there.
    #[error(
        "the query `{query}` is not in this site file, or is defined differently; compare it with the peers'"
    )]
    UnknownQuery {
        /// Which.
        query: QueryName,
    },
}

/// An output that a client opened.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedOutput {
    /// What it says.
    pub value: Value,
    /// The peers whose shares were wrong and did not count.
    pub corrected: Vec<NodeName>,
    /// Whether redundant shares confirmed it.
    pub verified: bool,
}

/// Clients and agents have one sealing key for good; it stands for this epoch.
pub const EPOCH: KeyEpoch = KeyEpoch(0);

impl SealedOutput {
    /// Whether both are shares of one output.
    pub fn is_about_the_same_as(&self, other: &Self) -> bool {
        let Self { query, definition, window, peers, readings, agents, degree, part, parts, .. } = self;
        (query, definition, window, peers) == (&other.query, &other.definition, &other.window, &other.peers)
            && (readings, agents, degree) == (&other.readings, &other.agents, &other.degree)
            && (part, parts, self.shares.0.len()) == (&other.part, &other.parts, other.shares.0.len())
    }

    /// All but the shares.
    fn header(&self) -> Self {
        let (from, query, agents) = (self.from.clone(), self.query.clone(), self.agents.clone());
        let Self { definition, window, peers, readings, degree, part, parts, .. } = *self;
        let shares = OutputShares::default();
        Self { from, query, definition, window, peers, readings, agents, degree, part, parts, shares }
    }

    /// The text form, to be sealed: one line of JSON, then the shares as they are.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let header = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes =
            Zeroizing::new(Vec::with_capacity(header.len() + 1 + self.shares.0.len() * Fp::BYTES));
        bytes.extend_from_slice(&header);
        bytes.push(b'\n');
        self.shares.append_to(&mut bytes);
        bytes
    }

    /// The output that `bytes` spell, or the part of one.
    ///
    /// # Errors
    /// [`OutputError::Malformed`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OutputError> {
        let end = bytes.iter().position(|&byte| byte == b'\n').ok_or(OutputError::Malformed)?;
        let mut output: Self = serde_json::from_slice(&bytes[..end]).map_err(|_| OutputError::Malformed)?;
        output.shares = OutputShares::read(&bytes[end + 1..]).map_err(|_| OutputError::Malformed)?;
        if output.fits() { Ok(output) } else { Err(OutputError::Malformed) }
    }
}

/// One of those that most agree with: who differs from most is to blame.
fn most_common(outputs: &BTreeMap<NodeName, SealedOutput>) -> Option<&SealedOutput> {
    let alike =
        |one: &&SealedOutput| outputs.values().filter(|other| one.is_about_the_same_as(other)).count();
    // Of equals the first.
    outputs.values().rev().max_by_key(alike)
}

/// What the peers' shares of one output of a standing query come to: see [`open_query`].
///
/// # Errors
/// [`OutputError`] says who is to blame, where that can be told.
pub fn open(
    roster: &Roster,
    outputs: &BTreeMap<NodeName, SealedOutput>,
) -> Result<OpenedOutput, OutputError> {
    let too_few = OutputError::Open(OpenError::TooFew { have: 0, need: 1 });
    let name = &most_common(outputs).ok_or(too_few)?.query;
    let query = roster.query_named(name).map(|query| roster.query(query));
    open_query(roster, query.ok_or_else(|| OutputError::UnknownQuery { query: name.clone() })?, outputs)
}

/// What the peers' shares of one output of `query` come to. There must be one of each sender, proven by its envelope.
///
/// # Errors
/// [`OutputError`] says who is to blame, where that can be told.
pub fn open_query(
    roster: &Roster,
    query: &Query,
    outputs: &BTreeMap<NodeName, SealedOutput>,
) -> Result<OpenedOutput, OutputError> {
    let Some(first) = most_common(outputs) else {
        return Err(OutputError::Open(OpenError::TooFew { have: 0, need: 1 }));
    };
    let mut partials: Vec<(PeerIndex, &[Fp])> = Vec::with_capacity(outputs.len());
    for (name, output) in outputs {
        let peer = roster.peer_named(name.as_str()).filter(|&peer| first.peers.contains(peer));
        let peer = peer.ok_or_else(|| OutputError::NotAPeer { peer: name.clone() })?;
        if output.from != *name || !output.is_about_the_same_as(first) {
            return Err(OutputError::Differs { peer: name.clone() });
        }
        partials.push((peer, &output.shares.0));
    }
    if (&query.name, query.digest) != (&first.query, first.definition) {
        return Err(OutputError::UnknownQuery { query: first.query.clone() });
    }
    let sharing = roster.sharing();
    let opened = sharing.open_batch(first.degree, &partials)?;
    let quantity = |index| &roster.quantity(index).quantity;
    let facts = Facts {
        quantity: quantity(query.quantity),
        with: query.with.map(quantity),
        readings: u64::from(first.readings),
        agents: &first.agents,
    };
    let value = query.function.conclude(&facts, &opened.values).ok_or(OutputError::Range)?;
    let named = |peer| Some(roster.peer(peer)?.name.clone());
    let more = sharing.needed(first.degree) - sharing.needed(Degree::Single);
    let verified = partials.len() >= roster.quorum().verifying() + more;
    Ok(OpenedOutput { value, corrected: opened.corrected.iter().filter_map(named).collect(), verified })
}
