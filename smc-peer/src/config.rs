//! A peer's own file.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use smc_core::name::NodeName;
use smc_mqtt::config::{ConfigError, Membership, beside, load};
use smc_mqtt::settings::BrokerAddress;
use smc_policy::{Budgets, PolicySettings};

use crate::page::PageOptions;
use crate::policy::PolicyOptions;
use crate::run::PeerOptions;

/// What the environment may override.
const OVERRIDABLE: [&str; 6] = ["broker", "home_assistant", "keys", "node", "site", "state_dir"];

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
    /// How results appear in Home Assistant.
    #[serde(default)]
    pub home_assistant: HomeAssistant,
    /// The page for the operator; none without it.
    #[serde(default)]
    pub page: Option<PageOptions>,
    /// Which requests of clients are allowed, denied, or for the operator to decide.
    #[serde(default)]
    pub policy: PolicySettings,
    /// What clients may ask for, whatever the policy says.
    #[serde(default)]
    pub budget: Budgets,
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
        let membership = Membership::load(path, &config.node, &config.site, &config.keys)?;
        let file = config.policy.file.map(|file| beside(path, &file));
        let settings = PolicySettings { file, ..config.policy };
        Ok(PeerOptions {
            roster: membership.roster,
            secrets: membership.secrets,
            broker: config.broker,
            state_dir: Some(beside(path, &config.state_dir)),
            discovery: config.home_assistant.discovery,
            page: config.page,
            policy: PolicyOptions { settings, budgets: config.budget },
        })
    }
}
