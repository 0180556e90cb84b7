//! `second_price`: an auction in which the highest bid wins and pays what the second highest bid.

use std::sync::Arc;

use super::ranked::descents;
use super::{Audience, Computing, Entry, Facts, Function, Inputs, Kind, Output, Reads, Shape, Subject};
use crate::arithmetic::{
    Arithmetic, Descent, Fault, HiddenDescent, Products, Rank, Reach, Shares, Target, join,
};
use crate::field::Fp;
use crate::value::Value;

pub(super) const ENTRY: Entry = Entry {
    name: "second_price",
    about: "who bids most, the first of several in the order of the site file, and the second highest bid, which is the \
            price; null for both if there is only one bid",
    parameters: "",
    reveals: "winner and price; neither the highest bid, nor whose the second is, nor whether others bid as much",
    steps: "the second reading from above as in `quantile`; who is above it or, if nobody is, equals it; then for each \
            agent whether there is one of these up to it, which tells about the first alone",
    read: |_, _| Ok(Arc::new(SecondPrice)),
};

const SECOND: Target = Target::FromAbove(Rank(2));
const BOTH: [Target; 2] = [Target::FromAbove(Rank(1)), SECOND];

#[derive(Debug)]
struct SecondPrice;

impl Function for SecondPrice {
    fn entry(&self) -> &'static Entry {
        &ENTRY
    }

    fn shape(&self, subject: &Subject<'_>) -> Shape {
        Shape { kind: Kind::Record("price"), ..Shape::reading(subject.quantity) }
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
        descents(subject, readings, &BOTH) + (2 + Reach::products(readings)) * readings + 2
    }

    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, audience: Audience) -> Computing {
        Box::pin(async move {
            // Elements: the number of bids before the winner's, and the price.
            match audience {
                _ if inputs.readings < 2 => Ok(Output::Products(Products::zeros(2))),
                Audience::Everybody => openly(&arithmetic, &inputs.columns).await,
                Audience::One => hidden(&arithmetic, &inputs.columns, inputs.readings).await,
            }
        })
    }

    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value> {
        let &[before, price] = elements else { return None };
        if facts.readings < 2 {
            return Some(Value::record([("price", Value::Nothing), ("winner", Value::Nothing)]));
        }
        let winner = facts.agents.get(usize::try_from(before.to_u64()).ok()?)?;
        let price = facts.quantity.reading_at(price.to_u64())?;
        Some(Value::record([("price", price.into()), ("winner", Value::Text(winner.to_string()))]))
    }
}

async fn openly(arithmetic: &Arithmetic, bids: &[Shares]) -> Result<Output, Fault> {
    let second = Descent::find(arithmetic, bids, &[SECOND]).await?.swap_remove(0);
    // Nobody or one is above: then that one wins, else whoever bids as much as the second.
    let nobody = second.beyond.sum().complement();
    let winners = prefix_sums(&second.beyond.as_products().plus(&second.equal.scaled_by(&nobody)));
    let winners = arithmetic.reduce(winners).await;
    // Whether there is none yet: true up to the first, false from there on.
    let none_yet = arithmetic.are_zero(&winners).await;
    let before = none_yet.into_iter().take_while(|&none| none).count();
    Ok(Output::Known(vec![Fp::reduce(before as u64), Fp::reduce(second.value)]))
}

async fn hidden(arithmetic: &Arithmetic, bids: &[Shares], readings: u64) -> Result<Output, Fault> {
    let (found, reach) = join(
        HiddenDescent::find(arithmetic, bids, &BOTH),
        Reach::new(arithmetic, readings, readings as usize),
    )
    .await;
    let (found, reach) = (found?, reach?);
    let some = reach.reached(arithmetic, &prefix_sums(&found[0].equal), 1).await?;
    let before = some.complement().sum();
    Ok(Output::Products(Products::concat(&[before, found[1].value.as_products()])))
}

/// Lane i: the sum of the lanes up to i.
fn prefix_sums(lanes: &Products) -> Products {
    let mut sum = Fp::ZERO;
    let sums = lanes.as_slice().iter().map(|&lane| {
        sum += lane;
        sum
    });
    Products::new(sums.collect())
}
