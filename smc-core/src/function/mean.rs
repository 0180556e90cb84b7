//! `mean`: the arithmetic mean, two decimal digits finer than the quantity's resolution.

use std::sync::Arc;

use super::{Audience, Computing, Entry, Facts, Function, Inputs, Output, Reads, Shape, Subject, sum};
use crate::arithmetic::Arithmetic;
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "mean",
    about: "the arithmetic mean, two decimal digits finer than the resolution",
    parameters: "",
    reveals: "the sum, since the number of readings is public",
    steps: "those of `sum`",
    read: |_, _| Ok(Arc::new(Mean)),
};

#[derive(Debug)]
struct Mean;

impl Function for Mean {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        let reading = Shape::reading(subject.quantity);
        Shape { digits: reading.digits + 1, ..reading }
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
        sum::largest(subject, readings)
    }

    fn products(&self, _: &Subject<'_>, _: u64) -> u64 {
        0
    }

    fn compute(&self, _: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        Box::pin(async { Ok(Output::Shares(sum::total(inputs))) })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let sum = sum::honest(facts, elements)?;
        facts.quantity.decode_mean(sum, facts.readings).map(Value::from)
    }
}
