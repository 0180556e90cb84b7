//! Whether shared numbers are zero, and nothing else about them.

use super::{Arithmetic, Shares};
use crate::field::Fp;

impl Arithmetic {
    /// Opens of each number whether it is zero: r times it for a random r is zero or uniformly random. One round. A
    /// number that is not zero is taken for zero when r is: once in 2^61 times.
    pub(crate) async fn are_zero(&self, numbers: &Shares) -> Vec<bool> {
        let masks = self.random(numbers.len());
        let opened = self.open_products(masks.times(numbers)).await;
        opened.into_iter().map(|value| value == Fp::ZERO).collect()
    }
}
