//! docs/protocol.md, 4.9: a value is that of the plain computation over exactly its stated cohort, or there is none.
//!
//! Not held to it, as docs/threat-model.md says: values that are not verified, where a liar among the peers took part; and
//! values that are not validated, over inputs that are not what they claim to be.

use smc_core::quantity::Quantity;
use smc_core::roster::QuantityIndex;
use smc_core::time::WindowIndex;

use super::{Cursor, Invariant, Lane, View, values};
use crate::plain::{self, Case};
use crate::world::{Told, vector};

/// All values told by honest peers.
#[derive(Default)]
pub(super) struct Values {
    told: Cursor,
}

impl Invariant for Values {
    fn name(&self) -> &'static str {
        "plain values"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        for told in values(view, self.told.unread(&view.world.log.results)) {
            let lanes = view.lanes(told)?;
            counts(told, &lanes)?;
            if !is_excused(view, told, &lanes) {
                value(view, told, &lanes)?;
            }
        }
        Ok(())
    }
}

fn counts(told: &Told, lanes: &[Lane]) -> Result<(), String> {
    let result = &told.signed.result;
    let fresh = lanes.iter().filter(|lane| lane.is_fresh(result.window.index)).count() as u32;
    let have = (result.cohort, result.fresh, result.carried);
    let want = (lanes.len() as u32, fresh, lanes.len() as u32 - fresh);
    if have == want { Ok(()) } else { Err(format!("{result:?} states {have:?}, not {want:?}")) }
}

fn is_excused(view: &View<'_>, told: &Told, lanes: &[Lane]) -> bool {
    let result = &told.signed.result;
    let roster = &view.world.roster;
    let a_liar = |(index, peer): (_, &smc_core::roster::Node)| {
        view.world.liars.contains(index) && result.peers.contains(&peer.name)
    };
    let indices = roster.sharing().indices();
    let unverified = !result.verified && indices.filter_map(|i| Some((i, roster.peer(i)?))).any(a_liar);
    let lied = |lane: &Lane| {
        let windows = [Some(lane.member.window), lane.with.map(|with| with.window)];
        windows.into_iter().flatten().any(|window| view.lied.contains(&(lane.agent.at(), window)))
    };
    unverified || (!result.validated && lanes.iter().any(lied))
}

fn value(view: &View<'_>, told: &Told, lanes: &[Lane]) -> Result<(), String> {
    let (session, result) = (view.told_of(told)?, &told.signed.result);
    let query = session.query();
    if query.audience.is_some() {
        return Ok(());
    }
    let members = |of: fn(&Lane) -> Option<(usize, WindowIndex)>| lanes.iter().filter_map(of);
    let own = members(|lane| Some((lane.agent.at(), lane.member.window)));
    let with = members(|lane| Some((lane.agent.at(), lane.with?.window)));
    let quantity = |index: QuantityIndex| view.world.roster.quantity(index).quantity.clone();
    let read = |quantity: &Quantity, of: Vec<(usize, WindowIndex)>| -> Result<Vec<u64>, String> {
        let steps = of.into_iter().map(|(agent, window)| steps(view, quantity, agent, window));
        Ok(steps.collect::<Result<Vec<_>, _>>()?.concat())
    };
    let mut case = Case::new(
        query.function.entry().name,
        quantity(query.quantity),
        read(&quantity(query.quantity), own.collect())?,
    );
    case.parameters = query.parameters.clone();
    case.agents = lanes.iter().map(|lane| view.world.roster.agent(lane.agent).node.name.clone()).collect();
    case.own = query.agent.and_then(|own| lanes.iter().position(|lane| lane.agent == own));
    if let Some(second) = query.with {
        case.with = read(&quantity(second), with.collect())?;
        case.with_quantity = Some(quantity(second));
    }
    let want = plain::value(&case);
    match &result.value {
        Some(have) if plain::same(case.function, have, &want) => Ok(()),
        have => Err(format!("{} in {}: {have:?}, not {want:?}", result.query, result.window.index)),
    }
}

/// What an agent read, as steps; of a vector one per element.
fn steps(
    view: &View<'_>,
    quantity: &Quantity,
    agent: usize,
    window: WindowIndex,
) -> Result<Vec<u64>, String> {
    let reading = (view.world.readings)(agent, view.world.since_noon(window));
    let reading = reading.ok_or_else(|| format!("agent {agent} read nothing in {window}"))?;
    let elements = if quantity.is_vector() { vector(reading, quantity) } else { vec![reading] };
    // The simulator's quantities count from 0 in steps of 1.
    Ok(elements.into_iter().map(|element| element as u64).collect())
}
