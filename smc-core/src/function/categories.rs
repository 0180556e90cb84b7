//! Readings as categories: each step of the quantity is one.

use super::{FunctionError, Subject};
use crate::arithmetic::{Arithmetic, Products, Shares, join, one_hot};
use crate::quantity::Quantity;

/// The widest quantity whose steps are categories.
const MAX_BITS: u32 = 10;

/// Refuses quantities with too many categories.
pub(super) fn check(subject: &Subject<'_>) -> Result<(), FunctionError> {
    let quantity = subject.quantity;
    if quantity.bits() <= MAX_BITS {
        return Ok(());
    }
    Err(FunctionError::OutOfRange {
        parameter: "quantity",
        must: format!(
            "`{}` has more than {} steps, too many to be categories; define a quantity with a coarser resolution",
            quantity.name(),
            1 << MAX_BITS
        ),
    })
}

/// How many categories there are.
pub(super) fn number(quantity: &Quantity) -> usize {
    // At most 2^32.
    quantity.place(quantity.maximum()).map_or(0, |place| place.ceil() as usize + 1)
}

/// How many readings are in each category.
///
/// The high and the low bits of every reading are marked one-hot; a category's readings have both marks, and the products
/// of these are added up before anything is sent.
pub(super) async fn counts(arithmetic: &Arithmetic, bits: &[Shares], categories: usize) -> Products {
    let lanes = bits.first().map_or(0, Shares::len);
    let (low, high) = bits.split_at(bits.len().div_ceil(2));
    let (low, high) = join(one_hot(arithmetic, low, lanes), one_hot(arithmetic, high, lanes)).await;
    let count = |high: &Shares| low.iter().map(|low| low.dot(high)).collect::<Vec<_>>();
    let counts: Vec<_> = high.iter().flat_map(count).take(categories).collect();
    Products::concat(&counts)
}

/// The products of [`counts`].
pub(super) fn products(quantity: &Quantity, readings: u64) -> u64 {
    let marks = 2u64 << quantity.bits().div_ceil(2);
    readings * (marks + (number(quantity) as u64).div_ceil(64))
}
