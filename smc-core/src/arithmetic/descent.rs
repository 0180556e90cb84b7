//! 5.3 and 5.4: the reading of a given rank, digit by digit from the most significant one.
//!
//! Candidates are the readings that agree with all digits known so far; *above* are those known to be greater. For each
//! value v of the next digit the peers count the candidates whose digit is at least v, and open whether these and
//! the ones above reach the rank. The greatest v that does is the digit of the output: so nothing is opened that the
//! output does not say. With digits of several bits there are fewer rounds and more products.

use super::reach::{Sums, Test};
use super::thermometer::thermometer;
use super::{Arithmetic, Fault, Products, Shares, join, join_all};
use crate::field::Fp;

/// Which reading: the first is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rank(pub(crate) u64);

/// What a descent comes to.
#[derive(Debug)]
pub(crate) struct Descent {
    /// The reading of that rank.
    pub(crate) value: u64,
    /// For each reading whether it equals the value, shared.
    pub(crate) equal: Shares,
    /// For each reading whether it is above the value, shared.
    pub(crate) above: Shares,
}

/// How many products take as long as one round: a round is a few messages through a broker.
const PRODUCTS_PER_ROUND: u64 = 4_000;
/// The widest digit.
const MAX_WIDTH: usize = 4;

impl Descent {
    /// Finds the reading of `rank` among those with these bits, the least significant first; there are at least as
    /// many, and fewer than 2^32.
    pub(crate) async fn find(arithmetic: &Arithmetic, bits: &[Shares], rank: Rank) -> Result<Self, Fault> {
        let lanes = bits.first().map_or(0, Shares::len);
        let width = best_width(bits.len(), lanes, Test::rounds(rank, lanes));
        let mut digits: Vec<_> = bits.chunks(width).collect();
        // The most significant digit may have fewer bits.
        digits.reverse();
        let (thermometers, tests) = join(
            join_all(digits.iter().map(|digit| thermometer(arithmetic, digit))),
            join_all(digits.iter().map(|digit| Test::new(arithmetic, rank, lanes, (1 << digit.len()) - 1))),
        )
        .await;
        let mut descent =
            Self { value: 0, equal: Shares::public(Fp::ONE, lanes), above: Shares::zeros(lanes) };
        for (i, (marks, test)) in thermometers.into_iter().zip(tests).enumerate() {
            descent.next(arithmetic, test?, marks, i == 0).await?;
        }
        Ok(descent)
    }

    /// One digit, given its thermometer.
    async fn next(
        &mut self,
        arithmetic: &Arithmetic,
        test: Test,
        marks: Vec<Shares>,
        first: bool,
    ) -> Result<(), Fault> {
        let lanes = self.above.len();
        let (at_least, reached) = if first {
            // Everybody is a candidate, and nobody above.
            let sums = Shares::concat(&marks.iter().map(Shares::sum).collect::<Vec<_>>());
            let reached = test.open(arithmetic, Sums::Shares(sums)).await?;
            (marks, reached)
        } else {
            let above = self.above.sum().as_products();
            let candidates: Vec<_> = marks.iter().map(|mark| self.equal.times(mark)).collect();
            let sums: Vec<_> = candidates.iter().map(|lanes| lanes.sum().plus(&above)).collect();
            let sums = Sums::Products(Products::concat(&sums));
            let reduce = arithmetic.reduce(Products::concat(&candidates));
            let (at_least, reached) = join(reduce, test.open(arithmetic, sums)).await;
            (at_least.chunks(lanes), reached?)
        };
        self.take(at_least, &reached);
        Ok(())
    }

    /// Takes the greatest value that reaches the rank as the digit. `at_least[v - 1]` says of each candidate whether
    /// its digit is at least v.
    fn take(&mut self, mut at_least: Vec<Shares>, reached: &[bool]) {
        let digit = reached.iter().filter(|&&reached| reached).count();
        let beyond = (digit < at_least.len()).then(|| at_least.swap_remove(digit));
        if digit > 0 {
            self.equal = at_least.swap_remove(digit - 1);
        }
        if let Some(beyond) = beyond {
            let nothing = || Shares::zeros(0);
            self.equal = std::mem::replace(&mut self.equal, nothing()).minus(&beyond);
            self.above = std::mem::replace(&mut self.above, nothing()).plus(&beyond);
        }
        self.value = self.value * (reached.len() as u64 + 1) + digit as u64;
    }
}

/// The digits' width that costs least, for k bits of N readings and a test of so many rounds.
fn best_width(k: usize, lanes: usize, rounds: u64) -> usize {
    let cost = |width: usize| {
        let digits = k.div_ceil(width) as u64;
        let marks = (1u64 << width) - 1;
        let prepare = u64::from(width.next_power_of_two().ilog2());
        // The marks of each candidate, and about as many products to make a thermometer.
        let products = digits * lanes as u64 * (2 * marks - width as u64);
        (prepare + digits * rounds) * PRODUCTS_PER_ROUND + products
    };
    (1..=MAX_WIDTH).min_by_key(|&width| cost(width)).unwrap_or(1)
}
