//! What is done with bytes from nowhere: one module per target, each with a `run` that panics when something does not
//! hold. `fuzz_targets/` hands `run` to libFuzzer; `tests/corpus.rs` hands it what lies in `corpus/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a target says no by panicking")]

pub mod asked;
pub mod audited;
pub mod broker_packets;
pub mod client_packets;
pub mod config;
pub mod envelope;
pub mod history;
pub mod liar;
pub mod pairing;
pub mod peer_message;
pub mod sealed_output;
pub mod seeds;
pub mod sensor;
pub mod signed;
mod site;
pub mod site_file;
pub mod stored;
pub mod table;
pub mod topic;

/// What takes the bytes.
pub type Target = fn(&[u8]);

/// All targets by name: first what reads what comes by network, then what reads files, then the peers' machines.
pub const TARGETS: [(&str, Target); 17] = [
    ("envelope", envelope::run),
    ("broker_packets", broker_packets::run),
    ("peer_message", peer_message::run),
    ("signed", signed::run),
    ("asked", asked::run),
    ("audited", audited::run),
    ("pairing", pairing::run),
    ("client_packets", client_packets::run),
    ("sensor", sensor::run),
    ("sealed_output", sealed_output::run),
    ("topic", topic::run),
    ("site_file", site_file::run),
    ("config", config::run),
    ("table", table::run),
    ("stored", stored::run),
    ("liar", liar::run),
    ("history", history::run),
];
