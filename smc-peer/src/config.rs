//! A peer's own file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use smc_core::name::NodeName;
use smc_core::roster::Span;
use smc_mqtt::config::{ConfigError, Membership, beside, broker, load};
use smc_mqtt::settings::BrokerAddress;
use smc_mqtt::tls::TlsFiles;
use smc_policy::{Budgets, PolicySettings};

use crate::discovery::HomeAssistant;
use crate::page::PageOptions;
use crate::policy::PolicyOptions;
use crate::run::{Consent, PeerOptions, Workers};

/// What the environment may override.
const OVERRIDABLE: [&str; 14] = [
    "audit",
    "broker",
    "ca",
    "certificate",
    "certificate_key",
    "consent",
    "home_assistant",
    "homie",
    "keys",
    "node",
    "run_dir",
    "site",
    "state_dir",
    "workers",
];

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
    /// Where the broker is; if left out, one that announces the site is looked for.
    #[serde(default)]
    pub broker: Option<BrokerAddress>,
    /// The file of the authority that the broker's certificate is of; for a broker with TLS.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The peer's own certificate, for a broker that wants one.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The key of that certificate.
    #[serde(default)]
    pub certificate_key: Option<PathBuf>,
    /// Where votes, shares of open windows and epoch keys are kept.
    pub state_dir: PathBuf,
    /// Where what need not outlive the machine is kept instead: the shares of open windows, the newest entries of the log.
    #[serde(default)]
    pub run_dir: Option<PathBuf>,
    /// How the log is kept.
    #[serde(default)]
    pub audit: AuditConfig,
    /// Which changes of the member list it signs by itself.
    #[serde(default)]
    pub consent: Consent,
    /// What appears in Home Assistant, and how.
    #[serde(default)]
    pub home_assistant: HomeAssistant,
    /// Whether results appear by the Homie convention, too.
    #[serde(default)]
    pub homie: bool,
    /// The page for the operator; none without it.
    #[serde(default)]
    pub page: Option<PageOptions>,
    /// Which requests of clients are allowed, denied, or for the operator to decide.
    #[serde(default)]
    pub policy: PolicySettings,
    /// What clients may ask for, whatever the policy says.
    #[serde(default)]
    pub budget: Budgets,
    /// How many connections its shares come by, at a broker that divides them.
    #[serde(default)]
    pub workers: Workers,
}

/// `[audit]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// How often a head of the log is signed and published.
    #[serde(default)]
    pub head_every: HeadEvery,
}

/// A length of time between two heads.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "Span")]
pub struct HeadEvery(Duration);

impl HeadEvery {
    /// The length of time.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Default for HeadEvery {
    fn default() -> Self {
        Self(Duration::from_secs(300))
    }
}

/// A length of time that is none between two heads.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("heads are signed every 1s to every 1h")]
pub struct HeadEveryError;

impl TryFrom<Span> for HeadEvery {
    type Error = HeadEveryError;
    fn try_from(span: Span) -> Result<Self, HeadEveryError> {
        // Each costs the disk a write and the others an entry.
        let bounds = Duration::from_secs(1)..=Duration::from_secs(3_600);
        if bounds.contains(&span.get()) { Ok(Self(span.get())) } else { Err(HeadEveryError) }
    }
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
        let Self { ca, certificate, certificate_key, .. } = config;
        let (broker, tls) = broker(path, config.broker, TlsFiles { ca, certificate, certificate_key })?;
        let file = config.policy.file.map(|file| beside(path, &file));
        let settings = PolicySettings { file, ..config.policy };
        Ok(PeerOptions {
            roster: membership.roster,
            members: Some(membership.members),
            consent: config.consent,
            secrets: membership.secrets,
            broker,
            tls,
            state_dir: Some(beside(path, &config.state_dir)),
            run_dir: config.run_dir.map(|folder| beside(path, &folder)),
            head_every: config.audit.head_every.get(),
            home_assistant: config.home_assistant,
            homie: config.homie,
            page: config.page,
            workers: config.workers,
            policy: PolicyOptions { settings, budgets: config.budget },
        })
    }
}
