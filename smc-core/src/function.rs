//! What may be computed on the readings of a cohort. One file per function; each says what has to be opened, how
//! the value follows from it, and what it reveals.

mod count;
mod mean;
mod sum;

use std::collections::BTreeMap;
use std::fmt;

use crate::decimal::Decimal;
use crate::digest::Digest;
use crate::name::QueryName;
use crate::quantity::Quantity;
use crate::roster::QuantityIndex;

/// A standing query, checked against its site.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Its name, part of its result's topic.
    pub name: QueryName,
    /// What is computed.
    pub function: Function,
    /// Of what.
    pub quantity: QuantityIndex,
    /// Which agents: every label given here must match; empty means all.
    pub scope: BTreeMap<String, String>,
    /// The fewest agents that a result may cover, the site's minimum included.
    pub minimum_cohort: u32,
    /// Why it is asked, for people.
    pub purpose: String,
    /// The digest of all that its results depend on: everything but the purpose.
    pub digest: Digest,
}

impl Query {
    /// Whether an agent with these labels lies in the scope.
    pub fn covers(&self, labels: &BTreeMap<String, String>) -> bool {
        self.scope.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

/// The functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// How many readings there are.
    Count,
    /// Their arithmetic mean.
    Mean,
    /// Their sum.
    Sum,
}

/// What has to be opened for a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    /// Nothing: the agreed cohort says it all.
    Nothing,
    /// The sum of the cohort's readings.
    Sum,
}

/// What the peers know when a function is to be evaluated.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// What was measured.
    pub quantity: &'a Quantity,
    /// How many readings the cohort has; at least one.
    pub readings: u64,
    /// The opened sum of the readings' steps v above the quantity's minimum; 0 where nothing is opened.
    pub sum: u64,
}

impl Function {
    /// All functions, in the order of names.
    pub const ALL: [Self; 3] = [Self::Count, Self::Mean, Self::Sum];

    /// The function called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => count::NAME,
            Self::Mean => mean::NAME,
            Self::Sum => sum::NAME,
        }
    }

    /// What has to be opened.
    pub const fn opens(self) -> Opens {
        match self {
            Self::Count => count::OPENS,
            Self::Mean => mean::OPENS,
            Self::Sum => sum::OPENS,
        }
    }

    /// The unit of its values; empty for a plain number.
    pub fn unit(self, quantity: &Quantity) -> &str {
        match self {
            Self::Count => count::UNIT,
            Self::Mean | Self::Sum => quantity.unit(),
        }
    }

    /// The value; none of no readings.
    pub fn evaluate(self, evidence: &Evidence<'_>) -> Option<Decimal> {
        match self {
            Self::Count => count::evaluate(evidence),
            Self::Mean => mean::evaluate(evidence),
            Self::Sum => sum::evaluate(evidence),
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
