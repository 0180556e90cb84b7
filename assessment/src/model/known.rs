//! Costs that are known before anything is played: those of arithmetic, in one process.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::thread;
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use smc_core::field::Fp;
use smc_core::function::RehearsalError;
use smc_core::protocol::validity::{Challenge, Evidence};
use smc_core::shamir::{Share, Sharing, parse_bits};

use crate::rehearsal::{self, RehearsalFailure};

/// What arithmetic costs one peer of a machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Known {
    /// A product of shares, in nanoseconds, beside the numbers that are drawn for it.
    pub product_ns: f64,
    /// A number that is drawn from a key which some peers share, in nanoseconds.
    pub drawn_ns: f64,
    /// The check of one shared bit of a reading, in nanoseconds.
    pub bit_ns: f64,
    /// Cores of the machine, which all peers compute on; none: each has one to itself.
    pub cores: Option<NonZeroU32>,
}

/// Peers and thresholds with few and with many keys, from which the cost of products is taken.
const FEW: (u8, u8) = (3, 1);
const MANY: (u8, u8) = (9, 4);

impl Known {
    /// Measured here, which takes a moment.
    ///
    /// # Errors
    /// If functions can't be computed.
    pub fn here() -> Result<Self, RehearsalFailure> {
        let (few, many) = (rehearsal::product_ns(FEW.0, FEW.1)?, rehearsal::product_ns(MANY.0, MANY.1)?);
        let drawn_ns = ((many - few) / (drawn(MANY.0, MANY.1) - drawn(FEW.0, FEW.1))).max(0.0);
        let product_ns = (few - drawn(FEW.0, FEW.1) * drawn_ns).max(0.0);
        let cores = thread::available_parallelism().ok().and_then(|cores| u32::try_from(cores.get()).ok());
        Ok(Self { product_ns, drawn_ns, bit_ns: bit_ns()?, cores: cores.and_then(NonZeroU32::new) })
    }

    /// The same where each peer has a machine of its own.
    #[must_use]
    pub fn apart(self) -> Self {
        Self { cores: None, ..self }
    }

    /// What so many products cost each of so many peers, in nanoseconds, if all compute at once.
    pub(super) fn products_ns(&self, products: f64, peers: u8, threshold: u8) -> f64 {
        products * (self.product_ns + drawn(peers, threshold) * self.drawn_ns) * self.crowd(peers)
    }

    /// The same of shared bits that are checked.
    pub(super) fn bits_ns(&self, bits: f64, peers: u8) -> f64 {
        bits * self.bit_ns * self.crowd(peers)
    }

    /// How many peers there are to a core, where there are more peers than cores.
    fn crowd(&self, peers: u8) -> f64 {
        self.cores.map_or(1.0, |cores| (f64::from(peers) / f64::from(cores.get())).max(1.0))
    }
}

/// Numbers that a peer draws for a product: of each set of n - t peers that it belongs to, one for the mask, and t for the
/// sharing of zero that makes it one of degree 2t.
fn drawn(peers: u8, threshold: u8) -> f64 {
    let (n, t) = (f64::from(peers), f64::from(threshold));
    // t others are not in the set.
    let sets: f64 = (1..=threshold).map(f64::from).map(|i| (n - i) / i).product();
    sets * (t + 1.0)
}

const READINGS: u64 = 1_000;
const BITS: u32 = 16;
/// The quickest of so many runs counts: whatever disturbs makes it longer.
const RUNS: usize = 5;

fn bit_ns() -> Result<f64, RehearsalFailure> {
    let sharing = Sharing::new(3, 1)?;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut inputs: Vec<Vec<Share>> = Vec::new();
    for reading in 0..READINGS {
        let mut outputs = vec![Vec::new(); 3];
        sharing.share_bits(reading, BITS, &mut rng, &mut outputs).map_err(RehearsalError::from)?;
        inputs.push(parse_bits(&outputs[0], BITS).map_err(RehearsalError::from)?);
    }
    // Any coin does: the work is the same.
    let coin = [Fp::from(812), Fp::from(4_711)];
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let begin = Instant::now();
        let mut challenge = Challenge::new(black_box(&coin));
        let weighed = inputs.iter().map(|bits| challenge.weigh(bits));
        black_box(weighed.fold(Evidence::default(), Evidence::plus));
        best = best.min(begin.elapsed().as_nanos() as f64);
    }
    Ok(best / (READINGS * u64::from(BITS)) as f64)
}

#[cfg(test)]
mod tests {
    use smc_core::prss::subsets;
    use smc_core::shamir::PeerIndex;

    use super::*;

    #[test]
    fn as_many_numbers_are_drawn_as_there_are_sets_that_a_peer_belongs_to() {
        for (peers, threshold) in [(3, 1), (5, 1), (5, 2), (8, 3), (9, 4)] {
            let sharing = Sharing::new(peers, threshold).unwrap();
            let me = PeerIndex::new(1).unwrap();
            let sets = subsets(sharing).filter(|set| set.contains(me)).count();
            assert_eq!(drawn(peers, threshold), (sets * usize::from(threshold + 1)) as f64);
        }
    }

    #[test]
    fn peers_that_share_cores_take_longer() {
        let two = NonZeroU32::new(2);
        let known = Known { product_ns: 10.0, drawn_ns: 1.0, bit_ns: 2.0, cores: two };
        assert_eq!(known.products_ns(100.0, 3, 1), 100.0 * 14.0 * 1.5);
        assert_eq!(known.apart().products_ns(100.0, 3, 1), 100.0 * 14.0);
        assert_eq!(known.bits_ns(100.0, 9), 900.0);
        let many = Known { cores: NonZeroU32::new(64), ..known };
        assert_eq!(many.bits_ns(100.0, 9), 200.0);
    }
}
