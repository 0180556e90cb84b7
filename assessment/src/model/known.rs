//! Costs that are known before anything is played: those of arithmetic, in one process.

use std::hint::black_box;
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
pub struct Known {
    /// A product of shares, in nanoseconds.
    pub product_ns: f64,
    /// The check of one shared bit of a reading, in nanoseconds.
    pub bit_ns: f64,
}

impl Known {
    /// Measured here, which takes a moment.
    ///
    /// # Errors
    /// If functions can't be computed.
    pub fn here() -> Result<Self, RehearsalFailure> {
        Ok(Self { product_ns: rehearsal::product_ns()?, bit_ns: bit_ns()? })
    }
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
