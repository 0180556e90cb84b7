//! `median`: the quantile 0.5, of an even number of readings the lower of the two in the middle.

use std::sync::Arc;

use super::Entry;
use super::ranked::Ranked;
use crate::decimal::Decimal;

pub(super) const ENTRY: Entry = Entry {
    name: "median",
    about: "the reading in the middle, the lower one of two",
    parameters: "",
    reveals: "that reading; neither whose it is, nor how many have it, nor anything of the others",
    steps: "those of `quantile` with q = 0.5",
    read: |_, _| Ok(Arc::new(Ranked { entry: &ENTRY, quantile: Decimal::stripped(5, 1) })),
};
