//! `top_k`: the k greatest readings, in descending order.

use std::sync::Arc;

use super::ranked::{descents, find};
use super::{
    Audience, Computing, Entry, Facts, Function, FunctionError, Inputs, Kind, Reads, Shape, Subject,
};
use crate::arithmetic::{Arithmetic, Rank, Target};
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "top_k",
    about: "the k greatest readings in descending order; all of them if there are fewer than k",
    parameters: "k = 3",
    reveals: "these readings; neither whose they are, nor how many have the last of them",
    steps: "those of `quantile` for the first k ranks from above, side by side",
    read: |parameters, _| {
        let k = parameters.k.take().ok_or_else(|| ENTRY.missing("k"))?;
        if !(1..=MAX_K).contains(&k) {
            return Err(FunctionError::OutOfRange { parameter: "k", must: format!("choose 1 to {MAX_K}") });
        }
        Ok(Arc::new(TopK(k)))
    },
};

/// The most readings that are told.
const MAX_K: u64 = 16;

#[derive(Debug)]
struct TopK(u64);

impl TopK {
    fn targets(&self, readings: u64) -> Vec<Target> {
        (1..=self.0.min(readings)).map(|rank| Target::FromAbove(Rank(rank))).collect()
    }
}

impl Function for TopK {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        Shape { kind: Kind::List, ..Shape::reading(subject.quantity) }
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
        descents(subject, readings, &self.targets(readings))
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, audience: Audience) -> Computing {
        let targets = self.targets(inputs.readings);
        Box::pin(async move { find(&arithmetic, &inputs, &targets, audience).await })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let readings: Vec<u64> = elements.iter().map(|element| element.to_u64()).collect();
        if !readings.is_sorted_by(|a, b| a >= b) || readings.len() as u64 != self.0.min(facts.readings) {
            return None;
        }
        let readings = readings.into_iter().map(|reading| Some(facts.quantity.reading_at(reading)?.into()));
        readings.collect::<Option<_>>().map(Value::List)
    }
}
