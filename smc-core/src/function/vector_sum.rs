//! `vector_sum`: the sum of the cohort's vectors, element by element.

use std::sync::Arc;

use super::{
    Audience, Computing, Entry, Facts, Function, Inputs, Kind, Meaning, Output, Reads, Shape, Subject, sum,
};
use crate::arithmetic::{Arithmetic, Shares};
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "vector_sum",
    about: "the sum of vectors, element by element, exact in steps of the resolution",
    parameters: "",
    reveals: "the sum of each element",
    steps: "each peer adds up its shares; the sums are opened",
    read: |_, _| Ok(Arc::new(VectorSum)),
};

#[derive(Debug)]
struct VectorSum;

impl Function for VectorSum {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        Shape { kind: Kind::List, meaning: Meaning::Total, ..Shape::reading(subject.quantity) }
    }

    fn reads(&self) -> Reads {
        Reads::Sum
    }

    fn takes_vectors(&self) -> bool {
        true
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
        let sums = inputs.columns.into_iter().next().unwrap_or_else(|| Shares::zeros(0));
        Box::pin(async { Ok(Output::Shares(sums)) })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let sum = |element: &Fp| {
            let sum = sum::honest(facts, std::slice::from_ref(element))?;
            Some(facts.quantity.decode_sum(sum, facts.readings).into())
        };
        if elements.len() != facts.quantity.elements() as usize {
            return None;
        }
        elements.iter().map(sum).collect::<Option<_>>().map(Value::List)
    }
}
