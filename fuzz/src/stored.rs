//! What programs kept for themselves and read again: the broker's retained messages, a peer's votes, a simulator's
//! histories; and the plaintexts of inputs, which come out of kept envelopes.

use serde::Serialize;
use serde::de::DeserializeOwned;
use smc_core::protocol::input::{Input, plaintext_len};
use smc_core::protocol::standing::Standing;
use smc_core::protocol::terms::TERMS_BYTES;
use smc_sim::Schedule;

use crate::site::ROSTER;

/// Reads the bytes as each of them.
pub fn run(bytes: &[u8]) {
    assert!(broker::fuzz::retained(bytes) <= bytes.len() / 8);
    if let Some(vote) = json::<Standing>(bytes) {
        assert_eq!(vote.members.iter().count(), vote.members.len());
        assert!(vote.members.iter().all(|place| vote.members.contains(place)));
    }
    json::<Schedule>(bytes);
    for bundle in ROSTER.bundles() {
        let Ok(input) = Input::read(bundle, bytes) else { continue };
        assert_eq!(bytes.len(), plaintext_len(bundle));
        assert!(input.fits(bundle));
        for (place, stream) in bundle.streams.iter().enumerate() {
            assert_eq!(input.has(place), bytes[TERMS_BYTES + place] == 1);
            assert_eq!(input.bits(place, stream).is_some(), input.has(place));
        }
        assert_eq!(Input::read(bundle, bytes).unwrap(), input);
    }
}

/// What was read has a text that reads as the same.
fn json<D: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<D> {
    let document: D = serde_json::from_slice(bytes).ok()?;
    let text = serde_json::to_vec(&document).unwrap();
    assert_eq!(serde_json::from_slice::<D>(&text).unwrap(), document);
    Some(document)
}
