//! What the owners of agents want, as people would say it; and what that means for a query, told apart from smc-core's own
//! reading of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use smc_core::function::Query;
use smc_core::protocol::terms::Terms;

use super::NOON;

/// An agent's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "wish")]
pub enum Wish {
    /// In no result of fewer agents.
    AtLeast {
        /// How many.
        agents: u16,
    },
    /// For this purpose and no other.
    For {
        /// Which.
        purpose: String,
    },
    /// In results of this function alone.
    Function {
        /// Which.
        name: String,
    },
    /// For any purpose but this one.
    NotFor {
        /// Which.
        purpose: String,
    },
    /// In no result any more.
    Over,
}

impl Wish {
    /// As the agent sends it.
    pub fn terms(&self) -> Terms {
        let terms = Terms::default();
        match self {
            Self::AtLeast { agents } => Terms::of_at_least(*agents),
            Self::For { purpose } => terms.allow_purpose(purpose).unwrap(),
            Self::Function { name } => terms.only_functions([name.as_str()]).unwrap(),
            Self::NotFor { purpose } => terms.refuse_purpose(purpose).unwrap(),
            Self::Over => terms.not_after(NOON - Duration::from_secs(60)),
        }
    }

    /// Whether the agent takes no part in results of `query`.
    pub fn declines(&self, query: &Query) -> bool {
        match self {
            Self::AtLeast { .. } => false,
            Self::For { purpose } => query.purpose != *purpose,
            Self::Function { name } => query.function.entry().name != name,
            Self::NotFor { purpose } => query.purpose == *purpose,
            Self::Over => true,
        }
    }
}
