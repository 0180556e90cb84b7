//! `sum`: the sum of the cohort's readings, exact in steps of the quantity's resolution.

use std::sync::Arc;

use super::{Audience, Computing, Entry, Facts, Function, Inputs, Meaning, Output, Reads, Shape, Subject};
use crate::arithmetic::{Arithmetic, Shares};
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "sum",
    about: "the sum of the readings, exact in steps of the resolution",
    parameters: "",
    reveals: "the sum",
    steps: "each peer adds up its shares; the sum is opened",
    read: |_, _| Ok(Arc::new(Sum)),
};

#[derive(Debug)]
struct Sum;

impl Function for Sum {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        Shape { meaning: Meaning::Total, ..Shape::reading(subject.quantity) }
    }

    fn reads(&self) -> Reads {
        Reads::Sum
    }

    fn multiplies(&self) -> bool {
        false
    }

    fn keeps_peers_blind(&self) -> bool {
        true
    }

    fn largest(&self, subject: &Subject<'_>, readings: u64) -> u128 {
        largest(subject, readings)
    }

    fn products(&self, _: &Subject<'_>, _: u64) -> u64 {
        0
    }

    fn compute(&self, _: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        Box::pin(async { Ok(Output::Shares(total(inputs))) })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let sum = honest(facts, elements)?;
        Some(Value::from(facts.quantity.decode_sum(sum, facts.readings)))
    }
}

/// The sum of all readings' steps v, as the only lane.
pub(super) fn total(inputs: Inputs) -> Shares {
    inputs.columns.into_iter().next().unwrap_or_else(|| Shares::zeros(1))
}

/// All readings at their maximum.
pub(super) fn largest(subject: &Subject<'_>, readings: u64) -> u128 {
    u128::from(readings) * ((1 << subject.quantity.bits()) - 1)
}

/// The opened sum, unless it is larger than all readings at their maximum.
pub(super) fn honest(facts: &Facts<'_>, elements: &[Fp]) -> Option<u64> {
    let &[sum] = elements else { return None };
    let subject = Subject { quantity: facts.quantity, with: None };
    Some(sum.to_u64()).filter(|&sum| u128::from(sum) <= largest(&subject, facts.readings))
}
