//! A set of peers, small enough to copy.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::shamir::{MAX_PEERS, PeerIndex};

/// A set of peer indices; bit i-1 stands for peer i. On the wire: the ascending list of indices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<PeerIndex>", into = "Vec<PeerIndex>")]
pub struct PeerSet(u16);

impl PeerSet {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// The set with `peer` added.
    #[must_use]
    pub fn with(self, peer: PeerIndex) -> Self {
        Self(self.0 | bit(peer))
    }

    /// The set with `peer` removed.
    #[must_use]
    pub fn without(self, peer: PeerIndex) -> Self {
        Self(self.0 & !bit(peer))
    }

    /// Whether `peer` is a member.
    pub fn contains(self, peer: PeerIndex) -> bool {
        self.0 & bit(peer) != 0
    }

    /// The peers that are in both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether every member is also a member of `other`.
    pub fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// How many members.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether nobody is a member.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, ascending.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = PeerIndex> {
        (1..=MAX_PEERS).filter_map(|i| PeerIndex::new(i).ok()).filter(move |&peer| self.contains(peer))
    }

    /// The member with the lowest index.
    pub fn lowest(self) -> Option<PeerIndex> {
        self.iter().next()
    }

    /// The members as bits, for digests.
    pub fn bits(self) -> u16 {
        self.0
    }
}

fn bit(peer: PeerIndex) -> u16 {
    1 << (peer.get() - 1)
}

impl FromIterator<PeerIndex> for PeerSet {
    fn from_iter<I: IntoIterator<Item = PeerIndex>>(peers: I) -> Self {
        peers.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl From<Vec<PeerIndex>> for PeerSet {
    fn from(peers: Vec<PeerIndex>) -> Self {
        peers.into_iter().collect()
    }
}

impl From<PeerSet> for Vec<PeerIndex> {
    fn from(set: PeerSet) -> Self {
        set.iter().collect()
    }
}

impl fmt::Debug for PeerSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(PeerIndex::get)).finish()
    }
}
