//! Outputs for one client alone, once their envelopes are open: reading, gathering and opening them.

use std::collections::BTreeMap;

use smc_core::message::MAX_SHARES;
use smc_core::output::{self, Gathering, SealedOutput};

use crate::site::ROSTER;

/// Outputs that come together are divided by this.
const BETWEEN: &[u8] = b"\n--\n";
/// The most that are taken.
const MOST: usize = 4;

/// Reads outputs, of one peer's parts and of several peers, and opens what there is.
pub fn run(bytes: &[u8]) {
    let outputs: Vec<_> = split(bytes).into_iter().filter_map(read).collect();
    let mut parts: Option<Gathering> = None;
    let mut by_peer = BTreeMap::new();
    for output in outputs {
        match &mut parts {
            None => parts = Some(Gathering::new(output.clone())),
            Some(parts) => drop(parts.take(output.clone())),
        }
        by_peer.insert(output.from.clone(), output);
    }
    let _ = output::open(&ROSTER, &by_peer);
    let Some(parts) = parts else { return };
    let (whole, shares, about) = (parts.is_whole(), parts.shares(), parts.about().clone());
    let joined = parts.join();
    assert_eq!(whole, joined.is_some());
    if let Some(joined) = joined {
        assert_eq!((joined.shares.0.len(), &joined.from), (shares, &about.from));
        let _ = output::open(&ROSTER, &[(joined.from.clone(), joined)].into());
    }
}

/// What was read has one text, which reads as the same.
fn read(bytes: &[u8]) -> Option<SealedOutput> {
    let output = SealedOutput::from_bytes(bytes).ok()?;
    assert!(output.part < output.parts && output.shares.0.len() <= MAX_SHARES);
    let spelled = output.to_bytes();
    assert_eq!(SealedOutput::from_bytes(&spelled).as_ref(), Ok(&output));
    assert!(output.is_about_the_same_as(&output));
    Some(output)
}

fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while pieces.len() + 1 < MOST {
        let Some(at) = rest.windows(BETWEEN.len()).position(|window| window == BETWEEN) else { break };
        pieces.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    pieces.push(rest);
    pieces
}
