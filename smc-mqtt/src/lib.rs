//! Murmuration over MQTT: topics, connections, configuration. The only crate that spells a topic.

pub mod clock;
pub mod config;
pub mod connection;
pub mod entropy;
pub mod filter;
pub mod settings;
pub mod topic;
