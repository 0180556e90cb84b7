//! From what a sensor says to whole numbers of steps.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::GapReason;
use crate::protocol::input::Steps;
use crate::quantity::Quantity;

/// The steps of a single number.
pub(super) fn number(quantity: &Quantity, value: f64) -> Result<Steps, GapReason> {
    if quantity.is_vector() {
        return Err(GapReason::WrongType);
    }
    element(quantity, value).map(Steps::One)
}

/// The steps of a vector, if every element has some.
pub(super) fn vector(quantity: &Quantity, values: &[f64]) -> Result<Steps, GapReason> {
    if !quantity.is_vector() {
        return Err(GapReason::WrongType);
    }
    if values.len() != quantity.elements() as usize {
        return Err(GapReason::WrongLength);
    }
    // With room for all, so that no element stays behind in memory that was outgrown.
    let mut steps = Zeroizing::new(Vec::with_capacity(values.len()));
    for &value in values {
        steps.push(element(quantity, value)?);
    }
    Ok(Steps::Many(Arc::new(steps)))
}

/// v < 2^32, for no quantity has more steps.
fn element(quantity: &Quantity, value: f64) -> Result<u32, GapReason> {
    quantity.encode(value).map(|v| v as u32).map_err(GapReason::from)
}
