//! What is asked while the site runs: requests, cancellations, operators' orders and what agents' owners want.

use smc_core::order::Verb;

use super::Dice;
use crate::action::{Action, Ask, Shape, Timed};
use crate::world::Wish;

/// How many different queries are asked for.
const QUERIES: u64 = 4;
/// Functions that take no parameters and few rounds.
const FUNCTIONS: [&str; 4] = ["count", "max", "mean", "sum"];
const PURPOSES: [&str; 2] = ["heating", "rent"];

/// What clients, operators and owners do while there is trouble. All that is asked ends with it.
pub(super) fn asked(dice: &mut Dice<'_>, site: &Shape, trouble: u64) -> Vec<Timed> {
    let mut actions = Vec::new();
    for _ in 0..dice.below(5) {
        let (at, action) = (dice.below(trouble * 1000), Action::Ask(ask(dice, site)));
        // Most run for a while; a few end early.
        let at = if dice.one_in(4) { at } else { at / 3 };
        let lasts = if dice.one_in(4) { dice.below(2000) } else { trouble * 1000 };
        actions.push(until_calm(Timed { at, lasts, action }, trouble));
    }
    for _ in 0..dice.below(6) {
        let (at, action) = (dice.below(trouble * 1000), intervention(dice, site));
        actions.push(Timed { at, lasts: 0, action });
    }
    for _ in 0..dice.below(4) {
        let (at, lasts) = (dice.below(trouble * 500), dice.below(trouble * 1000));
        let (agent, wish) = (dice.below(site.agents.into()) as u8, wish(dice));
        actions.push(until_calm(Timed { at, lasts, action: Action::Wish { agent, wish } }, trouble));
    }
    actions
}

/// Three sums of which any two are harmless, and each of which some peers deny: together they would single out the agent
/// that is alone on its floor.
pub(super) fn conspiracy(dice: &mut Dice<'_>, site: &Shape, trouble: u64) -> Vec<Timed> {
    let floors = [None, Some(1), Some(2)];
    let ask = |(query, floor): (u8, Option<u8>)| Ask {
        floor,
        allow: (1..=site.peers).filter(|peer| peer % 3 != query).collect(),
        ..sum(query, site)
    };
    let asks = (0..).zip(floors).map(ask);
    let timed =
        asks.map(|ask| Timed { at: dice.below(600), lasts: trouble * 1000, action: Action::Ask(ask) });
    timed.map(|timed| until_calm(timed, trouble)).collect()
}

fn until_calm(timed: Timed, trouble: u64) -> Timed {
    Timed { lasts: timed.lasts.min((trouble * 1000).saturating_sub(timed.at)), ..timed }
}

fn sum(query: u8, site: &Shape) -> Ask {
    Ask {
        query,
        function: "sum".to_owned(),
        floor: None,
        minimum: site.minimum,
        every: 1,
        once: false,
        purpose: PURPOSES[0].to_owned(),
        allow: Vec::new(),
        leave: Vec::new(),
    }
}

fn ask(dice: &mut Dice<'_>, site: &Shape) -> Ask {
    let mut ask = Ask {
        function: dice.of(&FUNCTIONS).to_owned(),
        floor: dice.of(&[None, None, Some(1), Some(2)]),
        minimum: if dice.one_in(3) { site.minimum + dice.below(3) as u32 } else { site.minimum },
        every: if dice.one_in(4) { 2 } else { 1 },
        once: dice.one_in(5),
        purpose: dice.of(&PURPOSES).to_owned(),
        ..sum(dice.below(QUERIES) as u8, site)
    };
    for peer in 1..=site.peers {
        match dice.below(8) {
            0 => ask.leave.push(peer),
            1 => {}
            _ => ask.allow.push(peer),
        }
    }
    ask
}

fn intervention(dice: &mut Dice<'_>, site: &Shape) -> Action {
    let query = dice.below(QUERIES) as u8;
    if dice.one_in(5) {
        return Action::Cancel { query };
    }
    let verbs =
        [Verb::Approve, Verb::Approve, Verb::Deny, Verb::Pause, Verb::Pause, Verb::Resume, Verb::Withdraw];
    Action::Order { peer: 1 + dice.below(site.peers.into()) as u8, query, verb: dice.of(&verbs) }
}

fn wish(dice: &mut Dice<'_>) -> Wish {
    let purpose = dice.of(&PURPOSES).to_owned();
    match dice.below(5) {
        0 => Wish::AtLeast { agents: 3 + dice.below(5) as u16 },
        1 => Wish::For { purpose },
        2 => Wish::Function { name: dice.of(&FUNCTIONS).to_owned() },
        3 => Wish::NotFor { purpose },
        _ => Wish::Over,
    }
}
