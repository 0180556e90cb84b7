//! How much of the machine a process may use.

use serde::{Deserialize, Serialize};

use crate::Parameters;

/// What a process may use of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Cores, of the last ones that this program may use; none: all.
    pub cores: Option<u32>,
    /// CPU time, in percent of one core: what stands for a lower frequency; none: all.
    pub cpu_percent: Option<u32>,
}

impl Limits {
    /// No limits.
    pub const NONE: Self = Self { cores: None, cpu_percent: None };
}

impl From<&Parameters> for Limits {
    fn from(parameters: &Parameters) -> Self {
        Self { cores: parameters.cores, cpu_percent: parameters.cpu_percent }
    }
}
