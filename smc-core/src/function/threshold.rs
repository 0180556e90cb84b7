//! Thresholds: parameters that readings are compared with.

use super::{Entry, FunctionError, Subject};
use crate::decimal::Decimal;
use crate::quantity::Place;

/// The step that a reading must be above to be above `x`, for an x that some reading can be above and some not.
pub(super) fn above(
    entry: &Entry,
    above: &mut Option<Decimal>,
    subject: &Subject<'_>,
) -> Result<Place, FunctionError> {
    let x = above.take().ok_or_else(|| entry.missing("above"))?;
    let (min, max) = (subject.quantity.minimum(), subject.quantity.maximum());
    subject.quantity.place(x).filter(|_| x < max).ok_or_else(|| FunctionError::OutOfRange {
        parameter: "above",
        must: format!(
            "choose {min} to below {max} with few digits, where the answer is not known beforehand"
        ),
    })
}

/// The step that a reading must not be above to be below `x`, for an x that some reading can be below and some not.
pub(super) fn below(
    parameter: &'static str,
    x: Decimal,
    subject: &Subject<'_>,
) -> Result<u64, FunctionError> {
    let (min, max) = (subject.quantity.minimum(), subject.quantity.maximum());
    let place = subject.quantity.place(x).filter(|_| x > min);
    // Above the minimum the next step is at least the first.
    place.map(|place| place.ceil() - 1).ok_or_else(|| FunctionError::OutOfRange {
        parameter,
        must: format!(
            "choose above {min} to {max} with few digits, where the answer is not known beforehand"
        ),
    })
}
