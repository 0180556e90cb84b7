//! Second moments: what variances, covariances and lines are made of. All of them are sums of products, which are opened
//! without being reduced first.

use super::{FunctionError, Subject};
use crate::arithmetic::{Products, Shares};
use crate::field::Fp;
use crate::quantity::Quantity;

/// The largest resolution without its point: more digits would not fit into the numbers that the value is made of.
const MAX_RESOLUTION: i128 = 10_000_000;

/// N sum x y - sum x sum y over all lanes: N^2 times the covariance.
pub(super) fn co_spread(x: &Shares, y: &Shares) -> Products {
    let sums = x.sum().times(&y.sum());
    x.dot(y).times_public(Fp::reduce(x.len() as u64)).minus(&sums)
}

/// N sum x^2 - (sum x)^2: N^2 times the variance.
pub(super) fn spread(x: &Shares) -> Products {
    co_spread(x, x)
}

/// The largest magnitude of [`co_spread`]: half of the readings at either end.
pub(super) fn largest(x: &Quantity, y: &Quantity, readings: u64) -> u128 {
    let steps = |quantity: &Quantity| (1u128 << quantity.bits()) - 1;
    // Up to 2^128 for 2^32 readings of 32 bits.
    let pairs = u128::from(readings).pow(2).div_ceil(4);
    pairs.saturating_mul(steps(x) * steps(y))
}

/// Products that a peer computes by itself, a few per reading.
pub(super) fn products(readings: u64) -> u64 {
    readings / 8 + 8
}

/// A number that may be negative: what is above p/2 is.
pub(super) fn signed(element: Fp) -> i128 {
    let value = i128::from(element.to_u64());
    if value > i128::from(Fp::P / 2) { value - i128::from(Fp::P) } else { value }
}

/// Refuses quantities whose resolution has too many digits.
pub(super) fn coarse(quantities: &[&Quantity]) -> Result<(), FunctionError> {
    let fine = |quantity: &&&Quantity| quantity.resolution().mantissa() > MAX_RESOLUTION;
    match quantities.iter().find(fine) {
        None => Ok(()),
        Some(quantity) => Err(FunctionError::OutOfRange {
            parameter: "quantity",
            must: format!(
                "the resolution of `{}` has more than 7 digits; use one with fewer",
                quantity.name()
            ),
        }),
    }
}

/// The second quantity, which a query names as `with`.
pub(super) fn second<'a>(
    entry: &super::Entry,
    parameters: &mut super::Parameters,
    subject: &Subject<'a>,
) -> Result<&'a Quantity, FunctionError> {
    parameters.with.take().and(subject.with).ok_or_else(|| entry.missing("with"))
}
