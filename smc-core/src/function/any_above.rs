//! `any_above`: whether any reading is above a threshold.

use std::sync::Arc;

use super::{Audience, Computing, Entry, Facts, Function, Inputs, Output, Reads, Shape, Subject, threshold};
use crate::arithmetic::{Arithmetic, Reach, count_above_each, join, products_above_each};
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "any_above",
    about: "whether any reading is above a threshold; one that equals it is not",
    parameters: "above = 1000",
    reveals: "yes or no; not how many, nor whose",
    steps: "those of `count_above`, but of the number only that is opened whether it is zero",
    read: |parameters, subject| {
        Ok(Arc::new(AnyAbove { step: threshold::above(&ENTRY, &mut parameters.above, subject)?.floor(1) }))
    },
};

#[derive(Debug)]
struct AnyAbove {
    step: u64,
}

impl Function for AnyAbove {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, _: &Subject<'_>) -> Shape {
        Shape::flag()
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
        readings * products_above_each(subject.quantity.bits(), &[self.step]) + Reach::products(readings) + 1
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, audience: Audience) -> Computing {
        let step = self.step;
        Box::pin(async move {
            let count = count_above_each(&arithmetic, &inputs.columns, std::slice::from_ref(&step));
            match audience {
                Audience::Everybody => {
                    let count = arithmetic.reduce(count.await).await;
                    let none = arithmetic.are_zero(&count).await;
                    Ok(Output::Known(none.into_iter().map(|none| Fp::from(u32::from(!none))).collect()))
                }
                Audience::One => {
                    let (count, reach) = join(count, Reach::new(&arithmetic, inputs.readings, 1)).await;
                    Ok(Output::Products(reach?.reached(&arithmetic, &count, 1).await?))
                }
            }
        })
    }

    fn conclude(&self, _: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        flag(elements)
    }
}

/// Yes or no.
pub(super) fn flag(elements: &[Fp]) -> Option<Value> {
    let &[flag] = elements else { return None };
    (flag == Fp::ONE || flag == Fp::ZERO).then(|| Value::from(flag == Fp::ONE))
}
