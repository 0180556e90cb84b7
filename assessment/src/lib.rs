//! What secure computation costs here: sweeps over whole sites, measured.
//!
//! A *scenario* spans a grid of [`Parameters`]; each of its points is played several times, in a random order, by processes of
//! their own on a network that this crate emulates; what was measured is kept as [`Observation`]s, raw.

pub mod baseline;
pub mod ground;
pub mod journal;
pub mod lab;
pub mod meter;
pub mod model;
mod observation;
mod parameters;
pub mod rehearsal;
pub mod report;
pub mod scenario;
mod stage;
pub mod statistics;
pub mod summary;
pub mod sweep;

pub use self::observation::{Measure, Observation, Phase, Role, Subject};
pub use self::parameters::{BrokerKind, Parameters};
pub use self::stage::{PlayError, Run, Stage};
pub use self::statistics::Median;
