//! `count`: how many readings the cohort has.
//!
//! Steps: none beyond the agreement. Reveals: the number of readings, which every result states anyway.

use super::{Evidence, Opens};
use crate::decimal::Decimal;

pub(super) const NAME: &str = "count";
pub(super) const OPENS: Opens = Opens::Nothing;
pub(super) const UNIT: &str = "";

pub(super) fn evaluate(evidence: &Evidence<'_>) -> Option<Decimal> {
    Decimal::new(evidence.readings.into(), 0)
}
