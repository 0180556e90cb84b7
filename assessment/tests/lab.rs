//! Laboratories: with real namespaces where the machine lets them be made, and with proxies elsewhere, which is said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "lab/calibration.rs"]
mod calibration;
#[path = "lab/hosts.rs"]
mod hosts;
#[path = "lab/packets.rs"]
mod packets;
#[path = "lab/support.rs"]
mod support;
