//! Where a log ends, which is all that the next entry needs.

use super::check::Written;
use super::entry::{Body, Entry, Kind, genesis};
use super::merkle::Frontier;
use super::unfit::Unfit;
use crate::digest::Digest;
use crate::name::{NodeName, SiteName};
use crate::time::Timestamp;

/// The end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    frontier: Frontier,
    last: Digest,
}

impl Tail {
    /// The end of a log without entries.
    pub fn new(site: &SiteName, peer: &NodeName) -> Self {
        Self { frontier: Frontier::default(), last: genesis(site, peer) }
    }

    /// The end of a log whose last entry has the hash `last`.
    pub fn restored(frontier: Frontier, last: Digest) -> Self {
        Self { frontier, last }
    }

    /// How many entries there are.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root of the tree.
    pub fn root(&self) -> Digest {
        self.frontier.root()
    }

    /// The hash of the last entry.
    pub fn chain(&self) -> Digest {
        self.last
    }

    /// Makes the next entry; returns it with the roots of the perfect subtrees that end with it, its own hash first.
    pub fn append(&mut self, time: Timestamp, kind: Kind, body: Body) -> (Entry, Vec<Digest>) {
        let entry = Entry { seq: self.size(), time, kind, body, prev: self.last };
        let nodes = self.push(entry.hash());
        (entry, nodes)
    }

    /// Takes over an entry that a file has.
    ///
    /// # Errors
    /// Why it is not the next one; nothing has changed then.
    pub fn follow(&mut self, written: &Written) -> Result<(), Unfit> {
        let Written { entry, hash, nodes } = written;
        if entry.seq != self.size() {
            return Err(Unfit::Missing { found: entry.seq });
        }
        if entry.prev != self.last {
            return Err(Unfit::Link);
        }
        let mut next = self.clone();
        if !next.push(*hash).iter().flat_map(|node| &node.0).eq(nodes) {
            return Err(Unfit::Tree);
        }
        *self = next;
        Ok(())
    }

    fn push(&mut self, hash: Digest) -> Vec<Digest> {
        self.last = hash;
        self.frontier.push(hash)
    }
}
