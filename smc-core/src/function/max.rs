//! `max`: the greatest reading.

use std::sync::Arc;

use super::{Computing, Entry, Facts, Function, Inputs, Output, Reads, Shape, Subject};
use crate::arithmetic::{Arithmetic, Descent, Rank};
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "max",
    about: "the greatest reading",
    parameters: "",
    reveals: "the greatest reading; neither whose it is nor how many have it",
    steps: "a descent from the most significant digit: is there a candidate with at least this digit?",
    read: |_, _| Ok(Arc::new(Max)),
};

#[derive(Debug)]
struct Max;

impl Function for Max {
    fn entry(&self) -> &'static Entry {
        &ENTRY
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
        false
    }

    fn largest(&self, _: &Subject<'_>, readings: u64) -> u128 {
        readings.into()
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs) -> Computing {
        Box::pin(async move {
            let max = Descent::find(&arithmetic, &inputs.columns, Rank(1)).await?;
            Ok(Output::Known(vec![Fp::reduce(max.value)]))
        })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let &[max] = elements else { return None };
        facts.quantity.reading_at(max.to_u64()).map(Value::from)
    }
}
