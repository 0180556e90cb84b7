//! `quantile`: the smallest reading that at least q of all readings do not exceed: nearest rank, a real reading.

use std::sync::Arc;

use super::ranked::Ranked;
use super::{Entry, FunctionError};
use crate::decimal::Decimal;

pub(super) const ENTRY: Entry = Entry {
    name: "quantile",
    about: "the smallest reading that at least q of the readings do not exceed: a real one, not interpolated",
    parameters: "q = 0.9",
    reveals: "that reading; neither whose it is, nor how many have it, nor anything of the others",
    steps: "a descent from the most significant digit: do the candidates with at least this digit, and those known to be \
            greater, reach the rank? From the side where fewer readings lie",
    read: |parameters, _| {
        let quantile = parameters.q.take().ok_or_else(|| ENTRY.missing("q"))?;
        if quantile < Decimal::ZERO || quantile > Decimal::from(1) {
            let must = "choose 0 to 1, such as 0.9 for the reading that nine in ten do not exceed".to_owned();
            return Err(FunctionError::OutOfRange { parameter: "q", must });
        }
        Ok(Arc::new(Ranked { entry: &ENTRY, quantile }))
    },
};
