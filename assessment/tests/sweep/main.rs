//! A sweep from its scenario to its report.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test says no by panicking")]

mod closed;
mod model;
mod mpyc;
mod report;
mod scenario;
mod statistics;
mod sweeping;
