//! `covariance`: how two quantities of the same agents go together.

use std::sync::Arc;

use super::moments::{co_spread, coarse, largest, products, second, signed};
use super::{
    Audience, Computing, Entry, Facts, Function, Inputs, Kind, Meaning, Output, Reads, Shape, Subject,
};
use crate::arithmetic::Arithmetic;
use crate::decimal::Decimal;
use crate::field::Fp;
use crate::quantity::divide_half_to_even;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "covariance",
    about: "the mean product of two quantities' distances from their means (divided by N), with the digits of both \
            resolutions and two more",
    parameters: "with = \"temperature\"",
    reveals: "the covariance, to the last digit; neither means nor variances",
    steps: "each peer multiplies and adds up its shares; N sum x y - sum x sum y is opened as one sum of products",
    read: |parameters, subject| {
        coarse(&[subject.quantity, second(&ENTRY, parameters, subject)?])?;
        Ok(Arc::new(Covariance))
    },
};

#[derive(Debug)]
struct Covariance;

impl Function for Covariance {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        let (one, other) = (subject.quantity, subject.with.unwrap_or(subject.quantity));
        let unit = [one.unit(), other.unit()].join(" ").trim().to_owned();
        let digits = one.resolution().scale() + other.resolution().scale() + 1;
        Shape { kind: Kind::Number, unit, digits, meaning: Meaning::Other }
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
        largest(subject.quantity, subject.with.unwrap_or(subject.quantity), readings).saturating_mul(2)
    }

    fn products(&self, _: &Subject<'_>, readings: u64) -> u64 {
        products(readings)
    }

    fn compute(&self, _: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        Box::pin(async move { Ok(Output::Products(co_spread(&inputs.values(), &inputs.with_values()))) })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let (&[spread], Some(with)) = (elements, facts.with) else { return None };
        let spread = signed(spread);
        if spread.unsigned_abs() > largest(facts.quantity, with, facts.readings) {
            return None;
        }
        let (x, y) = (facts.quantity.resolution(), with.resolution());
        // Below 2^60 * 10^7 * 10^7 * 100 < 2^114.
        let numerator = spread * x.mantissa() * y.mantissa() * 100;
        let mantissa = divide_half_to_even(numerator, i128::from(facts.readings).pow(2))?;
        Decimal::new(mantissa, x.scale() + y.scale() + 2).map(Value::from)
    }
}
