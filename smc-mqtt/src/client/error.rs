//! What can go wrong with asking.

use smc_core::name::{NodeName, QueryName};
use smc_core::request::RequestError;

use crate::connection::PublishRefused;

/// Why nothing was asked, or taken back. The one who asks is to blame, unless the connection is.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It has no JSON form.
    #[error("the document can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// There is nothing to take back.
    #[error("`{query}` is no request of yours that the broker still has; `murmur queries` lists them")]
    NotAsked {
        /// What was named.
        query: QueryName,
    },
    /// Peers verify requests by a key that the site does not state.
    #[error(
        "`{node}` with this key may not ask: the site file needs a [[client]] `{node}` with `identity = \"{identity}\"`"
    )]
    NotAClient {
        /// The name.
        node: NodeName,
        /// The key that it has.
        identity: String,
    },
    /// The message was not taken for sending.
    #[error("not sent: {0}")]
    NotSent(#[from] PublishRefused),
    /// No peer would read it as a request.
    #[error(transparent)]
    Request(#[from] RequestError),
}
