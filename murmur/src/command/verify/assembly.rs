//! Values that are too long for their results, put together from their parts.

use std::collections::VecDeque;

use smc_core::result::{PartDocument, SignedResult};
use smc_core::value::Value;

use super::check::Refused;

/// How many long values may be incomplete at once: eight million elements, a quarter of a gigabyte.
const WAITING: usize = 8;

/// Long values whose results came last.
#[derive(Debug, Default)]
pub(super) struct Assembly(VecDeque<Pending>);

#[derive(Debug)]
struct Pending {
    signed: SignedResult,
    /// Empty once the value is complete.
    parts: Vec<Option<Vec<Value>>>,
}

/// A part that the peers signed for.
#[derive(Debug)]
pub(super) struct Part {
    /// The result that vouches for it.
    pub(super) signed: SignedResult,
    /// Which part.
    pub(super) number: u16,
    /// The whole value, if it was the last one that was missing.
    pub(super) whole: Option<Value>,
}

impl Assembly {
    /// Notes a result that was found good, so that parts may follow it.
    pub(super) fn expect(&mut self, signed: &SignedResult) {
        let Some(parts) = &signed.result.parts else { return };
        if self.0.iter().any(|pending| pending.signed.result == signed.result) {
            return;
        }
        if self.0.len() >= WAITING {
            self.0.pop_front();
        }
        let parts = vec![None; parts.count()];
        self.0.push_back(Pending { signed: signed.clone(), parts });
    }

    /// Takes in a part that was read from `payload`.
    ///
    /// # Errors
    /// If no result before it vouches for it.
    pub(super) fn take(&mut self, part: PartDocument, payload: &[u8]) -> Result<Part, Refused> {
        let number = part.part;
        let of = |pending: &&mut Pending| {
            let result = &pending.signed.result;
            (&result.query, result.window.index) == (&part.query, part.window)
        };
        let Some(pending) = self.0.iter_mut().find(of) else {
            return Err(Refused::NoResult { query: part.query, window: part.window, part: number });
        };
        if let Some(parts) = &pending.signed.result.parts {
            parts.admit(&part, payload)?;
        }
        if let Some(place) = pending.parts.get_mut(usize::from(number)) {
            *place = Some(part.elements);
        }
        Ok(Part { whole: pending.whole(), signed: pending.signed.clone(), number })
    }
}

impl Pending {
    /// The value, once: when its last part has come.
    fn whole(&mut self) -> Option<Value> {
        if self.parts.is_empty() || self.parts.iter().any(Option::is_none) {
            return None;
        }
        let parts = std::mem::take(&mut self.parts);
        Some(Value::List(parts.into_iter().flatten().flatten().collect()))
    }
}
