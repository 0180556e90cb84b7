//! `count_below`: how many readings are below a threshold.

use std::sync::Arc;

use super::count_above::CountBeyond;
use super::{Entry, threshold};

pub(super) const ENTRY: Entry = Entry {
    name: "count_below",
    about: "how many readings are below a threshold; one that equals it is not",
    parameters: "below = 19.5",
    reveals: "that number",
    steps: "those of `count_above`, subtracted from the number of readings",
    read: |parameters, subject| {
        let x = parameters.below.take().ok_or_else(|| ENTRY.missing("below"))?;
        let step = threshold::below("below", x, subject)?;
        Ok(Arc::new(CountBeyond { entry: &ENTRY, step, below: true }))
    },
};
