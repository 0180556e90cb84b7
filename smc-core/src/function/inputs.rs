//! One peer's shares of the readings, as a function takes them.

use crate::arithmetic::Shares;
use crate::field::Fp;

/// How a function takes the readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Bit by bit: k columns with one lane per reading.
    Bits,
    /// Nothing of them.
    Nothing,
    /// Added up: one lane, or one per element of a vector.
    Sum,
}

/// One peer's shares.
#[derive(Debug)]
pub struct Inputs {
    /// As the function [`reads`](super::Function::reads) them: the columns of bits, the least significant first; or the
    /// sum, as one column.
    pub columns: Vec<Shares>,
    /// The columns of bits of the second quantity, in functions of two: lane for lane of the same agents.
    pub with: Vec<Shares>,
    /// How many readings there are, at least one.
    pub readings: u64,
    /// The lane of the agent whose own reading is asked about.
    pub own: Option<usize>,
}

impl Inputs {
    /// No readings.
    pub(super) fn none() -> Self {
        Self { columns: Vec::new(), with: Vec::new(), readings: 0, own: None }
    }

    /// The readings v = sum 2^i b_i (2.2).
    pub fn values(&self) -> Shares {
        recompose(&self.columns)
    }

    /// The readings of the second quantity.
    pub fn with_values(&self) -> Shares {
        recompose(&self.with)
    }
}

fn recompose(columns: &[Shares]) -> Shares {
    let lanes = columns.first().map_or(0, Shares::len);
    let double_and_add = |sum: Shares, bit: &Shares| sum.times_public(Fp::from(2)).plus(bit);
    columns.iter().rev().fold(Shares::zeros(lanes), double_and_add)
}
