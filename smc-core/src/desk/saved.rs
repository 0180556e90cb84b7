//! What the desk must not forget: else a restart would decide again, and bring back what was withdrawn.

use serde::{Deserialize, Serialize};

use crate::request::{Decision, Request};

/// A query's last decision, and what was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// What was asked; nothing for a query of the site file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// How it stands.
    pub decision: Decision,
}
