//! What secure computation costs here: sweeps over whole sites, measured.
//!
//! A *scenario* spans a grid of [`Parameters`]; each of its points is played several times, in a random order, by processes of
//! their own on a network that this crate emulates; what was measured is kept as [`Observation`]s, raw.

pub mod lab;
pub mod meter;
mod observation;
mod parameters;

pub use self::observation::{Measure, Observation, Phase, Role, Subject};
pub use self::parameters::{BrokerKind, Parameters};
