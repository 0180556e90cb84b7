//! What a sweep has to know of the network that its points are played on.

mod laboratory;

use serde::{Deserialize, Serialize};

use crate::parameters::Parameters;
use crate::stage::PlayError;

/// Links that can be impaired, and measured.
pub trait Ground {
    /// What emulates them, in a word.
    fn kind(&self) -> String;

    /// What is not emulated, and why: sentences for a report.
    fn notes(&self) -> Vec<String>;

    /// Impairs all links as the point asks, from now on.
    ///
    /// # Errors
    /// If that can't be done here.
    fn impair(&mut self, point: &Parameters) -> Result<(), PlayError>;

    /// Measures links that are impaired as the point asks.
    ///
    /// # Errors
    /// If they could not be measured.
    fn calibrate(&mut self, point: &Parameters) -> impl Future<Output = Result<Calibrated, PlayError>>;
}

/// What links were asked to be, and what they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// The links that were asked for.
    pub links: Links,
    /// What was measured, one row per property.
    pub rows: Vec<Measured>,
}

/// Links as a point asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Links {
    /// One way between two hosts.
    pub latency_ms: f64,
    /// To both sides.
    pub jitter_ms: f64,
    /// What a host sends at most; none: as much as the machine can.
    pub rate_mbit_s: Option<f64>,
    /// Of packets.
    pub loss_percent: f64,
    /// Of packets.
    pub reorder_percent: f64,
}

impl From<&Parameters> for Links {
    fn from(p: &Parameters) -> Self {
        let Parameters { latency_ms, jitter_ms, rate_mbit_s, loss_percent, reorder_percent, .. } = *p;
        Self { latency_ms, jitter_ms, rate_mbit_s, loss_percent, reorder_percent }
    }
}

/// One property of links.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Which, with its unit: `latency_ms`.
    pub what: String,
    /// What was asked; none where nothing was.
    pub asked: Option<f64>,
    /// The median, or the share, that was measured.
    pub measured: f64,
    /// The least that it can be, with a confidence of 95 %; none where there is no interval.
    pub low: Option<f64>,
    /// The most.
    pub high: Option<f64>,
    /// Whether that is near enough to what was asked.
    pub fits: bool,
}
