//! docs/protocol.md, 4.3 and 4.7: a result covers nobody whose owner wanted no part in it, nobody is left out without having
//! said so in this epoch, and it states how many these are.
//!
//! What owners wanted is told from their words here, not from the terms that the peers saw.

use super::{Cursor, Invariant, Lane, View, values};
use crate::world::Wish;
use smc_core::function::Query;
use smc_core::time::WindowIndex;

/// Of all values told by honest peers.
#[derive(Default)]
pub(super) struct Declined {
    told: Cursor,
}

impl Invariant for Declined {
    fn name(&self) -> &'static str {
        "declined"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        for told in values(view, self.told.unread(&view.world.log.results)) {
            let (result, session) = (&told.signed.result, view.told_of(told)?);
            let ((covered, left_out), query) = (view.lanes_and_declined(told)?, session.query());
            // The simulator's agents have one stream of each quantity.
            let (have, want) = ((result.cohort, result.declined), (covered.len(), left_out.len()));
            let in_window = |what| Err(format!("{} in {}: {what}", result.query, result.window.index));
            if have != (want.0 as u32, want.1 as u32) {
                return in_window(format!("cohort and declined are {have:?}, not {want:?}"));
            }
            if let Some(lane) = covered.iter().find(|lane| must_decline(view, query, lane)) {
                return in_window(format!("it covers {:?}, whose owner wants no part in it", lane.agent));
            }
            if let Some(lane) =
                left_out.iter().find(|lane| !may_decline(view, query, lane, result.window.index))
            {
                return in_window(format!("it leaves out {:?}, whose owner wants no such thing", lane.agent));
            }
        }
        Ok(())
    }
}

/// Whether all of P were told with the reading that stands for an agent that it wants no part in it.
fn must_decline(view: &View<'_>, query: &Query, lane: &Lane) -> bool {
    let declines = |window| wish(view, lane, window).is_some_and(|wish| wish.declines(query));
    lane.members().any(|member| !has_lied(view, lane, member.window) && declines(member.window))
}

/// Whether one of P may know from any reading of this epoch that an agent wants no part in it.
fn may_decline(view: &View<'_>, query: &Query, lane: &Lane, window: WindowIndex) -> bool {
    let epoch = view.epoch(window);
    let said = (0..=window.0).rev().map(WindowIndex).take_while(|&window| view.epoch(window) == epoch);
    let declines = |window| wish(view, lane, window).is_some_and(|wish| wish.declines(query));
    said.into_iter().any(|window| has_lied(view, lane, window) || declines(window))
}

fn wish<'a>(view: &View<'a>, lane: &Lane, window: WindowIndex) -> Option<&'a Wish> {
    view.world.log.wished.get(&(lane.agent.at(), window))
}

fn has_lied(view: &View<'_>, lane: &Lane, window: WindowIndex) -> bool {
    view.lied.contains(&(lane.agent.at(), window))
}
