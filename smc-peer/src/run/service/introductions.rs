//! Who agents and clients say that they are: for the operator to see, nothing depends on it.

use smc_core::introduction::IntroductionError;

use super::*;

impl Service {
    /// Takes in how `node` introduces itself, as often as it may say anything.
    pub(in crate::run) fn handle_introduction(&mut self, node: &NodeName, payload: &Bytes) {
        let now = self.clock.now();
        let within = match self.roster.agent_named(node.as_str()) {
            Some(agent) => self.quotas.agent(now, agent, payload.len()),
            None => self.quotas.client(now, node),
        };
        if let Err(excess) = within {
            return self.refuse_excess(excess, node);
        }
        if self.roster.client(node).is_some() {
            self.expect_again();
        }
        // The page shows it with what comes next: where agents are many, all of them introduce themselves at once.
        match self.introductions.take(now, node, payload) {
            Ok(()) => {}
            // Who is new may go on with the list that names it a little before this peer does.
            Err(IntroductionError::Stranger | IntroductionError::Unsigned)
                if self.moving.keep_introduction(node, payload) => {}
            Err(_) => self.refuse("bad_introduction", node.as_str()),
        }
    }
}
