//! One slot per peer; the first message wins.

use crate::peers::PeerSet;
use crate::shamir::PeerIndex;

/// What the peers said in one step.
#[derive(Debug, Clone)]
pub(crate) struct Ballot<T>(Vec<(PeerIndex, T)>);

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cast {
    /// The peer said something else before; that stays.
    Contradicts,
    /// The peer had said the same.
    Duplicate,
    /// It counts.
    New,
}

impl<T: PartialEq> Ballot<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Takes what `peer` says, unless it has spoken.
    pub(crate) fn cast(&mut self, peer: PeerIndex, said: T) -> Cast {
        match self.0.binary_search_by_key(&peer, |&(peer, _)| peer) {
            Ok(at) if self.0[at].1 == said => Cast::Duplicate,
            Ok(_) => Cast::Contradicts,
            Err(at) => {
                self.0.insert(at, (peer, said));
                Cast::New
            }
        }
    }

    /// Who has spoken.
    pub(crate) fn voters(&self) -> PeerSet {
        self.0.iter().map(|&(peer, _)| peer).collect()
    }

    /// Who said what, ascending by peer.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerIndex, &T)> {
        self.0.iter().map(|(peer, said)| (*peer, said))
    }

    /// What the members of `peers` said, ascending by peer.
    pub(crate) fn of(&self, peers: PeerSet) -> impl Iterator<Item = (PeerIndex, &T)> {
        self.iter().filter(move |&(peer, _)| peers.contains(peer))
    }
}
