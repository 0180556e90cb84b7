//! `range`: the least and the greatest reading and their difference.

use std::sync::Arc;

use super::ranked::{descents, find};
use super::{Audience, Computing, Entry, Facts, Function, Inputs, Kind, Meaning, Reads, Shape, Subject};
use crate::arithmetic::{Arithmetic, Rank, Target};
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "range",
    about: "the least and the greatest reading, and how far they are apart",
    parameters: "",
    reveals: "the least and the greatest reading; neither whose they are nor how many have them",
    steps: "those of `max` and `min` side by side, in as many rounds as `max`",
    read: |_, _| Ok(Arc::new(Range)),
};

const ENDS: [Target; 2] = [Target::FromBelow(Rank(1)), Target::FromAbove(Rank(1))];

#[derive(Debug)]
struct Range;

impl Function for Range {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        let reading = Shape::reading(subject.quantity);
        Shape { kind: Kind::Record("range"), meaning: Meaning::Other, ..reading }
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
        descents(subject, readings, &ENDS)
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, audience: Audience) -> Computing {
        Box::pin(async move { find(&arithmetic, &inputs, &ENDS, audience).await })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let &[min, max] = elements else { return None };
        let (min, max) = (min.to_u64(), max.to_u64());
        let range = facts.quantity.decode_difference(max.checked_sub(min)?);
        let (min, max) = (facts.quantity.reading_at(min)?, facts.quantity.reading_at(max)?);
        Some(Value::record([("max", max.into()), ("min", min.into()), ("range", range.into())]))
    }
}
