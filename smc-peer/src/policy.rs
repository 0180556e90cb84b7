//! The peer's policy as its desk asks it.

use smc_core::desk::{Judge, Judgement, Outcome, Running};
use smc_core::request::Request;
use smc_core::session::Session;
use smc_core::time::Timestamp;

/// What decides about requests.
#[derive(Debug, Default)]
pub(crate) struct Policy;

impl Judge for Policy {
    fn judge(&mut self, _: &Request, _: &Session, _: Running, _: Timestamp) -> Judgement {
        let reason = "waits for the operator of this peer".to_owned();
        Judgement { outcome: Outcome::Ask, reason, rule: None }
    }
}
