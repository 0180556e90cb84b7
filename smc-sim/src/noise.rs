//! Numbers that depend on a seed and on what they are for, and on nothing that was drawn before: so an action that is
//! left out of a history changes nothing about the others.

/// 64 bits for this use.
pub(crate) fn noise(seed: u64, what: &[u64]) -> u64 {
    what.iter().fold(mix(seed), |state, &word| mix(state ^ mix(word)))
}

/// The finaliser of SplitMix64: every bit of the input changes half of the output.
fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
