//! `histogram`: how many readings lie between neighbouring edges.

use std::sync::Arc;

use super::threshold;
use super::{
    Audience, Computing, Entry, Facts, Function, FunctionError, Inputs, Kind, Output, Reads, Shape, Subject,
};
use crate::arithmetic::{Arithmetic, Products, count_above_each, products_above_each};
use crate::decimal::Decimal;
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "histogram",
    about: "how many readings are below the first edge, how many between each edge and the next, and how many at or above \
            the last; a reading that equals an edge counts above it",
    parameters: "edges = [600, 1000, 1400]",
    reveals: "these numbers; one that is small tells about few readings",
    steps: "every reading is compared with every edge, all at once; the outcomes are added up per edge and opened",
    read: |parameters, subject| {
        let edges = parameters.edges.take().ok_or_else(|| ENTRY.missing("edges"))?;
        if edges.is_empty() || edges.len() > MAX_EDGES {
            return Err(edges_must(format!("choose 1 to {MAX_EDGES} edges")));
        }
        let step = |&edge: &Decimal| threshold::below("edges", edge, subject);
        let steps = edges.iter().map(step).collect::<Result<Vec<u64>, _>>()?;
        if !edges.is_sorted_by(|a, b| a < b) {
            return Err(edges_must("write them in ascending order, each once".to_owned()));
        }
        if let Some(i) = steps.windows(2).position(|pair| pair[0] == pair[1]) {
            let must =
                format!("no reading lies between {} and {}; remove one of them", edges[i], edges[i + 1]);
            return Err(edges_must(must));
        }
        Ok(Arc::new(Histogram { steps }))
    },
};

/// The most edges.
const MAX_EDGES: usize = 256;

fn edges_must(must: String) -> FunctionError {
    FunctionError::OutOfRange { parameter: "edges", must }
}

#[derive(Debug)]
struct Histogram {
    /// For each edge the greatest step below it.
    steps: Vec<u64>,
}

impl Function for Histogram {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, _: &Subject<'_>) -> Shape {
        Shape { kind: Kind::List, ..Shape::plain(0) }
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
        let edges = self.steps.len() as u64;
        let per_reading = products_above_each(subject.quantity.bits(), &self.steps);
        readings * per_reading + readings * edges / 64 + edges + 1
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        let steps = self.steps.clone();
        Box::pin(async move {
            let above = count_above_each(&arithmetic, &inputs.columns, &steps).await.chunks(1);
            // In a bin are those at or above its lower edge, and not at or above its upper.
            let all = Products::public(Fp::reduce(inputs.readings), 1);
            let lower = std::iter::once(&all).chain(&above);
            let upper = above.iter().map(Some).chain([None]);
            let bins = lower.zip(upper);
            let bins = bins.map(|(lower, upper)| upper.into_iter().fold(lower.duplicate(), Products::minus));
            Ok(Output::Products(Products::concat(&bins.collect::<Vec<_>>())))
        })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let counts: Vec<u64> = elements.iter().map(|count| count.to_u64()).collect();
        let all = counts.iter().try_fold(0u64, |sum, &count| sum.checked_add(count));
        if all != Some(facts.readings) || counts.len() != self.steps.len() + 1 {
            return None;
        }
        let count = |count: u64| Some(Decimal::new(count.into(), 0)?.into());
        counts.into_iter().map(count).collect::<Option<_>>().map(Value::List)
    }
}
