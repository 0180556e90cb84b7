//! `count_above`: how many readings are above a threshold.

use std::sync::Arc;

use super::{Audience, Computing, Entry, Facts, Function, Inputs, Output, Reads, Shape, Subject, threshold};
use crate::arithmetic::{Arithmetic, Products, count_above_each, products_above_each};
use crate::decimal::Decimal;
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "count_above",
    about: "how many readings are above a threshold; one that equals it is not",
    parameters: "above = 1000",
    reveals: "that number",
    steps: "every reading is compared with the threshold, bit by bit in pairs; the outcomes are added up and opened",
    read: |parameters, subject| {
        let step = threshold::above(&ENTRY, &mut parameters.above, subject)?.floor(1);
        Ok(Arc::new(CountBeyond { entry: &ENTRY, step, below: false }))
    },
};

/// How many readings are above a step, or how many are not.
#[derive(Debug)]
pub(super) struct CountBeyond {
    pub(super) entry: &'static Entry,
    pub(super) step: u64,
    pub(super) below: bool,
}

impl Function for CountBeyond {
    fn entry(&self) -> &'static Entry {
        self.entry
    }

    fn shape(&self, _: &Subject<'_>) -> Shape {
        Shape::plain(0)
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
        readings * products_above_each(subject.quantity.bits(), &[self.step]) + 1
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        let Self { step, below, .. } = *self;
        Box::pin(async move {
            let above = count_above_each(&arithmetic, &inputs.columns, &[step]).await;
            let all = || Products::public(Fp::reduce(inputs.readings), 1);
            Ok(Output::Products(if below { all().minus(&above) } else { above }))
        })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        count(facts, elements)
    }
}

/// A number of readings.
pub(super) fn count(facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
    let &[count] = elements else { return None };
    let count = count.to_u64();
    Decimal::new(count.into(), 0).filter(|_| count <= facts.readings).map(Value::from)
}
