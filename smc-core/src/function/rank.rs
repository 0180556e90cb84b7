//! `rank`: the place of one agent's own reading among all.

use std::sync::Arc;

use super::count_above::count;
use super::{Audience, Computing, Entry, Facts, Function, Inputs, Output, Reads, Shape, Subject};
use crate::arithmetic::{Arithmetic, Products, Shares, less_than};
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "rank",
    about: "the place of the agent's reading from above: one more than there are greater ones; null if the agent is not in \
            the cohort",
    parameters: "agent = \"room-101\"",
    reveals: "how many readings are greater than the agent's; told to everybody or, sealed, to one client alone",
    steps: "the agent's shared bits are compared with those of all others; the outcomes are added up",
    read: |parameters, _| {
        parameters.agent.take().ok_or_else(|| ENTRY.missing("agent"))?;
        Ok(Arc::new(Place))
    },
};

#[derive(Debug)]
struct Place;

impl Function for Place {
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
        readings.into()
    }

    fn products(&self, subject: &Subject<'_>, readings: u64) -> u64 {
        3 * u64::from(subject.quantity.bits()) * readings + 1
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, _: Audience) -> Computing {
        Box::pin(async move {
            let Some(own) = inputs.own else { return Ok(Output::Products(Products::zeros(1))) };
            let lanes = |bit: &Shares| bit.lane(own).repeat(bit.len());
            let own: Vec<_> = inputs.columns.iter().map(lanes).collect();
            let greater = less_than(&arithmetic, &own, &inputs.columns).await;
            Ok(Output::Products(greater.sum().plus_public(Fp::ONE)))
        })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        if elements == [Fp::ZERO] { Some(Value::Nothing) } else { count(facts, elements) }
    }
}
