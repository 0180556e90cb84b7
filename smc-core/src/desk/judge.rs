//! Who decides about requests that the site could compute: the peer's policy.

use crate::request::Request;
use crate::session::Session;
use crate::time::Timestamp;

/// A peer's policy.
pub trait Judge {
    /// What is to become of `request`, of which `session` would be computed.
    fn judge(&mut self, request: &Request, session: &Session, running: Running, now: Timestamp) -> Judgement;
}

/// How many asked-for queries a peer computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Of all clients.
    pub all: usize,
    /// Of the client that asks.
    pub client: usize,
}

/// What is to become of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What.
    pub outcome: Outcome,
    /// Why, for the client and whoever looks.
    pub reason: String,
    /// The rule that decided.
    pub rule: Option<String>,
}

impl Judgement {
    /// It will not be computed.
    pub fn deny(reason: String) -> Self {
        Self { outcome: Outcome::Deny, reason, rule: None }
    }
}

/// How a policy can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Computed.
    Allow,
    /// The operator has to say.
    Ask,
    /// Not computed.
    Deny,
}
