//! Who plays a point: the seam between a sweep and what it measures.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::observation::{Observation, Subject};
use crate::parameters::Parameters;

/// Plays points: makes a site's processes in the laboratory `L`, measures them, takes them down.
pub trait Stage<L> {
    /// Plays `run.subject` once at `point`, and tells what was measured: raw numbers, one per window where there are
    /// windows, the warm-up left out.
    ///
    /// The laboratory's links are impaired, and calibrated, before. The future may be dropped at any time, since somebody may
    /// interrupt a sweep or a run may take too long: whatever it started must end with it.
    ///
    /// # Errors
    /// If the point came to no measurement; the sweep goes on with the others and tells it.
    fn play(
        &mut self,
        lab: &mut L,
        point: &Parameters,
        run: &Run,
    ) -> impl Future<Output = Result<Vec<Observation>, PlayError>>;
}

/// One run of a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// What is played: this system, or one that it is held against, with the same readings.
    pub subject: Subject,
    /// Which repetition, from 0.
    pub repetition: u32,
    /// What readings and keys are drawn from. It is the same for every subject of a repetition.
    pub seed: u64,
    /// How many windows (of MPyC: computations) come first and are not measured, at least.
    pub warm_up: u32,
    /// How many windows are measured.
    pub windows: u32,
    /// The length of a window.
    pub period: Duration,
}

/// Why a run came to no measurement. The texts become sentences of a report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlayError {
    /// A process ended that should not have.
    #[error("{node} ended before it should: {how}")]
    Died {
        /// Which.
        node: String,
        /// Its exit status, and what it said last.
        how: String,
    },
    /// A process said something that makes no sense.
    #[error("{node} said {said:?}, which is no measurement")]
    Garbled {
        /// Which.
        node: String,
        /// What it said, cut to a line.
        said: String,
    },
    /// It can't be played on this machine, and another attempt would not help: something is not installed or not allowed.
    #[error("{0}")]
    Impossible(String),
    /// A process, folder, host or link could not be made.
    #[error("{what}: {why}")]
    Setup {
        /// Which.
        what: String,
        /// Why.
        why: String,
    },
    /// Too few windows came to a value.
    #[error(
        "after {seconds} s only {have} of {wanted} windows were measured; if they take longer than the period, write a longer one"
    )]
    Stalled {
        /// How many were measured.
        have: u32,
        /// How many were wanted.
        wanted: u32,
        /// How long was waited.
        seconds: u64,
    },
}
