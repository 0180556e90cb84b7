//! `argmax`: who has the greatest reading.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ranked::descents;
use super::{Audience, Computing, Entry, Facts, Function, Inputs, Kind, Output, Reads, Shape, Subject};
use crate::arithmetic::{Arithmetic, Descent, HiddenDescent, Products, Rank, Target};
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "argmax",
    about: "the greatest reading, and all agents that have it",
    parameters: "",
    reveals: "the greatest reading and whose it is",
    steps: "those of `max`; then who is still a candidate is opened",
    read: |_, _| Ok(Arc::new(ArgMax)),
};

const GREATEST: [Target; 1] = [Target::FromAbove(Rank(1))];

#[derive(Debug)]
struct ArgMax;

impl Function for ArgMax {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        Shape { kind: Kind::Record("reading"), ..Shape::reading(subject.quantity) }
    }

    fn reads(&self) -> Reads {
        Reads::Bits
    }

    fn names_agents(&self) -> bool {
        true
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
        descents(subject, readings, &GREATEST) + readings + 1
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, audience: Audience) -> Computing {
        Box::pin(async move {
            let (value, equal) = match audience {
                Audience::Everybody => {
                    let found = Descent::find(&arithmetic, &inputs.columns, &GREATEST).await?.swap_remove(0);
                    (Products::public(Fp::reduce(found.value), 1), found.equal.as_products())
                }
                Audience::One => {
                    let found =
                        HiddenDescent::find(&arithmetic, &inputs.columns, &GREATEST).await?.swap_remove(0);
                    (found.value.as_products(), found.equal)
                }
            };
            Ok(Output::Products(Products::concat(&[value, equal])))
        })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let (value, equal) = elements.split_first()?;
        let flags = equal.iter().all(|&flag| flag == Fp::ONE || flag == Fp::ZERO);
        if !flags || !equal.contains(&Fp::ONE) || equal.len() != facts.agents.len() {
            return None;
        }
        // One with several streams may be there several times.
        let agents = facts.agents.iter().zip(equal).filter(|&(_, &flag)| flag == Fp::ONE);
        let agents: BTreeSet<&str> = agents.map(|(agent, _)| agent.as_str()).collect();
        let agents = agents.into_iter().map(|agent| Value::Text(agent.to_owned())).collect();
        let reading = facts.quantity.reading_at(value.to_u64())?;
        Some(Value::record([("agents", Value::List(agents)), ("reading", reading.into())]))
    }
}
