//! Murmuration over MQTT: topics, connections, configuration, and a client for third parties. The only crate that spells a topic.

pub mod client;
pub mod clock;
pub mod config;
pub mod connection;
pub mod discovery;
pub mod entropy;
pub mod files;
pub mod filter;
#[doc(hidden)]
pub mod fuzz;
pub mod home_assistant;
pub mod homie;
pub mod joining;
pub mod members;
pub mod newcomer;
pub mod outbox;
pub mod pairing;
pub mod password;
pub mod process;
pub mod settings;
pub mod status;
pub mod tally;
pub mod tls;
pub mod topic;
pub mod traffic;
pub mod watch;
