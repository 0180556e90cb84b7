//! From readings to whole numbers and from their sums back.

use super::Quantity;
use super::grid::power_of_ten;
use crate::decimal::Decimal;

/// Why a reading is not shared. It counts as a gap; it is never bent into the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum RefusedReading {
    /// It is above the quantity's maximum.
    #[error("above the maximum")]
    AboveMaximum,
    /// It is below the quantity's minimum.
    #[error("below the minimum")]
    BelowMinimum,
    /// It is not a number.
    #[error("not a number")]
    NotANumber,
}

impl Quantity {
    /// The whole number v = round((x - minimum) / resolution), halves upwards, that a reading is shared as;
    /// v < 2^[`bits`](Quantity::bits). The reading counts as the decimal that it prints as.
    ///
    /// # Errors
    /// [`RefusedReading`] for a reading outside the range, however little, or NaN.
    pub fn encode(&self, x: f64) -> Result<u64, RefusedReading> {
        if x.is_nan() {
            return Err(RefusedReading::NotANumber);
        }
        // What can't be a decimal here is infinite or beyond 10^18, and every limit is at most 10^15.
        let Ok(exact) = Decimal::from_f64(x) else {
            return Err(if x > 0.0 { RefusedReading::AboveMaximum } else { RefusedReading::BelowMinimum });
        };
        // A tiny number that was cut to zero is still outside a range that begins or ends at zero.
        if exact > self.maximum || (exact == self.maximum && exact == Decimal::ZERO && x > 0.0) {
            return Err(RefusedReading::AboveMaximum);
        }
        if exact < self.minimum || (exact == self.minimum && exact == Decimal::ZERO && x < 0.0) {
            return Err(RefusedReading::BelowMinimum);
        }
        Ok(self.grid.nearest_step(exact))
    }

    /// The reading that `v` stands for: minimum + v * resolution.
    pub fn decode(&self, v: u64) -> Decimal {
        self.decode_sum(v, 1)
    }

    /// The reading that `v` stands for; none if there is none.
    pub fn reading_at(&self, v: u64) -> Option<Decimal> {
        (v <= self.grid.steps).then(|| self.decode(v))
    }

    /// Minimum and resolution as whole numbers, in units of 10^-[`grid_scale`](Self::grid_scale).
    pub(crate) fn grid_numbers(&self) -> [i128; 2] {
        [self.grid.minimum, self.grid.resolution]
    }

    /// How many digits after the point minimum, maximum and resolution need.
    pub(crate) fn grid_scale(&self) -> u8 {
        self.grid.scale
    }

    /// The difference of two readings that are `v` steps apart.
    pub(crate) fn decode_difference(&self, v: u64) -> Decimal {
        self.decode_sum(v, 0)
    }

    /// The sum of `count` readings whose whole numbers add up to `v_sum`, exactly:
    /// v_sum * resolution + count * minimum.
    pub fn decode_sum(&self, v_sum: u64, count: u64) -> Decimal {
        Decimal::stripped(self.grid.sum(v_sum, count), self.grid.scale)
    }

    /// The mean of `count` readings whose whole numbers add up to `v_sum`, rounded half to even two decimal
    /// digits finer than the resolution; none of no readings.
    pub fn decode_mean(&self, v_sum: u64, count: u64) -> Option<Decimal> {
        let digits = self.resolution.scale() + 2;
        // mean = sum / (count 10^scale) = mantissa / 10^digits. The sum is below 2^64 (2 * 10^15) < 10^35 in
        // magnitude. `more` is at most 2, as the grid is no coarser than the resolution, and `less` at most 7:
        // i128 holds either product.
        let (more, less) = (digits.saturating_sub(self.grid.scale), self.grid.scale.saturating_sub(digits));
        let numerator = self.grid.sum(v_sum, count) * power_of_ten(more);
        let mantissa = divide_half_to_even(numerator, i128::from(count) * power_of_ten(less))?;
        Some(Decimal::stripped(mantissa, digits))
    }
}

/// The whole number nearest to `numerator / denominator`, the even one of two; none unless denominator > 0.
pub(crate) fn divide_half_to_even(numerator: i128, denominator: i128) -> Option<i128> {
    let floor = numerator.checked_div_euclid(denominator)?;
    let twice_rest = 2 * numerator.rem_euclid(denominator);
    let up = twice_rest > denominator || (twice_rest == denominator && floor % 2 != 0);
    Some(floor + i128::from(up))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Period;

    fn known(name: &str) -> Quantity {
        Quantity::known(name, Period::from_millis(60_000).unwrap()).unwrap()
    }

    #[test]
    fn readings_become_steps() {
        let temperature = known("temperature");
        assert_eq!(temperature.encode(-40.0), Ok(0));
        assert_eq!(temperature.encode(85.0), Ok(12_500));
        assert_eq!(temperature.encode(21.37), Ok(6_137));
        assert_eq!(temperature.encode(22.075), Ok(6_208));
        assert_eq!(temperature.encode(22.074_999_999), Ok(6_207));
        assert_eq!(temperature.encode(1e-300), Ok(4_000));
        assert_eq!(temperature.decode(6_137).to_string(), "21.37");
    }

    #[test]
    fn readings_outside_the_range_are_refused_even_if_rounding_would_save_them() {
        let temperature = known("temperature");
        for (x, reason) in [
            (85.000_1, RefusedReading::AboveMaximum),
            (85.000_000_000_000_01, RefusedReading::AboveMaximum),
            (579.27, RefusedReading::AboveMaximum),
            (f64::INFINITY, RefusedReading::AboveMaximum),
            (1e300, RefusedReading::AboveMaximum),
            (-40.000_1, RefusedReading::BelowMinimum),
            (f64::NEG_INFINITY, RefusedReading::BelowMinimum),
            (f64::NAN, RefusedReading::NotANumber),
        ] {
            assert_eq!(temperature.encode(x), Err(reason), "{x}");
        }
        assert_eq!(known("co2").encode(-1e-300), Err(RefusedReading::BelowMinimum));
        assert_eq!(known("co2").encode(-0.0), Ok(0));
        assert_eq!(known("motion").encode(34_456.0), Err(RefusedReading::AboveMaximum));
    }

    #[test]
    fn sums_are_exact_and_means_have_two_more_digits() {
        let temperature = known("temperature");
        let v: u64 = [21.37, -3.5, 20.0].into_iter().map(|x| temperature.encode(x).unwrap()).sum();
        assert_eq!(temperature.decode_sum(v, 3).to_string(), "37.87");
        assert_eq!(temperature.decode_mean(v, 3).unwrap().to_string(), "12.6233");
        assert_eq!(temperature.decode_mean(v, 0), None);
        assert_eq!(known("co2").decode_mean(1_201, 3).unwrap().to_string(), "400.33");
        assert_eq!(known("co2").decode_sum(0, 0), Decimal::ZERO);
    }

    #[test]
    fn halves_round_to_even() {
        let co2 = known("co2");
        assert_eq!(co2.decode_mean(1, 200).unwrap().to_string(), "0");
        assert_eq!(co2.decode_mean(3, 200).unwrap().to_string(), "0.02");
        assert_eq!(divide_half_to_even(-5, 2), Some(-2));
        assert_eq!(divide_half_to_even(-3, 2), Some(-2));
        assert_eq!(divide_half_to_even(-7, 4), Some(-2));
        assert_eq!(divide_half_to_even(7, 0), None);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut document = super::super::QuantityDocument::from(known("co2"));
        document.minimum = "-999999.999999999".parse().unwrap();
        document.maximum = "999999.999999999".parse().unwrap();
        document.resolution = "0.000666666".parse().unwrap();
        let maximum = document.minimum.mantissa() + 666_666 * 2_999_999_000;
        document.maximum = Decimal::new(maximum, 9).unwrap();
        let wide = Quantity::new(document).unwrap();
        assert_eq!(wide.bits(), 32);
        assert_eq!(wide.encode(wide.maximum().to_f64()), Ok(2_999_999_000));
        let sum = i128::from(u64::MAX) * (666_666 - 999_999_999_999_999);
        assert_eq!(wide.decode_sum(u64::MAX, u64::MAX), Decimal::new(sum, 9).unwrap());
        assert!(wide.decode_mean(u64::MAX, 1).is_some());
        assert!(wide.decode_mean(u64::MAX, u64::MAX).is_some());
    }
}
