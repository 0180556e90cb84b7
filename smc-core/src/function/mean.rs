//! `mean`: the arithmetic mean, two decimal digits finer than the quantity's resolution.
//!
//! Steps: those of `sum`. Reveals: the sum, since the number of readings is public.

use super::{Evidence, Opens};
use crate::decimal::Decimal;

pub(super) const NAME: &str = "mean";
pub(super) const OPENS: Opens = Opens::Sum;

pub(super) fn evaluate(evidence: &Evidence<'_>) -> Option<Decimal> {
    evidence.quantity.decode_mean(evidence.sum, evidence.readings)
}
