//! `correlation`: Pearson's coefficient of two quantities of the same agents, from -1 to 1.

use std::sync::Arc;

use super::moments::{co_spread, largest, products, second, signed, spread};
use super::{Audience, Computing, Entry, Facts, Function, Inputs, Output, Reads, Shape, Subject};
use crate::arithmetic::{Arithmetic, Products};
use crate::decimal::Decimal;
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "correlation",
    about: "how much two quantities go together, from -1 to 1, with six digits; null if one of them is the same everywhere",
    parameters: "with = \"temperature\"",
    reveals: "the covariance and both variances; no mean",
    steps: "those of `covariance` and, twice, of `variance`: three sums of products, opened at once",
    read: |parameters, subject| {
        second(&ENTRY, parameters, subject)?;
        Ok(Arc::new(Correlation))
    },
};

/// Digits after the point, and what they count in.
const DIGITS: u8 = 6;
const UNIT: f64 = 1e6;

#[derive(Debug)]
struct Correlation;

impl Function for Correlation {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, _: &Subject<'_>) -> Shape {
        Shape::plain(3)
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
        let (x, y) = (subject.quantity, subject.with.unwrap_or(subject.quantity));
        let squares = largest(x, x, readings).max(largest(y, y, readings));
        squares.max(largest(x, y, readings).saturating_mul(2))
    }

    fn products(&self, _: &Subject<'_>, readings: u64) -> u64 {
        products(readings)
    }

    fn compute(&self, _: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        Box::pin(async move {
            let (x, y) = (inputs.values(), inputs.with_values());
            Ok(Output::Products(Products::concat(&[co_spread(&x, &y), spread(&x), spread(&y)])))
        })
    }

    fn conclude(&self, _: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let &[both, x, y] = elements else { return None };
        let (both, x, y) = (signed(both), i128::from(x.to_u64()), i128::from(y.to_u64()));
        // Cauchy and Schwarz. Below 2^122.
        if both * both > x * y {
            return None;
        }
        if x * y == 0 {
            return Some(Value::Nothing);
        }
        // Each operation rounds correctly, so that all peers come to the same.
        let correlation = both as f64 / ((x as f64).sqrt() * (y as f64).sqrt());
        let mantissa = (correlation * UNIT).round_ties_even().clamp(-UNIT, UNIT) as i128;
        Decimal::new(mantissa, DIGITS).map(Value::from)
    }
}
