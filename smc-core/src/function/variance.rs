//! `variance`: the mean squared distance of the readings from their mean.

use std::sync::Arc;

use super::moments::{coarse, largest, products, spread};
use super::{Audience, Computing, Entry, Facts, Function, Inputs, Meaning, Output, Reads, Shape, Subject};
use crate::arithmetic::Arithmetic;
use crate::decimal::Decimal;
use crate::field::Fp;
use crate::quantity::{Quantity, divide_half_to_even};
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "variance",
    about: "the mean squared distance of the readings from their mean (divided by N, not N - 1), with twice the digits of \
            the resolution and two more",
    parameters: "",
    reveals: "the variance, to the last digit; not the mean",
    steps: "each peer squares and adds up its shares; N sum v^2 - (sum v)^2 is opened as one sum of products",
    read: |_, subject| {
        coarse(&[subject.quantity])?;
        Ok(Arc::new(Spread { entry: &ENTRY, root: false }))
    },
};

/// The variance, or its root.
#[derive(Debug)]
pub(super) struct Spread {
    pub(super) entry: &'static Entry,
    pub(super) root: bool,
}

impl Spread {
    fn digits(&self, quantity: &Quantity) -> u8 {
        let digits = quantity.resolution().scale();
        if self.root { digits + 2 } else { 2 * digits + 2 }
    }
}

/// D m^2 / N^2 for the resolution m, in units of a hundredth of its last digit squared, rounded half to even.
fn variance(spread: u64, readings: u64, resolution: u64) -> Option<i128> {
    // Below 2^61 * 10^14 * 100 < 2^115.
    let numerator = i128::from(spread) * i128::from(resolution).pow(2) * 100;
    divide_half_to_even(numerator, i128::from(readings).pow(2))
}

/// sqrt(D) m / N in units of a hundredth of the resolution's last digit, rounded half to even.
fn root(spread: u64, readings: u64, resolution: u64) -> Option<i128> {
    // x is the nearest if 2x - 1 <= 2 sqrt(D) 100 m / N <= 2x + 1. Below 2^61 * 4 * 10^18 < 2^125.
    let square = u128::from(spread) * (200 * u128::from(resolution)).pow(2);
    let (twice, n) = (square.isqrt(), u128::from(readings));
    let nearest = twice.checked_add(n)?.checked_div(2 * n)?;
    let tie = twice * twice == square && (twice + n) % (2 * n) == 0;
    i128::try_from(if tie && nearest % 2 == 1 { nearest - 1 } else { nearest }).ok()
}

impl Function for Spread {
    fn entry(&self) -> &'static Entry {
        self.entry
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        let Shape { unit, kind, .. } = Shape::reading(subject.quantity);
        let unit = if self.root || unit.is_empty() { unit } else { format!("{unit}²") };
        Shape { kind, unit, digits: self.digits(subject.quantity) - 1, meaning: Meaning::Other }
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
        largest(subject.quantity, subject.quantity, readings)
    }

    fn products(&self, _: &Subject<'_>, readings: u64) -> u64 {
        products(readings)
    }

    fn compute(&self, _: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        Box::pin(async move { Ok(Output::Products(spread(&inputs.values()))) })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let &[spread] = elements else { return None };
        let honest = u128::from(spread.to_u64()) <= largest(facts.quantity, facts.quantity, facts.readings);
        let resolution = facts.quantity.resolution();
        let mantissa = u64::try_from(resolution.mantissa()).ok().filter(|_| honest)?;
        let decode = if self.root { root } else { variance };
        let number = decode(spread.to_u64(), facts.readings, mantissa)?;
        Decimal::new(number, self.digits(facts.quantity)).map(Value::from)
    }
}
