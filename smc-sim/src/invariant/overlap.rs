//! docs/protocol.md, 4.7: no two results of one quantity and window cover cohorts that differ by fewer agents with a fresh
//! reading than the strictest minimum of both; nor do they have fewer in common.

use std::collections::{BTreeMap, BTreeSet};

use smc_core::name::QueryName;
use smc_core::roster::{AgentIndex, QuantityIndex};
use smc_core::time::WindowIndex;

use super::{Cursor, Invariant, View, values};

/// Whom a result covers.
struct Scope {
    query: QueryName,
    agents: BTreeSet<AgentIndex>,
    minimum: u32,
}

/// Any two values.
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
            let (lanes, window) = (view.lanes(told)?, told.signed.result.window.index);
            let ((_, query), name) = (view.query(told), &told.signed.result.query);
            let minimum =
                lanes.iter().map(|lane| u32::from(lane.member.terms.minimum_cohort)).max().unwrap_or(0);
            let minimum = minimum.max(query.minimum_cohort);
            let agents: BTreeSet<_> = lanes.iter().map(|lane| lane.agent).collect();
            // Of a quantity, fresh is whoever spoke in this window.
            let plan = view.plan(told.peer, query.quantity, window).ok_or("a value without a plan")?;
            let fresh = plan.cohort.iter().filter(|member| member.window == window);
            let fresh: BTreeSet<_> =
                fresh.map(|member| view.agent_of(query.quantity, member.stream)).collect();
            let others = self.released.entry((query.quantity, window)).or_default();
            for other in others.iter().filter(|other| other.query != *name) {
                let minimum = minimum.max(other.minimum);
                let parts = [&agents - &other.agents, &other.agents - &agents, &agents & &other.agents];
                let small = |part: &BTreeSet<_>| !part.is_empty() && ((part & &fresh).len() as u32) < minimum;
                if let Some(small) = parts.iter().find(|part| small(part)) {
                    let few = (small & &fresh).len();
                    return Err(format!("{name} and {} in {window}: {few} of {minimum} fresh", other.query));
                }
            }
            if others.iter().all(|other| other.query != *name) {
                others.push(Scope { query: name.clone(), agents, minimum });
            }
        }
        Ok(())
    }
}
