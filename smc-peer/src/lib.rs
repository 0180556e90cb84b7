//! A peer over MQTT: sealed shares in, signed results out.
//!
//! `smc_core::peer` decides; this crate opens and seals, keeps what must survive, and publishes.

mod audit;
mod config;
mod discovery;
pub mod figure;
mod homie;
mod keys;
pub mod page;
mod policy;
mod post;
mod quota;
mod run;
mod state;
mod store;
mod writer;

pub use audit::{AuditError, Draft, Ledger, LogFile, Owner, words};
pub use config::{HeadEvery, PeerConfig};
pub use discovery::{Form, HomeAssistant};
pub use policy::PolicyOptions;
pub use run::{Consent, Did, Observed, PeerError, PeerOptions, Sent, Step, Workers, WorkersError, run};
pub use store::StoreError;
