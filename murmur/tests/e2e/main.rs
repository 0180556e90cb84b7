//! The whole product as people run it: every role a process of its own, real MQTT, mosquitto's clients beside them.
//!
//! One program with a module per subject, so that the subjects run side by side (most of a test is waiting for
//! windows) and share what they need in `support`.
// Not test functions themselves, but what those are made of: failing here is failing the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ask;
mod assess;
mod audit;
mod bad_input;
mod browser;
mod clocks;
mod demo;
mod discovery;
mod home_assistant;
mod homie;
mod hostile_clients;
mod long_sums;
mod looking;
mod members;
mod mine;
mod mqtt_source;
mod other_brokers;
mod owner;
mod page;
mod pairing;
mod recovery;
mod replay;
mod sealed;
mod sensors;
mod site;
mod support;
mod switches;
mod tls;
mod traffic;
mod vectors;
mod workers;
