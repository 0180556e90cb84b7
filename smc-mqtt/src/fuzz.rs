//! A door for the targets in `fuzz/`, to decoders that are nobody else's business. What does not hold, panics.

use std::path::Path;

use serde::de::DeserializeOwned;
use smc_core::name::NodeName;

use crate::config::{ConfigError, KeyFile, KeyFileError, parse};
use crate::connection;

/// Reads `text` as a configuration file, without the environment.
///
/// # Errors
/// Those of a node.
pub fn config<T: DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
    parse(Path::new("node.toml"), text, None)
}

/// Reads `text` as the key file of `node`.
///
/// # Errors
/// Those of a node.
pub fn key_file(text: &str, node: &NodeName) -> Result<KeyFile, KeyFileError> {
    KeyFile::parse(Path::new("node.key"), text, node)
}

/// Cuts `stream`, of which `chunk` bytes come at a time, into packets of at most `max` bytes. Returns how many there were.
pub fn inbox(stream: &[u8], chunk: usize, max: usize) -> usize {
    connection::fuzz(stream, chunk, max)
}
