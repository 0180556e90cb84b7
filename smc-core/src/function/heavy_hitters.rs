//! `heavy_hitters`: which readings are frequent.

use std::sync::Arc;

use super::categories::{self, counts};
use super::{
    Audience, Computing, Entry, Facts, Function, FunctionError, Inputs, Kind, Output, Reads, Shape, Subject,
};
use crate::arithmetic::{Arithmetic, Reach, join};
use crate::decimal::Decimal;
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "heavy_hitters",
    about: "the readings that occur at least so often, in ascending order, and how often each does, of a quantity of at \
            most 1024 steps",
    parameters: "at_least = 5",
    reveals: "these readings and how often each occurs; of all others that they occur less often",
    steps: "how many readings each step has is compared with the threshold; the number times the outcome is opened, which \
            is zero where the threshold is not reached",
    read: |parameters, subject| {
        let at_least = parameters.at_least.take().ok_or_else(|| ENTRY.missing("at_least"))?;
        if at_least < 2 {
            let must = "choose 2 or more: what occurs once is one agent's".to_owned();
            return Err(FunctionError::OutOfRange { parameter: "at_least", must });
        }
        categories::check(subject)?;
        Ok(Arc::new(HeavyHitters { at_least, categories: categories::number(subject.quantity) }))
    },
};

#[derive(Debug)]
struct HeavyHitters {
    at_least: u64,
    categories: usize,
}

impl Function for HeavyHitters {
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
        let per_category = Reach::products(readings) + 3;
        categories::products(subject.quantity, readings) + per_category * self.categories as u64
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        let Self { at_least, categories } = *self;
        Box::pin(async move {
            let counts = counts(&arithmetic, &inputs.columns, categories);
            let reach = Reach::new(&arithmetic, inputs.readings, categories);
            let (counts, reach) = join(counts, reach).await;
            let often = async {
                let often = reach?.reached(&arithmetic, &counts, at_least).await?;
                Ok(arithmetic.reduce(often).await)
            };
            let (often, counts) = join(often, arithmetic.reduce(counts.duplicate())).await;
            Ok(Output::Products(counts.times(&often?)))
        })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let counts: Vec<u64> = elements.iter().map(|count| count.to_u64()).collect();
        let all = counts.iter().try_fold(0u64, |sum, &count| sum.checked_add(count))?;
        let often = |&count: &u64| count == 0 || count >= self.at_least;
        if all > facts.readings || counts.len() != self.categories || !counts.iter().all(often) {
            return None;
        }
        let hitter = |(step, count): (u64, u64)| {
            let (reading, count) = (facts.quantity.reading_at(step)?, Decimal::new(count.into(), 0)?);
            Some(Value::record([("count", count.into()), ("reading", reading.into())]))
        };
        let hitters = (0..).zip(counts).filter(|&(_, count)| count > 0);
        hitters.map(hitter).collect::<Option<_>>().map(Value::List)
    }
}
