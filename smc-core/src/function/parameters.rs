//! The keys of a query that are a function's own.

use super::FunctionError;
use crate::decimal::Decimal;
use crate::name::{NodeName, QuantityName};

/// What a query gives its function. A function takes what it knows; what is left over is an error.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters {
    /// A threshold: readings above it, or a mean above it.
    pub above: Option<Decimal>,
    /// The agent whose own reading is asked about.
    pub agent: Option<NodeName>,
    /// How often something has to occur.
    pub at_least: Option<u64>,
    /// A threshold: readings below it.
    pub below: Option<Decimal>,
    /// Ascending edges of a histogram's bins.
    pub edges: Option<Vec<Decimal>>,
    /// How many.
    pub k: Option<u64>,
    /// A quantile, from 0 to 1.
    pub q: Option<Decimal>,
    /// The second quantity.
    pub with: Option<QuantityName>,
}

impl Parameters {
    /// Refuses whatever no function has taken.
    pub(super) fn finish(self, function: &'static str) -> Result<(), FunctionError> {
        let Self { above, agent, at_least, below, edges, k, q, with } = self;
        let left = [
            ("above", above.is_some()),
            ("agent", agent.is_some()),
            ("at_least", at_least.is_some()),
            ("below", below.is_some()),
            ("edges", edges.is_some()),
            ("k", k.is_some()),
            ("q", q.is_some()),
            ("with", with.is_some()),
        ];
        match left.into_iter().find(|&(_, given)| given) {
            Some((parameter, _)) => Err(FunctionError::Superfluous { function, parameter }),
            None => Ok(()),
        }
    }
}
