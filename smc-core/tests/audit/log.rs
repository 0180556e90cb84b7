//! Proofs of single entries.

use smc_core::audit::{Entry, InclusionProof, ProofError, inclusion};

use super::site::{Log, Site};

#[test]
fn any_entry_is_proven_without_the_log_and_no_other_passes_for_it() {
    let site = Site::new();
    let log = Log::of_all_kinds(&site, 1);
    let head = &log.heads[1].document;
    for row in &log.rows {
        let path = inclusion(row.seq, head.size, &mut |at| Ok::<_, ()>(log.node(at))).unwrap();
        let entry = row.clone().read().unwrap().entry;
        let (site, peer) = (head.site.clone(), head.peer.clone());
        let proof = InclusionProof { v: 1, site, peer, entry, size: head.size, path, head: None };
        let proof: InclusionProof = serde_json::from_str(&serde_json::to_string(&proof).unwrap()).unwrap();
        assert_eq!(proof.verify(head), Ok(()));
        let changed = Entry { seq: proof.entry.seq + 1, ..proof.entry.clone() };
        let changed = InclusionProof { entry: changed, ..proof.clone() };
        assert_eq!(changed.verify(head), Err(ProofError::NotIncluded));
        assert_eq!(
            proof.verify(&log.heads[0].document),
            Err(ProofError::OtherSize { proof: head.size, head: log.heads[0].document.size })
        );
        let other = InclusionProof { peer: "peer-2".parse().unwrap(), ..proof };
        assert!(matches!(other.verify(head), Err(ProofError::OtherLog { .. })));
    }
}
