//! docs/protocol.md, 4.7: no value below the strictest minimum cohort, neither in all nor among fresh readings.

use std::collections::BTreeSet;

use super::{Cursor, Invariant, View, values};

/// The strictest of the site, the query and all agents covered.
#[derive(Default)]
pub(super) struct Minimum {
    told: Cursor,
}

impl Invariant for Minimum {
    fn name(&self) -> &'static str {
        "minimum cohort"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        for told in values(view, self.told.unread(&view.world.log.results)) {
            let (lanes, window) = (view.lanes(told)?, told.signed.result.window.index);
            let demands = lanes.iter().flat_map(|lane| [Some(lane.member), lane.with]);
            let demand =
                demands.flatten().map(|member| u32::from(member.terms.minimum_cohort)).max().unwrap_or(0);
            let minimum =
                demand.max(view.told_of(told)?.query().minimum_cohort).max(view.schedule.site.minimum);
            let agents = |fresh: bool| {
                let lanes = lanes.iter().filter(|lane| !fresh || lane.is_fresh(window));
                lanes.map(|lane| lane.agent).collect::<BTreeSet<_>>().len() as u32
            };
            let (cohort, fresh) = (agents(false), agents(true));
            if fresh < minimum {
                let query = &told.signed.result.query;
                return Err(format!(
                    "{query} in {window} covers {cohort} agents, {fresh} fresh, not {minimum}"
                ));
            }
        }
        Ok(())
    }
}
