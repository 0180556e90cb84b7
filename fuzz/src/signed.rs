//! What is published with signatures, and what is published beside it.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use smc_core::card::{Card, Recipients};
use smc_core::charter::{Chain, Charter};
use smc_core::document::{Signable, Signed, canonical};
use smc_core::identity::SealingSecret;
use smc_core::introduction::Introduction;
use smc_core::order::Order;
use smc_core::protocol::inventory::Inventory;
use smc_core::protocol::vote::Vote;
use smc_core::result::{PartDocument, SignedResult};
use smc_core::shamir::PeerIndex;
use smc_core::time::Timestamp;
use smc_mqtt::status;

use crate::site::{KEYS, ROSTER};

/// Reads the bytes as every document that is taken from a public topic, or signed between peers.
pub fn run(bytes: &[u8]) {
    result(bytes);
    part(bytes);
    card(bytes);
    read::<Chain>(bytes);
    signed::<Charter>(bytes);
    signed::<Introduction>(bytes);
    signed::<Inventory>(bytes);
    signed::<Order>(bytes);
    signed::<Vote>(bytes);
    let _ = (status::presence(bytes), status::Heard::read(bytes));
}

fn result(bytes: &[u8]) {
    let Some(signed) = read::<SignedResult>(bytes) else { return };
    let _ = signed.verify(&ROSTER);
    if let Some(parts) = &signed.result.parts {
        assert!(parts.count() > 1 && parts.elements() as usize > parts.count());
    }
    if let Some(value) = &signed.result.value {
        let _ = (value.to_string(), value.as_number());
    }
}

fn part(bytes: &[u8]) {
    read::<PartDocument>(bytes);
}

fn card(bytes: &[u8]) {
    if signed::<Card>(bytes).is_none() {
        return;
    }
    let own = SealingSecret::from_bytes(&KEYS[0].sealing.to_bytes());
    let mut recipients = Recipients::new(ROSTER.clone(), "peer-1".parse().unwrap(), own);
    for peer in ROSTER.sharing().indices() {
        let taken = recipients.handle_card(Timestamp::from_secs(1_767_268_800), peer, bytes).is_ok();
        assert_eq!(taken, recipients.knows(peer));
    }
    assert!(recipients.handle_card(Timestamp::from_secs(0), PeerIndex::new(9).unwrap(), bytes).is_err());
}

/// A document with a signature, which no key of the site verifies unless it made it.
pub(crate) fn signed<D: Signable + DeserializeOwned + Clone + PartialEq + Debug>(bytes: &[u8]) -> Option<()> {
    let signed = read::<Signed<D>>(bytes)?;
    for keys in KEYS.iter() {
        let _ = signed.clone().verified(&keys.signing.verifying_key());
    }
    let own = Signed::new(signed.document, &KEYS[0].signing);
    assert!(own.clone().verified(&KEYS[0].signing.verifying_key()).is_some());
    assert!(own.verified(&KEYS[1].signing.verifying_key()).is_none());
    Some(())
}

/// What can be read has a text to sign, and that text reads as the same.
pub(crate) fn read<D: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> Option<D> {
    let document: D = serde_json::from_slice(bytes).ok()?;
    let text = canonical(&document);
    assert!(!text.is_empty(), "{document:?} has no form to sign");
    let again: D = serde_json::from_slice(&text).unwrap();
    assert_eq!(again, document);
    assert_eq!(canonical(&again), text);
    Some(document)
}
