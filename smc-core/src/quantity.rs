//! What is measured: a unit, a range and a resolution, and how readings become whole numbers.
//!
//! A reading x is shared as v = round((x - minimum) / resolution), 0 <= v < 2^k. All arithmetic is exact.

mod document;
mod grid;
mod place;
mod reading;

use sha2::{Digest, Sha256};

pub use document::QuantityDocument;
pub(crate) use document::{is_single, single};
pub use grid::MAX_QUANTITY_SCALE;
pub use reading::RefusedReading;

use self::grid::Grid;
pub(crate) use self::place::{Place, greatest_common_divisor};
pub(crate) use self::reading::divide_half_to_even;
use crate::decimal::Decimal;
use crate::field::Fp;
use crate::name::QuantityName;
use crate::shamir::MAX_BITS;
use crate::time::Period;

/// The most elements of one reading.
pub const MAX_ELEMENTS: u32 = 1_000_000;
/// The longest unit, in bytes.
pub const MAX_UNIT: usize = 32;
/// Name, unit, minimum, maximum and resolution of the quantities that are known without configuration.
const CATALOGUE: [(&str, &str, &str, &str, &str); 7] = [
    ("co2", "ppm", "0", "10000", "1"),
    ("humidity", "%", "0", "100", "0.01"),
    ("illuminance", "lx", "0", "100000", "1"),
    ("motion", "", "0", "1", "1"),
    ("occupancy", "people", "0", "1000", "1"),
    ("power", "W", "0", "100000", "1"),
    ("temperature", "°C", "-40", "85", "0.01"),
];

/// What is measured, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Quantity {
    name: QuantityName,
    unit: String,
    minimum: Decimal,
    maximum: Decimal,
    resolution: Decimal,
    elements: u32,
    period: Period,
    grid: Grid,
}

/// Why a quantity can not be measured as described.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// A reading would have no elements, or too many.
    #[error(
        "quantity {name}: elements = {elements}: a reading has 1 to {MAX_ELEMENTS} elements; leave `elements` out for a \
         single number"
    )]
    Elements {
        /// The quantity.
        name: QuantityName,
        /// How many it should have.
        elements: u32,
    },
    /// The range is empty.
    #[error("quantity {name}: the minimum {minimum} must be below the maximum {maximum}")]
    EmptyRange {
        /// The quantity.
        name: QuantityName,
        /// Its minimum.
        minimum: Decimal,
        /// Its maximum.
        maximum: Decimal,
    },
    /// The resolution is zero or negative.
    #[error("quantity {name}: the resolution {resolution} must be above zero")]
    ResolutionNotPositive {
        /// The quantity.
        name: QuantityName,
        /// Its resolution.
        resolution: Decimal,
    },
    /// The limits lie between two steps.
    #[error(
        "quantity {name}: from {minimum} to {maximum} is no whole number of steps of {resolution}: \
         move a limit onto a step"
    )]
    StepsNotWhole {
        /// The quantity.
        name: QuantityName,
        /// Its minimum.
        minimum: Decimal,
        /// Its maximum.
        maximum: Decimal,
        /// Its resolution.
        resolution: Decimal,
    },
    /// A limit or the resolution has more digits than are computed with.
    #[error(
        "quantity {0}: a limit or the resolution has too many digits: use at most 15 in all, 9 after the point"
    )]
    TooManyDigits(QuantityName),
    /// There are more steps than 32 bits can tell apart.
    #[error(
        "quantity {name}: {steps} steps are more than {MAX_BITS} bits can tell apart: use a coarser resolution"
    )]
    TooManySteps {
        /// The quantity.
        name: QuantityName,
        /// The number of steps between its limits.
        steps: i128,
    },
    /// The unit is too long or has a control character.
    #[error("quantity {0}: a unit has at most {MAX_UNIT} bytes and no control characters")]
    Unit(QuantityName),
}

impl Quantity {
    /// The quantity that a document describes.
    ///
    /// # Errors
    /// [`QuantityError`] names the quantity and what to change.
    pub fn new(document: QuantityDocument) -> Result<Self, QuantityError> {
        let QuantityDocument { name, unit, minimum, maximum, resolution, elements, period } = document;
        if unit.len() > MAX_UNIT || unit.chars().any(char::is_control) {
            return Err(QuantityError::Unit(name));
        }
        if resolution <= Decimal::ZERO {
            return Err(QuantityError::ResolutionNotPositive { name, resolution });
        }
        if minimum >= maximum {
            return Err(QuantityError::EmptyRange { name, minimum, maximum });
        }
        if !(1..=MAX_ELEMENTS).contains(&elements) {
            return Err(QuantityError::Elements { name, elements });
        }
        let grid = Grid::new(&name, minimum, maximum, resolution)?;
        Ok(Self { name, unit, minimum, maximum, resolution, elements, period, grid })
    }

    /// The built-in quantity of this name: `co2`, `humidity`, `illuminance`, `motion`, `occupancy`, `power` or
    /// `temperature`; none for another name.
    pub fn known(name: &str, period: Period) -> Option<Self> {
        let &(name, unit, minimum, maximum, resolution) = CATALOGUE.iter().find(|entry| entry.0 == name)?;
        let document = QuantityDocument {
            name: name.parse().ok()?,
            unit: unit.to_owned(),
            minimum: minimum.parse().ok()?,
            maximum: maximum.parse().ok()?,
            resolution: resolution.parse().ok()?,
            elements: 1,
            period,
        };
        Self::new(document).ok()
    }

    /// The names of the built-in quantities, ascending.
    pub fn known_names() -> impl Iterator<Item = &'static str> {
        CATALOGUE.iter().map(|entry| entry.0)
    }

    /// Its name.
    pub fn name(&self) -> &QuantityName {
        &self.name
    }

    /// Its unit; empty if it has none.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// The least reading.
    pub fn minimum(&self) -> Decimal {
        self.minimum
    }

    /// The greatest reading.
    pub fn maximum(&self) -> Decimal {
        self.maximum
    }

    /// The difference between two neighbouring readings.
    pub fn resolution(&self) -> Decimal {
        self.resolution
    }

    /// How many elements a reading has, each a number of its own on the grid: 1, or M for a vector.
    pub fn elements(&self) -> u32 {
        self.elements
    }

    /// Whether a reading is a vector.
    pub fn is_vector(&self) -> bool {
        self.elements > 1
    }

    /// The length of its windows: every agent gives one reading per period.
    pub fn period(&self) -> Period {
        self.period
    }

    /// How many bits k each element of a reading is shared with, 1..=32: the least with (maximum - minimum) / resolution < 2^k.
    pub fn bits(&self) -> u32 {
        u64::BITS - self.grid.steps.leading_zeros()
    }

    /// The most readings that can be added up: the greatest count with count * 2^k < p.
    pub fn max_readings(&self) -> u64 {
        (Fp::P - 1) >> self.bits()
    }

    /// SHA-256 of the whole definition. Shares are bound to it, so that agents and peers that were configured
    /// differently refuse each other instead of adding up different things.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let numbers = [self.minimum, self.maximum, self.resolution].map(|number| number.to_string());
        let texts = ["murmuration quantity v1", self.name.as_str(), &self.unit];
        for text in texts.into_iter().chain(numbers.iter().map(String::as_str)) {
            // Each length before its text, so that no two definitions are the same bytes.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.update(self.period.as_millis().to_be_bytes());
        // A single number leaves it out, as it was before there were vectors.
        if self.is_vector() {
            hash.update(u64::from(self.elements).to_be_bytes());
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute() -> Period {
        Period::from_millis(60_000).unwrap()
    }

    fn quantity(minimum: &str, maximum: &str, resolution: &str) -> Result<Quantity, QuantityError> {
        Quantity::new(QuantityDocument {
            name: "x".parse().unwrap(),
            unit: "m".to_owned(),
            minimum: minimum.parse().unwrap(),
            maximum: maximum.parse().unwrap(),
            resolution: resolution.parse().unwrap(),
            elements: 1,
            period: minute(),
        })
    }

    #[test]
    fn the_catalogue_is_valid() {
        let bits: Vec<(&str, u32)> = Quantity::known_names()
            .map(|name| (name, Quantity::known(name, minute()).unwrap().bits()))
            .collect();
        let expected = [
            ("co2", 14),
            ("humidity", 14),
            ("illuminance", 17),
            ("motion", 1),
            ("occupancy", 10),
            ("power", 17),
            ("temperature", 14),
        ];
        assert_eq!(bits, expected);
        assert_eq!(Quantity::known("noise", minute()), None);
    }

    #[test]
    fn bits_and_room_follow_from_the_steps() {
        for (maximum, bits) in [("1", 1), ("2", 2), ("3", 2), ("4", 3), ("4294967295", 32)] {
            let quantity = quantity("0", maximum, "1").unwrap();
            assert_eq!(quantity.bits(), bits, "{maximum}");
            let most = u128::from(quantity.max_readings());
            assert!(most << bits < u128::from(Fp::P) && (most + 1) << bits >= u128::from(Fp::P));
        }
    }

    #[test]
    fn what_can_not_be_measured_is_refused_with_the_remedy() {
        let error = |min: &str, max: &str, res: &str| quantity(min, max, res).unwrap_err();
        assert!(matches!(error("1", "1", "1"), QuantityError::EmptyRange { .. }));
        assert!(matches!(error("0", "1", "0"), QuantityError::ResolutionNotPositive { .. }));
        assert!(matches!(error("0", "1", "-0.1"), QuantityError::ResolutionNotPositive { .. }));
        assert!(matches!(error("0", "4294967296", "1"), QuantityError::TooManySteps { .. }));
        assert!(matches!(error("0", "1", "0.0000000001"), QuantityError::TooManyDigits(_)));
        assert!(matches!(error("0", "10000000000000000", "10000000"), QuantityError::TooManyDigits(_)));
        assert_eq!(
            error("0", "100", "0.3").to_string(),
            "quantity x: from 0 to 100 is no whole number of steps of 0.3: move a limit onto a step"
        );
    }

    #[test]
    fn every_field_changes_the_digest() {
        let document = || QuantityDocument::from(Quantity::known("co2", minute()).unwrap());
        let digest = |change: fn(&mut QuantityDocument)| {
            let mut changed = document();
            change(&mut changed);
            Quantity::new(changed).unwrap().digest()
        };
        let digests = [
            digest(|_| {}),
            digest(|d| d.name = "co".parse().unwrap()),
            digest(|d| d.unit = "2ppm".to_owned()),
            digest(|d| d.minimum = Decimal::from(1)),
            digest(|d| d.maximum = Decimal::from(9_999)),
            digest(|d| d.resolution = Decimal::from(2)),
            digest(|d| d.period = Period::from_millis(1_000).unwrap()),
            digest(|d| d.elements = 2),
            digest(|d| d.elements = 3),
        ];
        for (i, a) in digests.iter().enumerate() {
            assert!(digests[i + 1..].iter().all(|b| a != b), "{i}");
        }
        assert_eq!(digests[0], digest(|d| d.maximum = "10000.0".parse().unwrap()));
    }
}
