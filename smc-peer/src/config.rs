//! A peer's own file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use smc_core::name::NodeName;
use smc_mqtt::config::{ConfigError, Membership, beside, load};
use smc_mqtt::settings::BrokerAddress;

use crate::run::{Consent, PeerOptions};

/// What the environment may override.
const OVERRIDABLE: [&str; 7] = ["broker", "consent", "home_assistant", "keys", "node", "site", "state_dir"];

/// `smc-peer --config peer.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// The peer's name in the site file.
    pub node: NodeName,
    /// The site file.
    pub site: PathBuf,
    /// The peer's key file, mode 0600.
    pub keys: PathBuf,
    /// Where the broker is.
    pub broker: BrokerAddress,
    /// Where votes, shares of open windows and epoch keys are kept.
    pub state_dir: PathBuf,
    /// Which changes of the member list it signs by itself.
    #[serde(default)]
    pub consent: Consent,
    /// How results appear in Home Assistant.
    #[serde(default)]
    pub home_assistant: HomeAssistant,
}

/// `[home_assistant]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeAssistant {
    /// Whether results announce themselves by MQTT discovery.
    #[serde(default = "enabled")]
    pub discovery: bool,
}

impl Default for HomeAssistant {
    fn default() -> Self {
        Self { discovery: enabled() }
    }
}

fn enabled() -> bool {
    true
}

impl PeerConfig {
    /// Reads the file at `path` and all that it names.
    ///
    /// # Errors
    /// If one of them can't be used.
    pub fn load(path: &Path) -> Result<PeerOptions, ConfigError> {
        let config: Self = load(path, &OVERRIDABLE)?;
        let membership =
            Membership::load(path, &config.node, &config.site, &config.keys, Some(&config.state_dir))?;
        Ok(PeerOptions {
            roster: membership.roster,
            members: Some(membership.members),
            consent: config.consent,
            secrets: membership.secrets,
            broker: config.broker,
            state_dir: Some(beside(path, &config.state_dir)),
            discovery: config.home_assistant.discovery,
        })
    }
}
