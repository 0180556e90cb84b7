//! A deterministic world over smc-core: peers and agents of one site in one thread, under a clock, a network and liars that
//! a seed decides about; and what must hold whatever happens.
//!
//! [`Schedule::from_seed`] draws a history: a site and the actions that disturb it, as data. [`run::run`] plays it and holds
//! the [invariants](invariant) against every step. A history that breaks one is [shrunk](shrink::shrink) to the actions
//! that matter, and written as JSON. smc-core's own tests play in the same [`world`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

pub mod action;
pub mod adversary;
pub mod coverage;
pub mod invariant;
mod noise;
pub mod plain;
pub mod run;
pub mod schedule;
pub mod shrink;
pub mod world;

pub use action::{Action, Schedule};
