//! The files that nodes read when they start, beside the site file: one of their own each, and their keys.

use std::fmt::Display;

use broker::{Password, PasswordHash};
use sensor_agent::AgentConfig;
use smc_mqtt::fuzz::{config, key_file};
use smc_mqtt::settings::BrokerAddress;
use smc_mqtt::tls::{Facts, are_certificates};
use smc_peer::PeerConfig;

/// Reads the bytes as the file of each program, and its first line as what stands in such files; and as a certificate.
pub fn run(bytes: &[u8]) {
    if let Some(facts) = Facts::read(bytes) {
        assert!(facts.names.iter().all(|name| facts.is_of(name)));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    names_the_file("broker.toml", broker::fuzz::settings(text));
    if let Some(file) = names_the_file("node.toml", config::<AgentConfig>(text)) {
        file.broker.iter().for_each(|broker| address(&broker.to_string()));
    }
    if let Some(file) = names_the_file("node.toml", config::<PeerConfig>(text)) {
        file.broker.iter().for_each(|broker| address(&broker.to_string()));
    }
    if let Some(file) = names_the_file("node.key", key_file(text, &"peer-1".parse().unwrap())) {
        assert_eq!(file.node.as_str(), "peer-1");
    }
    are_certificates(text);
    let line = text.lines().next().unwrap_or("");
    address(line);
    password_hash(line);
}

/// Whoever wrote a file has to be told which it is that can't be used.
fn names_the_file<T, E: Display>(name: &str, read: Result<T, E>) -> Option<T> {
    read.map_err(|error| assert!(error.to_string().starts_with(name), "{error}")).ok()
}

/// An address has one text.
fn address(text: &str) {
    let Ok(address) = text.parse::<BrokerAddress>() else { return };
    let spelled = address.to_string();
    assert_eq!(spelled.parse(), Ok(address.clone()));
    assert_eq!(spelled.parse().map(|again: BrokerAddress| again.to_string()), Ok(spelled));
}

/// A hash that is taken can be verified against, and spells itself.
fn password_hash(text: &str) {
    let Ok(hash) = text.parse::<PasswordHash>() else { return };
    let spelled = hash.to_string();
    assert_eq!(spelled.parse::<PasswordHash>().unwrap().to_string(), spelled);
    // Costly ones are left out, for a run is to try many.
    if spelled.contains("$m=8,t=1,p=1$") {
        let _ = hash.verify(&Password::new(b"guess"));
    }
}
