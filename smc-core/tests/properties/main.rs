//! Properties that hold for all inputs, tried on random ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says no by panicking")]

mod envelope;
mod field;
mod quantity;
mod sharing;
