//! What an agent's file says of a stream (`[stream.NAME]`).

use serde::Deserialize;
use smc_core::name::StreamName;
use smc_core::quantity::Quantity;
use smc_core::roster::Span;

/// `[stream.NAME]`: what a window makes of the stream's readings, and which of them are plausible.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamRules {
    /// What is made of the readings since the agent spoke last.
    #[serde(default)]
    pub window: WindowFunction,
    /// The least plausible reading, in the quantity's unit.
    #[serde(default)]
    pub minimum: Option<f64>,
    /// The greatest plausible reading.
    #[serde(default)]
    pub maximum: Option<f64>,
    /// By how much a reading may differ from the one before it within a minute; in proportion after a longer silence.
    #[serde(default)]
    pub change_per_minute: Option<f64>,
    /// After how long of exactly the same reading the sensor counts as stuck.
    #[serde(default)]
    pub stuck_after: Option<Span>,
}

/// What is made of the readings of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WindowFunction {
    /// How many of them were not 0: events.
    Count,
    /// The last one.
    #[default]
    Last,
    /// The greatest.
    Max,
    /// Their mean, each counting the same.
    Mean,
}

/// Rules that make no sense.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RulesError {
    /// A range without numbers.
    #[error("[stream.{stream}]: `minimum` = {minimum} must be below `maximum` = {maximum}")]
    EmptyRange {
        /// The stream.
        stream: StreamName,
        /// Its least plausible reading.
        minimum: f64,
        /// Its greatest.
        maximum: f64,
    },
    /// There are rules for a stream that the agent does not have.
    #[error("[stream.{stream}]: the agent has no such stream: correct the name, or add it to the site file")]
    ForeignStream {
        /// The stream.
        stream: StreamName,
    },
    /// A limit that is none.
    #[error("[stream.{stream}]: `{key}` = {value}: it must be a number{}", if *.key == "change_per_minute" { " above 0" } else { "" })]
    NoLimit {
        /// The stream.
        stream: StreamName,
        /// The limit.
        key: &'static str,
        /// What it says.
        value: f64,
    },
    /// Rules are for single numbers.
    #[error(
        "[stream.{stream}]: its readings are vectors, of which nothing is checked or made here: remove the table"
    )]
    Vector {
        /// The stream.
        stream: StreamName,
    },
}

impl StreamRules {
    /// Whether these rules make sense for a stream of `quantity`.
    ///
    /// # Errors
    /// The first thing that does not.
    pub(super) fn check(&self, stream: &StreamName, quantity: &Quantity) -> Result<(), RulesError> {
        if quantity.is_vector() {
            return Err(RulesError::Vector { stream: stream.clone() });
        }
        for (key, value, is_positive) in [
            ("change_per_minute", self.change_per_minute, true),
            ("maximum", self.maximum, false),
            ("minimum", self.minimum, false),
        ] {
            let is_limit = |value: f64| value.is_finite() && (value > 0.0 || !is_positive);
            if let Some(value) = value.filter(|&value| !is_limit(value)) {
                return Err(RulesError::NoLimit { stream: stream.clone(), key, value });
            }
        }
        match (self.minimum, self.maximum) {
            (Some(minimum), Some(maximum)) if minimum >= maximum => {
                Err(RulesError::EmptyRange { stream: stream.clone(), minimum, maximum })
            }
            _ => Ok(()),
        }
    }
}
