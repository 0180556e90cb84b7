//! The values of results, as JSON has them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::decimal::Decimal;

/// What a function yields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// Several values in an order that means something.
    List(Vec<Value>),
    /// What the readings leave undetermined, such as the slope through one point: `null`.
    Nothing,
    /// A number.
    Number(Number),
    /// Several values with names.
    Record(BTreeMap<String, Value>),
    /// A name.
    Text(String),
}

impl Value {
    /// The number that this is, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.get()),
            _ => None,
        }
    }

    /// A record of these parts.
    pub fn record<const N: usize>(parts: [(&str, Self); N]) -> Self {
        Self::Record(parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Decimal> for Value {
    fn from(decimal: Decimal) -> Self {
        Self::Number(Number(decimal.to_f64()))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(Number(number)) => number.fmt(f),
            other => f.pad(&serde_json::to_string(other).unwrap_or_default()),
        }
    }
}

/// A number as JSON has it: whole numbers without a fraction, all others in their shortest form.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Number(f64);

impl Number {
    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Beyond 2^53 not every whole number is a float.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() < EXACT {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}
