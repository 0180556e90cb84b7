//! docs/protocol.md, 4.4 and 4.6: one plan is agreed per quantity and window; and all cohorts of an epoch have the same
//! members, but for those that were found to lie.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smc_core::name::NodeName;
use smc_core::peer::Blame;
use smc_core::protocol::plan::Plan;
use smc_core::roster::{AgentIndex, QuantityIndex};
use smc_core::time::WindowIndex;

use super::{Cursor, Invariant, View};

/// At all honest peers, across restarts.
#[derive(Default)]
pub(super) struct OneCohort {
    agreed: Cursor,
    plans: BTreeMap<(QuantityIndex, WindowIndex), Arc<Plan>>,
    epochs: BTreeMap<(QuantityIndex, u64), BTreeSet<AgentIndex>>,
}

impl Invariant for OneCohort {
    fn name(&self) -> &'static str {
        "one cohort"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        for (peer, quantity, window, plan) in self.agreed.unread(&view.world.log.agreed) {
            if !view.is_honest(*peer) {
                continue;
            }
            let first = self.plans.entry((*quantity, *window)).or_insert_with(|| Arc::clone(plan));
            if first != plan {
                return Err(format!("two plans were agreed in {window}: {first:?} and, at {peer}, {plan:?}"));
            }
            let epoch = view.epoch(*window);
            let members = plan.cohort.iter().map(|member| view.agent_of(*quantity, member.stream));
            let members: BTreeSet<_> = members.collect();
            let first = self.epochs.entry((*quantity, epoch)).or_insert_with(|| members.clone());
            let differ = first.symmetric_difference(&members);
            let found = found_to_lie(view, epoch);
            let name = |agent: &AgentIndex| view.world.roster.agent(*agent).node.name.clone();
            if let Some(agent) = differ.map(name).find(|agent| !found.contains(agent)) {
                return Err(format!("the cohort changed within epoch {epoch}, in {window}, by {agent}"));
            }
        }
        Ok(())
    }
}

fn found_to_lie(view: &View<'_>, epoch: u64) -> BTreeSet<NodeName> {
    let found = view.world.log.blamed.iter().filter_map(|(_, blame)| match blame {
        Blame::InvalidInput { agent, window } if view.epoch(*window) == epoch => Some(agent.clone()),
        _ => None,
    });
    found.collect()
}
