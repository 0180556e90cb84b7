//! One point of a grid, and how it is told from others.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::parameters::Parameters;

/// The keys of [`Parameters`], in their order.
pub const KEYS: [&str; 18] = [
    "peers",
    "threshold",
    "agents",
    "streams",
    "function",
    "bits",
    "cores",
    "frequency_mhz",
    "cpu_percent",
    "latency_ms",
    "jitter_ms",
    "rate_mbit_s",
    "loss_percent",
    "reorder_percent",
    "batch",
    "sessions",
    "broker",
    "tls",
];

/// One point of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its name, the same in every scenario.
    pub id: PointId,
    /// Where it lies.
    pub parameters: Parameters,
}

/// A point's name: the beginning of a digest of its parameters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PointId(String);

impl fmt::Display for PointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Point {
    /// The point with these parameters.
    pub fn new(parameters: Parameters) -> Self {
        Self { id: PointId(digest(&parameters)), parameters }
    }

    /// The parameters called `keys`, for people; all defaults say so.
    pub fn differs(&self, keys: &[String]) -> String {
        match keys {
            [] => "of the scenario".to_owned(),
            keys => keys
                .iter()
                .map(|key| format!("{key} = {}", value_of(&self.parameters, key)))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

/// The value of one key as text; empty where there is none.
pub fn value_of(parameters: &Parameters, key: &str) -> String {
    match serde_json::to_value(parameters).ok().as_ref().and_then(|all| all.get(key)) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        // 5.0 is 5 to people.
        Some(Value::Number(number)) => number.as_f64().map(|number| number.to_string()).unwrap_or_default(),
        Some(other) => other.to_string(),
    }
}

/// The first 12 hexadecimal digits of the SHA-256 digest of the canonical JSON: two points of a grid have the same with a
/// probability of 1 in 10^10 at most.
pub(super) fn digest(of: &impl Serialize) -> String {
    // What is digested here are plain tables of finite numbers, which are always JSON.
    let canonical = serde_json_canonicalizer::to_vec(of).unwrap_or_default();
    Sha256::digest(canonical).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
