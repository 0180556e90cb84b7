//! `count`: how many readings the cohort has.

use std::sync::Arc;

use super::{Audience, Computing, Entry, Facts, Function, Inputs, Output, Reads, Shape, Subject};
use crate::arithmetic::Arithmetic;
use crate::decimal::Decimal;
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "count",
    about: "how many readings there are, fresh and carried",
    parameters: "",
    reveals: "the number of readings, which every result states anyway",
    steps: "none beyond the agreement",
    read: |_, _| Ok(Arc::new(Count)),
};

#[derive(Debug)]
struct Count;

impl Function for Count {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, _: &Subject<'_>) -> Shape {
        Shape::plain(0)
    }

    fn reads(&self) -> Reads {
        Reads::Nothing
    }

    fn takes_vectors(&self) -> bool {
        true
    }

    fn multiplies(&self) -> bool {
        false
    }

    fn keeps_peers_blind(&self) -> bool {
        false
    }

    fn largest(&self, _: &Subject<'_>, readings: u64) -> u128 {
        readings.into()
    }

    fn products(&self, _: &Subject<'_>, _: u64) -> u64 {
        0
    }

    fn compute(&self, _: Arithmetic, _: Inputs, _: Audience) -> Computing {
        Box::pin(async { Ok(Output::Known(Vec::new())) })
    }

    fn conclude(&self, facts: &Facts<'_>, _: &[Fp]) -> Option<Value> {
        Decimal::new(facts.readings.into(), 0).map(Value::from)
    }
}
