//! What a peer's file says of its policy.

use std::path::PathBuf;

use serde::Deserialize;

use crate::zone::Zone;

/// `[policy]` of a peer's file; `[budget]` is [`crate::Budgets`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// The policy; without one every request asks the operator.
    pub file: Option<PathBuf>,
    /// Where it is that policies' hours and weekdays are told.
    pub zone: Zone,
}
