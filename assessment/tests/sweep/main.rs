//! A sweep from its scenario to its report.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod closed;
mod model;
mod report;
mod scenario;
mod statistics;
mod sweeping;
