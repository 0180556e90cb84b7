//! All functions of the catalogue, computed on shares and held against plain arithmetic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

mod costs;
mod leakage;
mod refusals;
mod site;
mod values;

use smc_sim::plain::{self, case};
