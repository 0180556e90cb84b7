//! Randomness from the operating system.

use getrandom::SysRng;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// The operating system has no entropy to give.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random bytes: {0}")]
pub struct NoEntropy(#[from] getrandom::Error);

/// A generator fit for keys and shares (`rand_core::CryptoRng`), seeded with 256 bits from the operating system.
///
/// # Errors
/// When the operating system has no entropy.
pub fn rng() -> Result<ChaCha20Rng, NoEntropy> {
    Ok(ChaCha20Rng::try_from_rng(&mut SysRng)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::Rng;

    #[test]
    fn no_two_generators_agree() {
        assert_ne!(rng().unwrap().next_u64(), rng().unwrap().next_u64());
    }
}
