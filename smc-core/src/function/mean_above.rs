//! `mean_above`: whether the mean is above a threshold, exactly: the mean is not rounded first.

use std::sync::Arc;

use super::any_above::flag;
use super::{
    Audience, Computing, Entry, Facts, Function, Inputs, Output, Reads, Shape, Subject, sum, threshold,
};
use crate::arithmetic::{Arithmetic, Reach};
use crate::field::Fp;
use crate::quantity::Place;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "mean_above",
    about: "whether the mean, not rounded, is above a threshold",
    parameters: "above = 1000",
    reveals: "yes or no; not the mean",
    steps: "each peer adds up its shares; the masked sum is opened and compared with the threshold times the number of \
            readings on the mask's shared bits",
    read: |parameters, subject| {
        let threshold = threshold::above(&ENTRY, &mut parameters.above, subject)?;
        Ok(Arc::new(MeanAbove { threshold, bits: subject.quantity.bits() }))
    },
};

#[derive(Debug)]
struct MeanAbove {
    threshold: Place,
    bits: u32,
}

impl Function for MeanAbove {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, _: &Subject<'_>) -> Shape {
        Shape::flag()
    }

    fn reads(&self) -> Reads {
        Reads::Sum
    }

    fn multiplies(&self) -> bool {
        true
    }

    fn keeps_peers_blind(&self) -> bool {
        true
    }

    fn largest(&self, subject: &Subject<'_>, readings: u64) -> u128 {
        // Where a masked number is a large part of p, masks must often be drawn anew.
        sum::largest(subject, readings) << 12
    }

    fn products(&self, subject: &Subject<'_>, readings: u64) -> u64 {
        // A larger sum is refused.
        Reach::products(sum::largest(subject, readings).try_into().unwrap_or(u64::MAX)) + 1
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        // sum v / N > place if sum v > floor(N place).
        let threshold = self.threshold.floor(inputs.readings) + 1;
        let largest = inputs.readings * ((1 << self.bits) - 1);
        Box::pin(async move {
            let reach = Reach::new(&arithmetic, largest, 1).await?;
            let sum = sum::total(inputs).as_products();
            Ok(Output::Products(reach.reached(&arithmetic, &sum, threshold).await?))
        })
    }

    fn conclude(&self, _: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        flag(elements)
    }
}
