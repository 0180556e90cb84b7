//! Murmuration over MQTT: topics, connections, configuration. The only crate that spells a topic.

pub mod topic;
