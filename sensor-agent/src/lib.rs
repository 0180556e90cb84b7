//! An agent over MQTT: readings in, one sealed message per peer and window out.
//!
//! `smc_core::agent` keeps the rhythm and deals the shares; this crate brings the readings and seals.

mod config;
mod control;
mod run;
pub mod screen;
pub mod source;
mod switches;
pub mod trial;

pub use config::AgentConfig;
pub use run::{AgentError, AgentOptions, Effort, Feed, Witness, run};
pub use switches::SwitchOptions;
