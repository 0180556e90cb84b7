//! The pause between attempts to connect.

use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::entropy;

const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// Doubling pauses with jitter, so that a thousand agents don't knock at a restarted broker all at once.
#[derive(Debug)]
pub(super) struct Backoff {
    ceiling: Duration,
    rng: ChaCha20Rng,
}

impl Backoff {
    /// Starts with the shortest pause. `salt` stands in for entropy where the system has none: jitter guards
    /// no secret.
    pub(super) fn new(salt: &str) -> Self {
        let fallback = salt.bytes().fold(0, |hash: u64, b| hash.wrapping_mul(31).wrapping_add(b.into()));
        let rng = entropy::rng().unwrap_or_else(|_| ChaCha20Rng::seed_from_u64(fallback));
        Self { ceiling: SHORTEST, rng }
    }

    /// Back to the shortest pause, after a connection that held.
    pub(super) fn reset(&mut self) {
        self.ceiling = SHORTEST;
    }

    /// How long to wait now: between a half and the whole of a ceiling that doubles up to 30 s, at least 0.2 s.
    pub(super) fn next(&mut self) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = (ceiling * 2).min(LONGEST);
        let fraction = 0.5 + 0.5 * f64::from(self.rng.next_u32()) / f64::from(u32::MAX);
        ceiling.mul_f64(fraction).max(SHORTEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_thirty_seconds_and_start_over() {
        let mut backoff = Backoff::new("a");
        let pauses: Vec<_> = (0..12).map(|_| backoff.next()).collect();
        assert!(pauses.iter().all(|p| (SHORTEST..=LONGEST).contains(p)), "{pauses:?}");
        assert_eq!(pauses[0], SHORTEST);
        assert!(pauses[11] >= LONGEST / 2);
        backoff.reset();
        assert_eq!(backoff.next(), SHORTEST);
    }

    #[test]
    fn pauses_are_jittered() {
        let late = |salt| {
            let mut backoff = Backoff::new(salt);
            (0..10).map(|_| backoff.next()).last()
        };
        assert_ne!(late("a"), late("a"));
    }
}
