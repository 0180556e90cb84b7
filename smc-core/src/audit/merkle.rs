//! The Merkle tree of RFC 6962, 2.1: of any number of leaves, appended one by one.
//!
//! Of all leaves so far only the roots of the perfect subtrees are needed to append the next: one for each bit of their
//! number. A perfect subtree never changes once its last leaf is there, so whoever stores each under its last leaf can
//! prove anything about the tree by reading a few.

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// The hash of a leaf.
pub fn leaf(data: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update([0x00]).chain_update(data).finalize().into())
}

/// The hash of two subtrees side by side.
pub fn parent(left: &Digest, right: &Digest) -> Digest {
    Digest(Sha256::new().chain_update([0x01]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// A perfect subtree: of `2^level` leaves, from leaf `index * 2^level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its height: 0 for a leaf.
    pub level: u32,
    /// Which of those of its level.
    pub index: u64,
}

impl Node {
    /// Its last leaf, which made it perfect.
    pub const fn last_leaf(self) -> u64 {
        ((self.index + 1) << self.level) - 1
    }
}

/// The perfect subtrees that a tree of `size` leaves consists of, from the largest on.
pub fn peaks(size: u64) -> impl Iterator<Item = Node> {
    let levels = (0..u64::BITS).rev().filter(move |level| size >> level & 1 == 1);
    // What is before a peak consists of larger ones: the bits of `size` above it.
    levels.map(move |level| Node { level, index: (size >> level) - 1 })
}

/// All that the next leaf needs of those before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// The roots of the peaks, from the largest on: as many as `size` has bits.
    peaks: Vec<Digest>,
}

impl Frontier {
    /// The frontier of `size` leaves with these [`peaks`]; none unless there are as many as there must be.
    pub fn new(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; returns the roots of the perfect subtrees that end with it, from the leaf itself up.
    pub fn push(&mut self, leaf: Digest) -> Vec<Digest> {
        let ends = self.size.trailing_ones() as usize;
        let (mut finished, mut node) = (Vec::with_capacity(ends + 1), leaf);
        finished.push(node);
        // As in adding one: each trailing one of the number is a peak that the new node completes.
        for left in self.peaks.drain(self.peaks.len() - ends..).rev() {
            node = parent(&left, &node);
            finished.push(node);
        }
        self.peaks.push(node);
        self.size += 1;
        finished
    }

    /// The root of all leaves so far.
    pub fn root(&self) -> Digest {
        root_of(&self.peaks)
    }
}

/// The root over [`peaks`], which come from the largest on.
pub fn root_of(peaks: &[Digest]) -> Digest {
    let mut right_to_left = peaks.iter().rev();
    let Some(&smallest) = right_to_left.next() else { return Digest(Sha256::digest([]).into()) };
    right_to_left.fold(smallest, |right, left| parent(left, &right))
}

#[cfg(test)]
mod tests {
    use super::super::proof::tests::{LEAVES, ROOTS, hex};
    use super::*;

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        let mut frontier = Frontier::default();
        // SHA-256 of nothing.
        assert_eq!(frontier.root(), hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
        for (size, (data, root)) in (1..).zip(LEAVES.iter().zip(ROOTS)) {
            frontier.push(leaf(data));
            assert_eq!((frontier.size(), frontier.root()), (size, hex(root)));
        }
    }

    #[test]
    fn what_a_leaf_completes_is_found_under_it_and_makes_the_frontier() {
        let mut frontier = Frontier::default();
        let mut stored: Vec<Vec<Digest>> = Vec::new();
        for size in 0..300_u64 {
            let found = peaks(size).map(|node| stored[node.last_leaf() as usize][node.level as usize]);
            assert_eq!(Frontier::new(size, found.collect()), Some(frontier.clone()), "{size}");
            stored.push(frontier.push(leaf(&size.to_be_bytes())));
        }
        assert_eq!(Frontier::new(3, vec![Digest([0; 32])]), None);
    }
}
