//! `sum`: the sum of the cohort's readings, exact in steps of the quantity's resolution.
//!
//! Steps: each peer adds its shares; one opening. Reveals: the sum.

use super::{Evidence, Opens};
use crate::decimal::Decimal;

pub(super) const NAME: &str = "sum";
pub(super) const OPENS: Opens = Opens::Sum;

pub(super) fn evaluate(evidence: &Evidence<'_>) -> Option<Decimal> {
    Some(evidence.quantity.decode_sum(evidence.sum, evidence.readings))
}
