//! What peers sign for their logs, and what is proven of them.

use smc_core::audit::{Before, Entry, Growth, Head, InclusionProof, Kind, genesis, parent};
use smc_core::digest::Digest;
use smc_core::document::{Signed, canonical};
use smc_core::time::Timestamp;

use crate::signed::{read, signed};
use crate::site::{KEYS, ROSTER};

/// Reads the bytes as a head, as two of them, and as the proof of an entry.
pub fn run(bytes: &[u8]) {
    signed::<Head>(bytes);
    let heads: Vec<_> = bytes.split(|&byte| byte == b'\n').take(2).filter_map(head).collect();
    if let [a, b] = &heads[..] {
        match b.follows(a) {
            Ok(Growth::Missed | Growth::Proven) => assert!(b.size > a.size && b.time >= a.time),
            Ok(Growth::Older) => assert!(b.size < a.size && a.follows(b).is_ok()),
            Ok(Growth::Same) => assert_eq!((b.size, b.root), (a.size, a.root)),
            Err(_) => assert!(a != b),
        }
    }
    if let Some(proof) = read::<InclusionProof>(bytes) {
        verify(&proof);
    }
}

/// A head as its peer would have signed it.
fn head(json: &[u8]) -> Option<Head> {
    let signed: Signed<Head> = serde_json::from_slice(json).ok()?;
    let node =
        ROSTER.peers().find(|(_, node)| node.name == signed.document.peer).map(|(_, node)| node.clone())?;
    if Head::read(json, ROSTER.site(), &node).is_ok() {
        assert!(signed.clone().verified(&node.identity).is_some());
    }
    let key = &KEYS[usize::from(ROSTER.peer_named(node.name.as_str())?.get()) - 1].signing;
    let own = serde_json::to_vec(&Signed::new(signed.document, key)).ok()?;
    Head::read(&own, ROSTER.site(), &node).ok().map(|signed| signed.document)
}

/// What is proven of one entry is proven of no other.
fn verify(proof: &InclusionProof) {
    let Some(head) = proof.head.as_ref().map(|signed| &signed.document) else { return };
    if proof.verify(head).is_ok() {
        let mut other = proof.clone();
        other.entry.seq = other.entry.seq.wrapping_add(1);
        assert!(other.verify(head).is_err());
        let mut other = head.clone();
        other.root.0[0] ^= 1;
        assert!(proof.verify(&other).is_err());
    }
}

/// A head of one entry and one of two, one after the other, and proofs that their entries are in the log.
pub fn seeds() -> Vec<Vec<u8>> {
    let first = entry(0, genesis(ROSTER.site(), &"peer-1".parse().unwrap()));
    let second = entry(1, first.hash());
    let root = parent(&first.hash(), &second.hash());
    let before = Before { size: 1, root: first.hash(), proof: vec![second.hash()] };
    let one = signed_head(1, first.hash(), first.hash(), None);
    let two = signed_head(2, root, second.hash(), Some(before));
    let proof = |entry: &Entry, path: Vec<Digest>, head: &Signed<Head>| {
        let Head { v, site, peer, size, .. } = head.document.clone();
        canonical(&InclusionProof {
            v,
            site,
            peer,
            entry: entry.clone(),
            size,
            path,
            head: Some(head.clone()),
        })
    };
    vec![
        canonical(&one),
        canonical(&two),
        [canonical(&one), canonical(&two)].join(&b'\n'),
        proof(&first, Vec::new(), &one),
        proof(&first, vec![second.hash()], &two),
        proof(&second, vec![first.hash()], &two),
    ]
}

fn entry(seq: u64, prev: Digest) -> Entry {
    let (time, kind) = (Timestamp::from_secs(1_767_268_800 + seq), Kind::Intervention);
    let body = serde_json::from_str(r#"{"order":"pause"}"#).unwrap();
    Entry { seq, time, kind, body, prev }
}

fn signed_head(size: u64, root: Digest, chain: Digest, before: Option<Before>) -> Signed<Head> {
    let (site, peer) = (ROSTER.site().clone(), "peer-1".parse().unwrap());
    let time = Timestamp::from_secs(1_767_268_800 + size);
    Signed::new(Head { v: 1, site, peer, size, root, chain, time, before }, &KEYS[0].signing)
}
