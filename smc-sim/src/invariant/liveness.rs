//! Once nothing is disturbed any more, every query has a value of all peers in the first windows of the next cohort epoch.
//!
//! That is the bound, one window and what is left of its epoch: a peer that comes back without a memory takes no part in the
//! running window; and what is left of the epoch in which the disturbance ended may be lost, for its cohort is frozen and may
//! be in doubt.

use smc_core::result::Status;

use super::{Invariant, View};

/// Looked at when all is over.
#[derive(Default)]
pub(super) struct Liveness;

impl Invariant for Liveness {
    fn name(&self) -> &'static str {
        "liveness"
    }

    fn check(&mut self, _: &View<'_>) -> Result<(), String> {
        Ok(())
    }

    fn finish(&mut self, view: &View<'_>) -> Result<(), String> {
        let (world, peers) = (view.world, usize::from(view.schedule.site.peers));
        for (window, (_, query)) in
            view.schedule.calm().flat_map(|window| world.roster.queries().map(move |query| (window, query)))
        {
            let published = world.published(query.name.as_str(), window);
            let ok = |result: &&&smc_core::result::SignedResult| {
                result.result.status == Status::Ok && result.result.peers.len() == peers
            };
            if published.iter().find(ok).is_none() {
                let reasons: Vec<_> = published.iter().map(|signed| &signed.result.reason).collect();
                return Err(format!("{} has no value of all in window {window}: {reasons:?}", query.name));
            }
        }
        Ok(())
    }
}
