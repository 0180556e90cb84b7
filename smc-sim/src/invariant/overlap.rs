//! docs/protocol.md, 4.7: whatever is added to or subtracted from the results of one quantity and window tells about no
//! fewer agents with a fresh reading than the strictest minimum of those that cover them: no two differ by fewer, and no more
//! of them together single anybody out. Told from the results alone, whatever the rule was that let them be released.

use std::collections::{BTreeMap, BTreeSet};

use smc_core::name::QueryName;
use smc_core::roster::{AgentIndex, QuantityIndex};
use smc_core::time::WindowIndex;

use super::{Cursor, Invariant, Lane, View, values};
use crate::world::Told;

/// Whom a result covers.
struct Scope {
    query: QueryName,
    agents: BTreeSet<AgentIndex>,
    minimum: u32,
}

/// All values of a window together.
#[derive(Default)]
pub(super) struct Overlap {
    told: Cursor,
    released: BTreeMap<(QuantityIndex, WindowIndex), Vec<Scope>>,
}

impl Invariant for Overlap {
    fn name(&self) -> &'static str {
        "overlap"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        for told in values(view, self.told.unread(&view.world.log.results)) {
            let (lanes, session) = (view.lanes(told)?, view.told_of(told)?);
            let scope = |query: &smc_core::function::Query| Scope {
                query: query.name.clone(),
                agents: lanes.iter().map(|lane| lane.agent).collect(),
                minimum: demand(&lanes).max(query.minimum_cohort),
            };
            let query = session.query();
            for quantity in [Some(query.quantity), query.with].into_iter().flatten() {
                self.release(view, told, quantity, scope(query))?;
            }
        }
        Ok(())
    }
}

impl Overlap {
    fn release(
        &mut self,
        view: &View<'_>,
        told: &Told,
        quantity: QuantityIndex,
        scope: Scope,
    ) -> Result<(), String> {
        let window = told.signed.result.window.index;
        let released = self.released.entry((quantity, window)).or_default();
        if released.iter().any(|other| other.query == scope.query) {
            return Ok(());
        }
        released.push(scope);
        // Of a quantity, fresh is whoever spoke in this window.
        let plan = view.plan(told.peer, quantity, window).ok_or("a value without a plan")?;
        let fresh = plan.cohort.iter().filter(|member| member.window == window);
        let fresh: BTreeSet<_> = fresh.map(|member| view.agent_of(quantity, member.stream)).collect();
        pairs(released, &fresh)
            .and_then(|()| atoms(released, &fresh))
            .map_err(|what| format!("in {window}: {what}"))
    }
}

fn demand(lanes: &[Lane]) -> u32 {
    let demands = lanes.iter().flat_map(Lane::members).map(|member| u32::from(member.terms.minimum_cohort));
    demands.max().unwrap_or(0)
}

/// The newest result beside each of the others.
fn pairs(released: &[Scope], fresh: &BTreeSet<AgentIndex>) -> Result<(), String> {
    let Some((newest, others)) = released.split_last() else { return Ok(()) };
    for other in others.iter().filter(|other| !other.agents.is_disjoint(&newest.agents)) {
        let minimum = newest.minimum.max(other.minimum);
        let (a, b) = (&newest.agents, &other.agents);
        let small = |part: &BTreeSet<_>| !part.is_empty() && ((part & fresh).len() as u32) < minimum;
        if let Some(small) = [a - b, b - a, a & b].iter().find(|part| small(part)) {
            let few = (small & fresh).len();
            return Err(format!("{} and {}: {few} of {minimum} fresh", newest.query, other.query));
        }
    }
    Ok(())
}

/// Agents that the very same results cover always appear together; others can be told apart.
fn atoms(released: &[Scope], fresh: &BTreeSet<AgentIndex>) -> Result<(), String> {
    let mut atoms: BTreeMap<Vec<&QueryName>, (u32, u32)> = BTreeMap::new();
    for agent in released.iter().flat_map(|scope| &scope.agents).collect::<BTreeSet<_>>() {
        let covering: Vec<_> = released.iter().filter(|scope| scope.agents.contains(agent)).collect();
        let minimum = covering.iter().map(|scope| scope.minimum).max().unwrap_or(0);
        let atom = atoms.entry(covering.iter().map(|scope| &scope.query).collect()).or_insert((0, minimum));
        atom.0 += u32::from(fresh.contains(agent));
    }
    match atoms.iter().find(|(_, (have, minimum))| have < minimum) {
        None => Ok(()),
        Some((queries, (have, minimum))) => {
            Err(format!("only {queries:?} cover {have} fresh agents, fewer than {minimum}"))
        }
    }
}
