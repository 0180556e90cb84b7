//! What the unit tests of several modules share.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// A generator that repeats itself from run to run.
pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}
