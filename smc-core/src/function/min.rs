//! `min`: the least reading.

use std::sync::Arc;

use super::Entry;
use super::ranked::Ranked;
use crate::decimal::Decimal;

pub(super) const ENTRY: Entry = Entry {
    name: "min",
    about: "the least reading",
    parameters: "",
    reveals: "the least reading; neither whose it is nor how many have it",
    steps: "those of `max`, on digits upside down",
    read: |_, _| Ok(Arc::new(Ranked { entry: &ENTRY, quantile: Decimal::ZERO })),
};
