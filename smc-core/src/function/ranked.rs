//! What `max`, `median`, `min` and `quantile` have in common: one reading of a rank, counted in ascending order.

use super::{Audience, Computing, Entry, Facts, Function, Inputs, Output, Reads, Shape, Subject};
use crate::arithmetic::{Arithmetic, Descent, Fault, HiddenDescent, Shares, Target};
use crate::decimal::Decimal;
use crate::field::Fp;
use crate::value::Value;

/// The smallest reading that at least this part of the readings do not exceed: nearest rank, never interpolated.
#[derive(Debug)]
pub(super) struct Ranked {
    pub(super) entry: &'static Entry,
    /// 0..=1.
    pub(super) quantile: Decimal,
}

impl Ranked {
    /// ceil(q N), at least 1.
    fn rank(&self, readings: u64) -> u64 {
        // q has at most 20 digits after the point, and there are fewer than 2^32 readings.
        let unit = 10_u128.pow(u32::from(self.quantile.scale()));
        let part = self.quantile.mantissa().unsigned_abs() * u128::from(readings);
        (part.div_ceil(unit) as u64).min(readings).max(1)
    }

    fn target(&self, readings: u64) -> Target {
        Target::ascending(self.rank(readings), readings)
    }
}

impl Function for Ranked {
    fn entry(&self) -> &'static Entry {
        self.entry
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        Shape::reading(subject.quantity)
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

    fn largest(&self, _: &Subject<'_>, readings: u64) -> u128 {
        readings.into()
    }

    fn products(&self, subject: &Subject<'_>, readings: u64) -> u64 {
        descents(subject, readings, &[self.target(readings)])
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, audience: Audience) -> Computing {
        let target = self.target(inputs.readings);
        Box::pin(async move { find(&arithmetic, &inputs, &[target], audience).await })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let &[reading] = elements else { return None };
        facts.quantity.reading_at(reading.to_u64()).map(Value::from)
    }
}

/// The readings of all targets, openly where everybody may see them.
pub(super) async fn find(
    arithmetic: &Arithmetic,
    inputs: &Inputs,
    targets: &[Target],
    audience: Audience,
) -> Result<Output, Fault> {
    match audience {
        Audience::Everybody => {
            let found = Descent::find(arithmetic, &inputs.columns, targets).await?;
            Ok(Output::Known(found.into_iter().map(|found| Fp::reduce(found.value)).collect()))
        }
        Audience::One => {
            let found = HiddenDescent::find(arithmetic, &inputs.columns, targets).await?;
            let values: Vec<_> = found.into_iter().map(|found| found.value).collect();
            Ok(Output::Shares(Shares::concat(&values)))
        }
    }
}

/// The most products of finding all targets, openly or not.
pub(super) fn descents(subject: &Subject<'_>, readings: u64, targets: &[Target]) -> u64 {
    let bits = subject.quantity.bits();
    Descent::products(bits, readings, targets).max(HiddenDescent::products(bits, readings, targets.len()))
}
