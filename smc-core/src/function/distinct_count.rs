//! `distinct_count`: how many different readings there are.

use std::sync::Arc;

use super::categories::{self, counts};
use super::count_above::count;
use super::{Audience, Computing, Entry, Facts, Function, Inputs, Output, Reads, Shape, Subject};
use crate::arithmetic::{Arithmetic, Reach, join};
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "distinct_count",
    about: "how many different readings there are, of a quantity of at most 1024 steps",
    parameters: "",
    reveals: "that number; not which readings",
    steps: "how many readings each step has is compared with 1; the outcomes are added up and opened",
    read: |_, subject| {
        categories::check(subject)?;
        Ok(Arc::new(DistinctCount { categories: categories::number(subject.quantity) }))
    },
};

#[derive(Debug)]
struct DistinctCount {
    categories: usize,
}

impl Function for DistinctCount {
    fn entry(&self) -> &'static Entry {
        &ENTRY
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
        u128::from(readings).max(self.categories as u128)
    }

    fn products(&self, subject: &Subject<'_>, readings: u64) -> u64 {
        categories::products(subject.quantity, readings)
            + Reach::products(readings) * self.categories as u64
            + 1
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        let categories = self.categories;
        Box::pin(async move {
            let counts = counts(&arithmetic, &inputs.columns, categories);
            let reach = Reach::new(&arithmetic, inputs.readings, categories);
            let (counts, reach) = join(counts, reach).await;
            let there = reach?.reached(&arithmetic, &counts, 1).await?;
            Ok(Output::Products(there.sum()))
        })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        count(facts, elements)
    }
}
