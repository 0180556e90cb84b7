//! The steps of a quantity in whole numbers.

use super::QuantityError;
use crate::decimal::Decimal;
use crate::name::QuantityName;
use crate::shamir::MAX_BITS;

/// The most digits after the point of a limit or resolution.
pub const MAX_QUANTITY_SCALE: u8 = 9;
/// The largest multiple of the smallest decimal digit in use that a limit or resolution may be.
const MAX_MANTISSA: i128 = 1_000_000_000_000_000;

/// Minimum and resolution as multiples of 10^-scale, and the number of steps between the limits.
// Invariant: |minimum| <= MAX_MANTISSA, 0 < resolution <= MAX_MANTISSA, scale <= MAX_QUANTITY_SCALE,
// 1 <= steps < 2^MAX_BITS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Grid {
    pub(super) minimum: i128,
    pub(super) resolution: i128,
    pub(super) scale: u8,
    pub(super) steps: u64,
}

impl Grid {
    pub(super) fn new(
        name: &QuantityName,
        min: Decimal,
        max: Decimal,
        resolution: Decimal,
    ) -> Result<Self, QuantityError> {
        let scale = min.scale().max(max.scale()).max(resolution.scale());
        let too_many_digits = || QuantityError::TooManyDigits(name.clone());
        let bounded = |number: Decimal| {
            number.mantissa_at(scale).filter(|m| m.unsigned_abs() <= MAX_MANTISSA.unsigned_abs())
        };
        let on_grid = |number| bounded(number).ok_or_else(too_many_digits);
        if scale > MAX_QUANTITY_SCALE {
            return Err(too_many_digits());
        }
        let (minimum, maximum, step) = (on_grid(min)?, on_grid(max)?, on_grid(resolution)?);
        if (maximum - minimum) % step != 0 {
            let name = name.clone();
            return Err(QuantityError::StepsNotWhole { name, minimum: min, maximum: max, resolution });
        }
        let steps = (maximum - minimum) / step;
        match u64::try_from(steps) {
            Ok(steps) if steps >> MAX_BITS == 0 => Ok(Self { minimum, resolution: step, scale, steps }),
            _ => Err(QuantityError::TooManySteps { name: name.clone(), steps }),
        }
    }

    /// round((x - minimum) / resolution), halves upwards, for an x within the limits.
    pub(super) fn nearest_step(&self, x: Decimal) -> u64 {
        // In units of 10^-common. Of x at most 17 significant digits are nonzero and at most 20 follow the
        // point; limits are at most 10^15: every number here is below 4 * 10^35.
        let common = self.scale.max(x.scale());
        let up = power_of_ten(common - self.scale);
        let x = x.mantissa() * power_of_ten(common - x.scale());
        let (distance, step) = (x - self.minimum * up, self.resolution * up);
        // 0 <= distance <= steps * step, hence 0 <= nearest <= steps < 2^32.
        ((2 * distance + step) / (2 * step)) as u64
    }

    /// v_sum * resolution + count * minimum in units of 10^-scale: at most 2^64 * 2 * 10^15 in magnitude.
    pub(super) fn sum(&self, v_sum: u64, count: u64) -> i128 {
        i128::from(v_sum) * self.resolution + i128::from(count) * self.minimum
    }
}

/// `10^exponent`, for an exponent of at most 20.
pub(super) fn power_of_ten(exponent: u8) -> i128 {
    10_i128.pow(u32::from(exponent))
}
