//! `linear_fit`: the line through the readings of two quantities with the least squared distances.

use std::sync::Arc;

use super::moments::{co_spread, largest, products, second, signed, spread};
use super::{
    Audience, Computing, Entry, Facts, Function, FunctionError, Inputs, Kind, Meaning, Output, Reads, Shape,
    Subject,
};
use crate::arithmetic::{Arithmetic, Products};
use crate::decimal::Decimal;
use crate::field::Fp;
use crate::quantity::{Quantity, divide_half_to_even};
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "linear_fit",
    about: "slope and intercept of the line quantity = slope * with + intercept that lies nearest to the readings; both \
            null if `with` is the same everywhere",
    parameters: "with = \"occupancy\"",
    reveals: "the covariance, the variance of `with` and the intercept; no mean",
    steps: "sum x^2 and sum x y are shared anew; then N sum x y - sum x sum y, N sum x^2 - (sum x)^2 and \
            sum y sum x^2 - sum x sum x y are opened as sums of products",
    read: |parameters, subject| {
        for quantity in [subject.quantity, second(&ENTRY, parameters, subject)?] {
            if quantity.grid_numbers().into_iter().any(|number| number.unsigned_abs() > MAX_NUMBER) {
                return Err(FunctionError::OutOfRange {
                    parameter: "quantity",
                    must: format!("`{}` has too many digits for a line; use 8 in all", quantity.name()),
                });
            }
        }
        Ok(Arc::new(LinearFit))
    },
};

/// The largest minimum or resolution, in units of the smallest digit in use.
const MAX_NUMBER: u128 = 100_000_000;

#[derive(Debug)]
struct LinearFit;

impl Function for LinearFit {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        let x = subject.with.unwrap_or(subject.quantity);
        let per = |unit: &str| if unit.is_empty() { String::new() } else { format!("/{unit}") };
        let unit = format!("{}{}", subject.quantity.unit(), per(x.unit()));
        Shape { kind: Kind::Record("slope"), unit, digits: 6, meaning: Meaning::Other }
    }

    fn reads(&self) -> Reads {
        Reads::Bits
    }

    fn multiplies(&self) -> bool {
        true
    }

    fn keeps_peers_blind(&self) -> bool {
        true
    }

    fn largest(&self, subject: &Subject<'_>, readings: u64) -> u128 {
        let (y, x) = (subject.quantity, subject.with.unwrap_or(subject.quantity));
        // sum over i < j of (x_j - x_i) (y_i x_j - y_j x_i), at either side of zero.
        largest(x, y, readings).saturating_mul(4).saturating_mul(1 << x.bits())
    }

    fn products(&self, _: &Subject<'_>, readings: u64) -> u64 {
        products(readings)
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        Box::pin(async move {
            let (y, x) = (inputs.values(), inputs.with_values());
            let sums = Products::concat(&[x.dot(&x), x.dot(&y)]);
            let sums = arithmetic.reduce(sums).await.chunks(1);
            let crossed = y.sum().times(&sums[0]).minus(&x.sum().times(&sums[1]));
            Ok(Output::Products(Products::concat(&[co_spread(&x, &y), spread(&x), crossed])))
        })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let (&[both, spread, crossed], Some(with)) = (elements, facts.with) else { return None };
        let (both, spread, crossed) = (signed(both), i128::from(spread.to_u64()), signed(crossed));
        let (slope, intercept) = if spread == 0 {
            (Value::Nothing, Value::Nothing)
        } else {
            let line = Line { both, spread, crossed };
            (line.slope(facts.quantity, with)?.into(), line.intercept(facts.quantity, with)?.into())
        };
        Some(Value::record([("intercept", intercept), ("slope", slope)]))
    }
}

/// In steps: y = (both x + crossed) / spread.
struct Line {
    both: i128,
    spread: i128,
    crossed: i128,
}

impl Line {
    /// A double: slopes may be of any size.
    fn slope(&self, y: &Quantity, x: &Quantity) -> Option<Decimal> {
        let ([_, step_y], [_, step_x]) = (y.grid_numbers(), x.grid_numbers());
        let scale = |quantity: &Quantity| 10_f64.powi(quantity.grid_scale().into());
        // Below 2^60 * 10^8, and powers of ten up to 10^9 are exact: five roundings in all.
        let steps = (self.both * step_y) as f64 / (self.spread * step_x) as f64;
        Decimal::from_f64(steps * scale(x) / scale(y)).ok()
    }

    /// Two decimal digits finer than the resolution of y.
    fn intercept(&self, y: &Quantity, x: &Quantity) -> Option<Decimal> {
        let ([min_y, step_y], [min_x, step_x]) = (y.grid_numbers(), x.grid_numbers());
        let digits = y.resolution().scale() + 2;
        // min_y + step_y (crossed - both min_x / step_x) / spread, in units of y's grid: below 2^61 * 10^16 * 2 < 2^116.
        let at_zero = self.crossed.checked_mul(step_x)?.checked_sub(self.both.checked_mul(min_x)?)?;
        let denominator = self.spread.checked_mul(step_x)?;
        let numerator = min_y.checked_mul(denominator)?.checked_add(step_y.checked_mul(at_zero)?)?;
        let power = |digits: u8| 10_i128.checked_pow(digits.into());
        let numerator = numerator.checked_mul(power(digits.saturating_sub(y.grid_scale()))?)?;
        let denominator = denominator.checked_mul(power(y.grid_scale().saturating_sub(digits))?)?;
        Decimal::new(divide_half_to_even(numerator, denominator)?, digits)
    }
}
