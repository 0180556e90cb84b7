//! The connections by which a peer's shares come, as its status tells of them.

use serde::{Deserialize, Serialize};

/// One of several connections of a peer, among which the broker divides its shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// Its client id; that of the first is the peer's name.
    pub client: String,
    /// How it stands.
    pub state: WorkerState,
    /// How many messages on topics of shares came by it since the peer started.
    pub shares: u64,
    /// How often it broke after it had begun to take a part.
    pub broke: u64,
}

/// How a connection stands to the shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// It takes all of them.
    Alone,
    /// It is not connected.
    Away,
    /// The broker does not let it take a part; it is given up until the peer starts again.
    Refused,
    /// It takes a part of them.
    Shared,
}

impl Worker {
    /// One that is not connected yet.
    pub fn new(client: String) -> Self {
        Self { client, state: WorkerState::Away, shares: 0, broke: 0 }
    }
}
