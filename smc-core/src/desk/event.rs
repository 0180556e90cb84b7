//! What comes out of the desk.

use std::sync::Arc;

use super::Saved;
use crate::name::QueryName;
use crate::request::{Decision, Verdict};
use crate::session::{Session, SessionError};

/// The next thing to do or to tell.
#[derive(Debug, Clone, PartialEq)]
pub enum DeskEvent {
    /// Why nothing comes of something: to be signed and published, not retained.
    Answered {
        /// The answer.
        decision: Decision,
    },
    /// How a query stands from now on: to be written down, signed, logged, and published retained.
    Decided {
        /// What to write down.
        saved: Box<Saved>,
        /// The decision.
        decision: Decision,
    },
    /// Nobody has to know of a query any more: what was written down and published can be cleared.
    Forget {
        /// Its name.
        query: QueryName,
    },
    /// To be handed to the peer: it computes the session, or only knows of it.
    Start {
        /// The session.
        session: Arc<Session>,
        /// Whether it computes it.
        computed: bool,
    },
    /// To be handed to the peer: nobody computes the session any more.
    Withdraw {
        /// Its name.
        query: QueryName,
    },
}

/// Why an order of the operator was not followed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OrderRefused {
    /// The site can't compute it.
    #[error("the site can't compute this query")]
    NoSession,
    /// It stands where this order makes no sense.
    #[error("that is not possible for a query that is {have}")]
    NotNow {
        /// How it stands.
        have: Verdict,
    },
    /// It does not go with what runs.
    #[error(transparent)]
    Session(SessionError),
    /// No such query.
    #[error("no query of this name is known here")]
    Unknown,
}
