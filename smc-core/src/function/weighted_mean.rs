//! `weighted_mean`: the mean where each reading counts as much as the agent's reading of a second quantity says.

use std::sync::Arc;

use super::moments::{products, second};
use super::{
    Audience, Computing, Entry, Facts, Function, FunctionError, Inputs, Output, Reads, Shape, Subject,
};
use crate::arithmetic::{Arithmetic, Products};
use crate::field::Fp;
use crate::quantity::Quantity;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "weighted_mean",
    about: "the sum of weight * reading divided by the sum of weights, two decimal digits finer than the resolution; null \
            if all weights are zero",
    parameters: "with = \"occupancy\"",
    reveals: "the sum of the weights and the sum of weight * reading",
    steps: "each peer multiplies and adds up its shares; both sums are opened",
    read: |parameters, subject| {
        let with = second(&ENTRY, parameters, subject)?;
        match Weight::of(with) {
            Some(weight) => Ok(Arc::new(WeightedMean { weight })),
            None => Err(FunctionError::OutOfRange {
                parameter: "with",
                must: format!("`{}` can be negative, so it can't be a weight", with.name()),
            }),
        }
    },
};

/// Weights as whole numbers without a common divisor: first + step * v.
#[derive(Debug, Clone, Copy)]
struct Weight {
    first: u64,
    step: u64,
}

impl Weight {
    fn of(quantity: &Quantity) -> Option<Self> {
        let [first, step] = quantity.grid_numbers();
        let (first, step) = (u64::try_from(first).ok()?, u64::try_from(step).ok()?);
        let common = crate::quantity::greatest_common_divisor(first.into(), step.into()) as u64;
        Some(Self { first: first / common, step: step / common })
    }

    /// The greatest weight.
    fn most(self, quantity: &Quantity) -> u128 {
        u128::from(self.first) + (u128::from(self.step) << quantity.bits())
    }
}

#[derive(Debug)]
struct WeightedMean {
    weight: Weight,
}

impl Function for WeightedMean {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        let reading = Shape::reading(subject.quantity);
        Shape { digits: reading.digits + 1, ..reading }
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

    fn largest(&self, subject: &Subject<'_>, readings: u64) -> u128 {
        let weights = self.weight.most(subject.with.unwrap_or(subject.quantity)) * u128::from(readings);
        weights.saturating_mul(1 << subject.quantity.bits())
    }

    fn products(&self, _: &Subject<'_>, readings: u64) -> u64 {
        products(readings)
    }

    fn compute(&self, _: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        let Weight { first, step } = self.weight;
        Box::pin(async move {
            let weights = inputs.with_values().times_public(Fp::reduce(step)).plus_public(Fp::reduce(first));
            let total = weights.sum().as_products();
            Ok(Output::Products(Products::concat(&[weights.dot(&inputs.values()), total])))
        })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let (&[sum, weights], Some(with)) = (elements, facts.with) else { return None };
        let (sum, weights) = (sum.to_u64(), weights.to_u64());
        let steps = (1u128 << facts.quantity.bits()) - 1;
        let honest = u128::from(sum) <= u128::from(weights) * steps
            && u128::from(weights) <= self.weight.most(with) * u128::from(facts.readings);
        if weights == 0 {
            return honest.then_some(Value::Nothing);
        }
        // As if there were `weights` readings.
        facts.quantity.decode_mean(sum, weights).filter(|_| honest).map(Value::from)
    }
}
