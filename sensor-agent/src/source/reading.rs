//! What a source measured.

use std::fmt;

use smc_core::agent::GapReason;
use smc_core::quantity::MAX_ELEMENTS;
use zeroize::{Zeroize, Zeroizing};

/// What one source measured: a finite number, or a vector of them, in the unit of the stream's quantity. Wiped when
/// dropped and never printed.
#[derive(Clone, PartialEq)]
pub struct Reading(Kind);

#[derive(Clone, PartialEq)]
enum Kind {
    Number(f64),
    Vector(Vec<f64>),
}

impl Reading {
    /// The reading `value`; `None` if it is infinite or not a number.
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(Kind::Number(value)))
    }

    /// The reading of a vector stream.
    ///
    /// # Errors
    /// [`GapReason::WrongLength`] of more elements than any vector has; else the first reason why an element is
    /// missing.
    pub fn vector(elements: impl IntoIterator<Item = Result<f64, GapReason>>) -> Result<Self, GapReason> {
        let elements = elements.into_iter();
        // With room for all that are announced, so that few stay behind in memory that was outgrown.
        let room = elements.size_hint().0.min(MAX_ELEMENTS as usize);
        let mut vector = Zeroizing::new(Vec::with_capacity(room));
        for element in elements {
            if vector.len() == MAX_ELEMENTS as usize {
                return Err(GapReason::WrongLength);
            }
            vector.push(element?);
        }
        if vector.iter().all(|element: &f64| element.is_finite()) {
            Ok(Self(Kind::Vector(std::mem::take(&mut vector))))
        } else {
            Err(GapReason::NotANumber)
        }
    }

    /// Whether it is a vector, of however many elements.
    pub fn is_vector(&self) -> bool {
        matches!(self.0, Kind::Vector(_))
    }

    /// The number itself, or all elements of the vector. Never to be logged.
    pub fn reveal(&self) -> &[f64] {
        match &self.0 {
            Kind::Number(number) => std::slice::from_ref(number),
            Kind::Vector(elements) => elements,
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        match &mut self.0 {
            Kind::Number(number) => number.zeroize(),
            Kind::Vector(elements) => elements.zeroize(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_finite_and_never_printed() {
        assert_eq!(Reading::new(f64::NAN), None);
        assert_eq!(Reading::new(f64::NEG_INFINITY), None);
        assert_eq!(format!("{:?}", Reading::new(612.5).unwrap()), "<redacted>");
        let vector = Reading::vector([Ok(612.0), Ok(613.0)]).unwrap();
        assert_eq!(format!("{vector:?}"), "<redacted>");
        assert_eq!((vector.is_vector(), vector.reveal()), (true, &[612.0, 613.0][..]));
    }

    #[test]
    fn a_vector_is_whole_and_bounded() {
        assert_eq!(Reading::vector([Ok(1.0), Err(GapReason::Missing)]), Err(GapReason::Missing));
        assert_eq!(Reading::vector([Ok(1.0), Ok(f64::INFINITY)]), Err(GapReason::NotANumber));
        let million = std::iter::repeat_n(Ok(0.0), MAX_ELEMENTS as usize);
        assert_eq!(Reading::vector(million.clone()).unwrap().reveal().len(), 1_000_000);
        assert_eq!(Reading::vector(million.chain([Ok(0.0)])), Err(GapReason::WrongLength));
    }
}
