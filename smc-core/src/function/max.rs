//! `max`: the greatest reading.

use std::sync::Arc;

use super::Entry;
use super::ranked::Ranked;
use crate::decimal::Decimal;

pub(super) const ENTRY: Entry = Entry {
    name: "max",
    about: "the greatest reading",
    parameters: "",
    reveals: "the greatest reading; neither whose it is nor how many have it",
    steps: "a descent from the most significant digit: is there a candidate with at least this digit?",
    read: |_, _| Ok(Arc::new(Ranked { entry: &ENTRY, quantile: Decimal::from(1) })),
};
