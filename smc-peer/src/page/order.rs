//! What an operator can have done.

use smc_core::name::QueryName;
use smc_core::order::Verb;
use tokio::sync::oneshot;

/// The longest reason, in characters.
pub const MAX_REASON: usize = 200;

/// An order of the operator, with the way back for what came of it.
#[derive(Debug)]
pub struct Order {
    /// What is to be done.
    pub verb: Verb,
    /// With which query.
    pub query: QueryName,
    /// Why, for everybody to read: at most [`MAX_REASON`] characters, without line breaks.
    pub reason: String,
    /// What came of it: nothing, or why it could not be done.
    pub answer: oneshot::Sender<Result<(), String>>,
}
