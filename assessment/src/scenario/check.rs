//! Whether a point can be played at all, on whatever machine.

use smc_core::function::{Entry, FunctionError};
use smc_core::shamir::{MAX_BITS, Sharing, SharingError};

use crate::parameters::Parameters;
use crate::rehearsal::{self, RehearsalFailure, Size};

/// A cohort has so many agents at least.
const MIN_AGENTS: u32 = 3;
const MAX_AGENTS: u32 = 10_000;
const MAX_STREAMS: u32 = 1_000;
const MAX_SESSIONS: u32 = 1_000;
/// More readings are not played by one process on one machine.
const MAX_READINGS: u64 = 1_000_000;
/// A delay of ten seconds is longer than any period that is worth the wait.
const MAX_LATENCY_MS: f64 = 10_000.0;
/// Beyond, TCP does not get anywhere.
const MAX_LOSS_PERCENT: f64 = 50.0;

/// Why a point can't be played; the text names the key and what to write.
#[derive(Debug, thiserror::Error)]
pub enum PointError {
    /// A function can't be computed at this point.
    #[error("function = {name:?}: {error}")]
    Function {
        /// Which.
        name: String,
        /// Why.
        error: Box<RehearsalFailure>,
    },
    /// A number is out of its range.
    #[error("{key} = {value}: {must}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        must: String,
    },
    /// Peers and threshold do not fit.
    #[error("peers and threshold: {0}; or write threshold = \"(n-1)/2\"")]
    Sharing(#[from] SharingError),
    /// There is no such function.
    #[error("function: {0}")]
    UnknownFunction(#[from] FunctionError),
}

/// Checks one point.
pub(super) fn point(p: &Parameters) -> Result<(), PointError> {
    Sharing::new(p.peers, p.threshold)?;
    range("agents", p.agents, MIN_AGENTS, MAX_AGENTS)?;
    range("streams", p.streams, 1, MAX_STREAMS)?;
    let readings = u64::from(p.agents) * u64::from(p.streams);
    if readings > MAX_READINGS {
        return Err(out("agents", p.agents, format!("times streams is {readings}; at most {MAX_READINGS}")));
    }
    range("bits", p.bits.into(), 1, MAX_BITS)?;
    range("batch", p.batch, 1, 1_000_000)?;
    range("sessions", p.sessions, 1, MAX_SESSIONS)?;
    if let Some(cores) = p.cores {
        range("cores", cores, 1, 1_024)?;
    }
    if let Some(mhz) = p.frequency_mhz {
        range("frequency_mhz", mhz, 1, 10_000)?;
    }
    if let Some(percent) = p.cpu_percent {
        range("cpu_percent", percent, 1, 102_400)?;
    }
    network(p)?;
    function(p)
}

fn network(p: &Parameters) -> Result<(), PointError> {
    between("latency_ms", p.latency_ms, 0.0, MAX_LATENCY_MS)?;
    // No packet arrives before it was sent.
    between("jitter_ms", p.jitter_ms, 0.0, p.latency_ms)?;
    between("loss_percent", p.loss_percent, 0.0, MAX_LOSS_PERCENT)?;
    between("reorder_percent", p.reorder_percent, 0.0, MAX_LOSS_PERCENT)?;
    match p.rate_mbit_s {
        Some(rate) => between("rate_mbit_s", rate, 0.01, 100_000.0),
        None => Ok(()),
    }
}

/// The function must exist and take readings of these bits and elements; how many there are is a matter of its cost.
fn function(p: &Parameters) -> Result<(), PointError> {
    let entry = Entry::named(&p.function).ok_or_else(|| FunctionError::Unknown(p.function.clone()))?;
    let size = Size {
        agents: p.agents.saturating_mul(p.streams),
        bits: p.bits.into(),
        elements: p.batch,
        peers: p.peers,
        threshold: p.threshold,
    };
    let refused = |error| PointError::Function { name: p.function.clone(), error: Box::new(error) };
    rehearsal::check(entry, size).map_err(refused)
}

fn range(key: &'static str, value: u32, least: u32, most: u32) -> Result<(), PointError> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(out(key, value, format!("write {least} to {most}"))),
    }
}

fn between(key: &'static str, value: f64, least: f64, most: f64) -> Result<(), PointError> {
    // Not a number is in no range.
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(out(key, value, format!("write {least} to {most}"))),
    }
}

fn out(key: &'static str, value: impl ToString, must: String) -> PointError {
    PointError::OutOfRange { key, value: value.to_string(), must }
}
