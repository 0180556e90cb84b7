//! Thresholds among the steps, exactly: also those that lie between two steps.

use super::Quantity;
use super::grid::power_of_ten;
use crate::decimal::Decimal;

/// The largest denominator that is computed with: times 2^32 readings it stays below 2^128.
const MAX_DENOMINATOR: u128 = 10_000_000_000_000_000_000_000_000_000;

/// (x - minimum) / resolution for an x within the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    numerator: u128,
    denominator: u128,
}

impl Quantity {
    /// Where `x` lies among the steps; none outside the limits, or if it has too many digits.
    pub(crate) fn place(&self, x: Decimal) -> Option<Place> {
        if x < self.minimum || x > self.maximum {
            return None;
        }
        // In units of 10^-common; as limits are at most 10^15, all is below 10^36.
        let common = self.grid.scale.max(x.scale());
        let up = power_of_ten(common - self.grid.scale);
        let x = x.mantissa() * power_of_ten(common - x.scale());
        let numerator = u128::try_from(x - self.grid.minimum * up).ok()?;
        let denominator = u128::try_from(self.grid.resolution * up).ok()?;
        let common = greatest_common_divisor(numerator, denominator);
        let place = Place { numerator: numerator / common, denominator: denominator / common };
        (place.denominator <= MAX_DENOMINATOR).then_some(place)
    }
}

impl Place {
    /// The greatest whole number that is at most `readings` times this place, for fewer than 2^32 readings.
    pub(crate) fn floor(self, readings: u64) -> u64 {
        let (whole, rest) = (self.numerator / self.denominator, self.numerator % self.denominator);
        let readings = u128::from(readings);
        (whole * readings + rest * readings / self.denominator) as u64
    }

    /// The least whole number that is at least this place.
    pub(crate) fn ceil(self) -> u64 {
        self.numerator.div_ceil(self.denominator) as u64
    }
}

pub(crate) fn greatest_common_divisor(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Period;

    #[test]
    fn thresholds_between_steps_are_not_rounded() {
        let temperature = Quantity::known("temperature", Period::from_millis(60_000).unwrap()).unwrap();
        let place = |x: &str| temperature.place(x.parse().unwrap());
        let steps = |x: &str| place(x).map(|place| (place.floor(1), place.ceil(), place.floor(1_000)));
        assert_eq!(steps("-40"), Some((0, 0, 0)));
        assert_eq!(steps("21.37"), Some((6_137, 6_137, 6_137_000)));
        assert_eq!(steps("21.3749"), Some((6_137, 6_138, 6_137_490)));
        assert_eq!(steps("21.3700000000000001"), Some((6_137, 6_138, 6_137_000)));
        assert_eq!(steps("85"), Some((12_500, 12_500, 12_500_000)));
        assert_eq!((place("85.01"), place("-40.0001")), (None, None));
    }
}
