//! A peer over MQTT: sealed shares in, signed results out.
//!
//! `smc_core::peer` decides; this crate opens and seals, keeps what must survive, and publishes.

mod config;
mod discovery;
mod keys;
mod post;
mod quota;
mod run;
mod store;
mod writer;

pub use config::PeerConfig;
pub use run::{Consent, Observed, PeerError, PeerOptions, run};
pub use store::StoreError;
