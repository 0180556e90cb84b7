//! That an entry is in a log, and that a log only grew: RFC 6962, 2.1.1 and 2.1.2; verified as in RFC 9162, 2.1.3.2 and
//! 2.1.4.2.

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::head::Head;
use super::merkle::{Node, parent};
use crate::digest::Digest;
use crate::document::Signed;
use crate::name::{NodeName, SiteName};
use crate::result::VERSION;
use crate::time::exact;

/// The path from leaf number `leaf` to the root of the first `size` leaves, where `leaf < size`; `nodes` finds the root of a
/// perfect subtree.
///
/// # Errors
/// What `nodes` fails with.
pub fn inclusion<E>(
    leaf: u64,
    size: u64,
    nodes: &mut impl FnMut(Node) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    let (mut from, mut to) = (0, size);
    let mut beside = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if leaf < middle {
            beside.push((middle, to));
            to = middle;
        } else {
            beside.push((from, middle));
            from = middle;
        }
    }
    beside.into_iter().rev().map(|(from, to)| subtree(from, to, nodes)).collect()
}

/// The proof that the tree of `size` leaves begins with that of `earlier`, where `earlier <= size`; `nodes` finds the root
/// of a perfect subtree.
///
/// # Errors
/// What `nodes` fails with.
pub fn consistency<E>(
    earlier: u64,
    size: u64,
    nodes: &mut impl FnMut(Node) -> Result<Digest, E>,
) -> Result<Vec<Digest>, E> {
    if earlier == 0 || earlier == size {
        return Ok(Vec::new());
    }
    let (mut from, mut to) = (0, size);
    let mut parts = Vec::new();
    while to != earlier {
        let middle = from + split(to - from);
        if earlier <= middle {
            parts.push((middle, to));
            to = middle;
        } else {
            parts.push((from, middle));
            from = middle;
        }
    }
    // Whoever has the earlier root has that of its leftmost subtree, if the earlier tree is one.
    if from != 0 {
        parts.push((from, to));
    }
    parts.into_iter().rev().map(|(from, to)| subtree(from, to, nodes)).collect()
}

/// Whether `path` leads from leaf number `leaf` with hash `hash` to `root`, the root of `size` leaves.
#[must_use]
pub fn is_included(leaf: u64, hash: &Digest, size: u64, root: &Digest, path: &[Digest]) -> bool {
    if leaf >= size {
        return false;
    }
    let (mut at, mut last, mut node) = (leaf, size - 1, *hash);
    for beside in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            node = parent(beside, &node);
            // On the right edge: where there is nothing beside it, the node rises as it is.
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            node = parent(&node, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && node == *root
}

/// Whether `proof` shows that a tree of `size` leaves with the root `root` begins with one of `earlier` leaves with the root
/// `before`.
#[must_use]
pub fn is_consistent(earlier: u64, before: &Digest, size: u64, root: &Digest, proof: &[Digest]) -> bool {
    if earlier == size {
        return proof.is_empty() && before == root;
    }
    if earlier == 0 || earlier > size {
        return earlier == 0 && proof.is_empty();
    }
    let (mut at, mut last) = (earlier - 1, size - 1);
    let rises = at.trailing_ones();
    (at, last) = (at >> rises, last >> rises);
    let mut proof = proof.iter();
    let start = if earlier.is_power_of_two() { Some(before) } else { proof.next() };
    let Some(&start) = start else { return false };
    let (mut old, mut new) = (start, start);
    for beside in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            (old, new) = (parent(beside, &old), parent(beside, &new));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new = parent(&new, beside);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && old == *before && new == *root
}

/// k, how many of `leaves > 1` leaves go to the left: the largest power of two below their number.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// The root of the leaves from `from` to before `to`: a part that [`split`] makes, so each perfect half lies where a [`Node`]
/// does.
fn subtree<E>(from: u64, to: u64, nodes: &mut impl FnMut(Node) -> Result<Digest, E>) -> Result<Digest, E> {
    let leaves = to - from;
    if leaves.is_power_of_two() {
        return nodes(Node { level: leaves.trailing_zeros(), index: from / leaves });
    }
    let middle = from + split(leaves);
    Ok(parent(&subtree(from, middle, nodes)?, &subtree(middle, to, nodes)?))
}

/// An entry with its path to the root of a head: proof that it is in the log, without the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Whose log.
    pub peer: NodeName,
    /// The entry.
    pub entry: Entry,
    /// How many entries the tree has that the path leads to the root of.
    #[serde(deserialize_with = "exact")]
    pub size: u64,
    /// The hashes beside the way, from the entry up.
    pub path: Vec<Digest>,
    /// A head with that root, if whoever made the proof has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Signed<Head>>,
}

/// Why a proof proves nothing about a head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The path does not lead to the head's root.
    #[error("the entry is not in the log that this head was signed over, or it was changed")]
    NotIncluded,
    /// Proof and head are about different logs.
    #[error("a proof about the log of {proof} and a head of {head}")]
    OtherLog {
        /// Whose the proof is.
        proof: NodeName,
        /// Whose the head is.
        head: NodeName,
    },
    /// The proof leads to another head.
    #[error(
        "the proof leads to a head of {proof} entries, this one has {head}; have it made anew with `murmur audit prove --size {head}`"
    )]
    OtherSize {
        /// Of the proof.
        proof: u64,
        /// Of the head.
        head: u64,
    },
    /// The version is not ours.
    #[error("version {0}; this program knows version {VERSION}")]
    Version(u8),
}

impl InclusionProof {
    /// Whether the entry is in the log that `head` was signed over. Whose signature that is, is for the caller to check.
    ///
    /// # Errors
    /// Why that is not shown.
    pub fn verify(&self, head: &Head) -> Result<(), ProofError> {
        if self.v != VERSION {
            return Err(ProofError::Version(self.v));
        }
        if (&self.site, &self.peer) != (&head.site, &head.peer) {
            return Err(ProofError::OtherLog { proof: self.peer.clone(), head: head.peer.clone() });
        }
        if self.size != head.size {
            return Err(ProofError::OtherSize { proof: self.size, head: head.size });
        }
        if is_included(self.entry.seq, &self.entry.hash(), self.size, &head.root, &self.path) {
            Ok(())
        } else {
            Err(ProofError::NotIncluded)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::convert::Infallible;

    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use ct_merkle::{ConsistencyProof, InclusionProof as OtherInclusion};
    use sha2::Sha256;

    use super::super::merkle::{Frontier, leaf};
    use super::*;

    /// The leaves with which the implementations of Certificate Transparency are tested.
    pub(in super::super) const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    /// The roots of the first 1 to 8 of them.
    pub(in super::super) const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    /// Those beside the first leaf of eight.
    const PATH_OF_FIRST: [&str; 3] = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ];
    /// That eight begin with six.
    const SIX_TO_EIGHT: [&str; 3] = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];

    pub(in super::super) fn hex(text: &str) -> Digest {
        let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
        Digest(std::array::from_fn(byte))
    }

    /// A tree whose perfect subtrees are stored as a log stores them.
    struct Stored {
        nodes: Vec<Vec<Digest>>,
        roots: Vec<Digest>,
    }

    impl Stored {
        fn of<D: AsRef<[u8]>>(leaves: impl IntoIterator<Item = D>) -> Self {
            let mut frontier = Frontier::default();
            let mut stored = Self { nodes: Vec::new(), roots: vec![frontier.root()] };
            for data in leaves {
                stored.nodes.push(frontier.push(leaf(data.as_ref())));
                stored.roots.push(frontier.root());
            }
            stored
        }

        fn find(&self) -> impl FnMut(Node) -> Result<Digest, Infallible> {
            |node| Ok(self.nodes[node.last_leaf() as usize][node.level as usize])
        }

        fn inclusion(&self, leaf: u64, size: u64) -> Vec<Digest> {
            inclusion(leaf, size, &mut self.find()).unwrap()
        }

        fn consistency(&self, earlier: u64, size: u64) -> Vec<Digest> {
            consistency(earlier, size, &mut self.find()).unwrap()
        }
    }

    #[test]
    fn proofs_are_those_of_certificate_transparency() {
        let tree = Stored::of(LEAVES);
        assert_eq!(tree.inclusion(0, 8), PATH_OF_FIRST.map(hex));
        assert_eq!(tree.consistency(6, 8), SIX_TO_EIGHT.map(hex));
        assert_eq!((tree.inclusion(0, 1), tree.consistency(8, 8)), (vec![], vec![]));
    }

    #[test]
    fn every_leaf_of_every_tree_is_proven_and_nothing_else() {
        let tree = Stored::of((0..130_u64).map(u64::to_be_bytes));
        for size in 1..=130 {
            let root = &tree.roots[size as usize];
            for at in 0..size {
                let path = tree.inclusion(at, size);
                let hash = &tree.nodes[at as usize][0];
                assert!(is_included(at, hash, size, root, &path), "{at} of {size}");
                let other = leaf(b"other");
                assert!(!is_included(at, &other, size, root, &path));
                assert!(!is_included((at + 1) % size, hash, size, root, &path) || size == 1);
                assert!(!is_included(at + size, hash, size, root, &path));
                for missing in 0..path.len() {
                    let (mut shorter, mut wrong) = (path.clone(), path.clone());
                    shorter.remove(missing);
                    wrong[missing] = other;
                    assert!(!is_included(at, hash, size, root, &shorter));
                    assert!(!is_included(at, hash, size, root, &wrong));
                }
                assert!(!is_included(at, hash, size, root, &[path, vec![other]].concat()));
            }
        }
    }

    #[test]
    fn every_tree_is_proven_to_begin_with_every_smaller_one_and_with_nothing_else() {
        let tree = Stored::of((0..130_u64).map(u64::to_be_bytes));
        let other = leaf(b"other");
        for size in 1..=130_u64 {
            for earlier in 1..=size {
                let (before, root) = (&tree.roots[earlier as usize], &tree.roots[size as usize]);
                let proof = tree.consistency(earlier, size);
                assert!(is_consistent(earlier, before, size, root, &proof), "{earlier} to {size}");
                assert!(!is_consistent(earlier, &other, size, root, &proof));
                assert!(!is_consistent(earlier, before, size, &other, &proof));
                for missing in 0..proof.len() {
                    let (mut shorter, mut wrong) = (proof.clone(), proof.clone());
                    shorter.remove(missing);
                    wrong[missing] = other;
                    assert!(!is_consistent(earlier, before, size, root, &shorter));
                    assert!(!is_consistent(earlier, before, size, root, &wrong));
                }
                assert!(!is_consistent(earlier, before, size, root, &[proof, vec![other]].concat()));
            }
            assert!(!is_consistent(size + 1, &tree.roots[1], size, &tree.roots[size as usize], &[]));
        }
    }

    #[test]
    fn another_implementation_makes_and_takes_the_same() {
        let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let leaves: Vec<_> = (0..70_u64).map(|at| at.to_be_bytes().to_vec()).collect();
        let tree = Stored::of(&leaves);
        for (size, data) in (1..=70_u64).zip(&leaves) {
            other.push(data.clone());
            let root = other.root();
            assert_eq!(root.as_bytes()[..], tree.roots[size as usize].0);
            for at in 0..size {
                let bytes = tree.inclusion(at, size).iter().flat_map(|digest| digest.0).collect();
                assert_eq!(other.prove_inclusion(at as usize).as_bytes(), &bytes, "{at} of {size}");
                let read = OtherInclusion::from_bytes(bytes);
                root.verify_inclusion(&leaves[at as usize], at, &read).unwrap();
            }
            for earlier in 1..size {
                let bytes: Vec<u8> =
                    tree.consistency(earlier, size).iter().flat_map(|digest| digest.0).collect();
                let additions = (size - earlier) as usize;
                assert_eq!(other.prove_consistency(additions).as_bytes(), &bytes, "{earlier} to {size}");
                let before = ct_merkle::RootHash::new(tree.roots[earlier as usize].0.into(), earlier);
                root.verify_consistency(&before, &ConsistencyProof::try_from_bytes(bytes).unwrap()).unwrap();
            }
        }
    }
}
