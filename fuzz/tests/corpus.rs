//! Everything in `corpus/` once more, without libFuzzer: whatever was found stays found.

use std::path::Path;

use murmuration_fuzz::TARGETS;
use murmuration_fuzz::seeds::seeds;
use smc_core::envelope::Envelope;
use smc_core::message::PeerMessage;
use smc_core::output::SealedOutput;
use smc_core::result::SignedResult;

#[test]
fn every_target_takes_its_whole_corpus() {
    for (target, run) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{target} has no corpus");
        for file in files {
            println!("{}", file.display());
            run(&std::fs::read(&file).unwrap());
        }
    }
}

#[test]
fn what_the_corpus_begins_with_can_be_read() {
    // A corpus that is refused at its first byte would hold anything.
    let seeds = seeds();
    assert!(TARGETS.iter().all(|(target, _)| !seeds[target].is_empty()));
    assert!(seeds["envelope"].iter().all(|seed| Envelope::parse(seed, seed.len()).is_ok()));
    assert!(seeds["peer_message"].iter().all(|seed| PeerMessage::from_bytes(seed).is_ok()));
    assert!(seeds["sealed_output"].iter().any(|seed| SealedOutput::from_bytes(seed).is_ok()));
    assert!(seeds["signed"].iter().any(|seed| serde_json::from_slice::<SignedResult>(seed).is_ok()));
}
