//! Nobody is named who followed the protocol: agents only if they lied, or where a peer may have lied about them.

use smc_core::peer::Blame as Named;

use super::{Cursor, Invariant, View};

/// What honest peers say about agents; and about peers, where none lies.
#[derive(Default)]
pub(super) struct Blame {
    blamed: Cursor,
}

impl Invariant for Blame {
    fn name(&self) -> &'static str {
        "blame"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        for (at, blame) in self.blamed.unread(&view.world.log.blamed) {
            // A liar among the peers can have others named: docs/threat-model.md.
            if !view.is_honest(*at) || !view.world.liars.is_empty() {
                continue;
            }
            let fair = match blame {
                Named::Equivocation { agent, .. } | Named::InvalidInput { agent, .. } => {
                    let agents = view.world.roster.agents();
                    let agent = agents.iter().position(|known| known.node.name == *agent);
                    view.lied.iter().any(|&(liar, _)| Some(liar) == agent)
                }
                // Among peers an agent's false shares look like the peer's.
                Named::FalsePartial { .. } => !view.lied.is_empty(),
                Named::OtherResult { .. } => false,
                // A peer that restarts while its clock is off may say another thing than in its life before.
                Named::TwoFaced { .. } => true,
            };
            if !fair {
                return Err(format!("{at} says: {blame:?}"));
            }
        }
        Ok(())
    }
}
