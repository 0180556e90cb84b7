//! Into which digits a descent cuts the bits of the readings.

use super::Shares;

/// How many products take as long as one round: a round is a few messages through a broker.
pub(super) const PRODUCTS_PER_ROUND: u64 = 4_000;
/// The widest digit.
const MAX_WIDTH: usize = 4;

/// What a digit costs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Price {
    /// Rounds, one digit after the other.
    pub(super) rounds: u64,
    /// Products.
    pub(super) products: u64,
}

/// The digits' width that costs least for so many bits, when a digit with so many marks, 2^w - 1, costs `price`.
pub(super) fn best_width(bits: usize, price: impl Fn(u64) -> Price) -> usize {
    let cost = |&width: &usize| {
        let Price { rounds, products } = price((1 << width) - 1);
        let thermometer = u64::from(width.next_power_of_two().ilog2());
        let digits = bits.div_ceil(width) as u64;
        (thermometer + digits * rounds) * PRODUCTS_PER_ROUND + digits * products
    };
    (1..=MAX_WIDTH).min_by_key(cost).unwrap_or(1)
}

/// How many products all digits take together.
pub(super) fn total(bits: usize, price: impl Fn(u64) -> Price) -> u64 {
    let width = best_width(bits, &price);
    bits.div_ceil(width) as u64 * price((1 << width) - 1).products
}

/// The bits, the least significant first, as digits of that width, the most significant first and maybe with fewer bits
/// than the others.
pub(super) fn cut(bits: &[Shares], price: impl Fn(u64) -> Price) -> impl Iterator<Item = &[Shares]> {
    bits.chunks(best_width(bits.len(), price)).rev()
}
