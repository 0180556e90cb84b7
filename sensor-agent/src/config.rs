//! An agent's own file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use smc_core::name::{NodeName, StreamName};
use smc_core::protocol::terms::{Terms, TermsError};
use smc_core::roster::Span;
use smc_core::time::Timestamp;
use smc_mqtt::config::{ConfigError, Membership, beside, broker, load};
use smc_mqtt::settings::BrokerAddress;
use smc_mqtt::tls::TlsFiles;

use crate::run::{AgentOptions, Feed};
use crate::screen::StreamRules;
use crate::source::SourceConfig;
use crate::source::mqtt::BrokerConfig;
use crate::switches::SwitchOptions;

/// What the environment may override.
const OVERRIDABLE: [&str; 12] = [
    "broker",
    "ca",
    "certificate",
    "certificate_key",
    "control",
    "display_name",
    "keys",
    "maximum_age",
    "minimum_cohort",
    "node",
    "site",
    "state_dir",
];

/// `sensor-agent --config agent.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The agent's name in the site file.
    pub node: NodeName,
    /// The site file.
    pub site: PathBuf,
    /// The agent's key file, mode 0600.
    pub keys: PathBuf,
    /// Where the broker is; if left out, one that announces the site is looked for.
    #[serde(default)]
    pub broker: Option<BrokerAddress>,
    /// The file of the authority that the broker's certificate is of; for a broker with TLS.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The agent's own certificate, for a broker that wants one.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The key of that certificate.
    #[serde(default)]
    pub certificate_key: Option<PathBuf>,
    /// Where changes of the member list are kept. If left out, the agent asks for them anew whenever it starts.
    #[serde(default)]
    pub state_dir: Option<PathBuf>,
    /// A file in which the owner says what not to share; read again whenever it changes. There need not be one.
    #[serde(default)]
    pub control: Option<PathBuf>,
    /// `[home_assistant]`: the owner's own broker, for switches in the owner's Home Assistant; none without it.
    #[serde(default)]
    pub home_assistant: Option<BrokerConfig>,
    /// What the owner calls the place. It never leaves this machine.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The fewest agents that a result with this one may cover: others are withheld. 0 leaves it to the site.
    #[serde(default)]
    pub minimum_cohort: u16,
    /// What results may cover the agent at all.
    #[serde(default)]
    pub terms: TermsTable,
    /// How long a reading counts as fresh; one window if left out.
    #[serde(default)]
    pub maximum_age: Option<Span>,
    /// `[stream.NAME]`: what becomes of a stream's readings before they are shared.
    #[serde(default)]
    pub stream: BTreeMap<StreamName, StreamRules>,
    /// Where the readings come from.
    #[serde(default)]
    pub source: Vec<SourceConfig>,
}

/// `[terms]`: a result that they don't cover is computed without this agent, and says how many are left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsTable {
    /// Only results of these functions; of all if left out.
    #[serde(default)]
    pub functions: Option<Vec<String>>,
    /// Only results for these purposes, as requests state them; for all if there are none.
    #[serde(default)]
    pub purposes: Vec<String>,
    /// No results for these purposes.
    #[serde(default)]
    pub refused_purposes: Vec<String>,
    /// No results of windows that end later.
    #[serde(default)]
    pub not_after: Option<Timestamp>,
}

impl TermsTable {
    fn terms(&self, minimum_cohort: u16) -> Result<Terms, TermsError> {
        let mut terms = Terms::of_at_least(minimum_cohort);
        if let Some(functions) = &self.functions {
            terms = terms.only_functions(functions.iter().map(String::as_str))?;
        }
        terms = self.purposes.iter().try_fold(terms, |terms, purpose| terms.allow_purpose(purpose))?;
        terms =
            self.refused_purposes.iter().try_fold(terms, |terms, purpose| terms.refuse_purpose(purpose))?;
        Ok(self.not_after.map_or(terms, |last| terms.not_after(last)))
    }
}

impl AgentConfig {
    /// Reads the file at `path` and all that it names.
    ///
    /// # Errors
    /// If one of them can't be used.
    pub fn load(path: &Path) -> Result<AgentOptions, ConfigError> {
        let config: Self = load(path, &OVERRIDABLE)?;
        let membership =
            Membership::load(path, &config.node, &config.site, &config.keys, config.state_dir.as_deref())?;
        let terms = config.terms.terms(config.minimum_cohort).map_err(|error| ConfigError::Value {
            path: path.to_owned(),
            key: "terms",
            why: error.to_string(),
        })?;
        if config.home_assistant.is_some() && config.control.is_none() {
            return Err(ConfigError::Value {
                path: path.to_owned(),
                key: "home_assistant",
                why: "it needs `control`: how the switches stand is kept beside that file".to_owned(),
            });
        }
        let Self { ca, certificate, certificate_key, .. } = config;
        let (broker, tls) = broker(path, config.broker, TlsFiles { ca, certificate, certificate_key })?;
        let purposes = config.terms.purposes;
        let (mut sources, mut switches) = (config.source, config.home_assistant);
        sources.iter_mut().try_for_each(|source| source.settle(path))?;
        switches.iter_mut().try_for_each(|broker| broker.trust(path))?;
        Ok(AgentOptions {
            roster: membership.roster,
            members: Some(membership.members),
            secrets: membership.secrets,
            broker,
            tls,
            control: config.control.map(|control| beside(path, &control)),
            switches: switches.map(|broker| SwitchOptions { broker, purposes }),
            display_name: config.display_name,
            terms,
            maximum_age: config.maximum_age.map(Span::get),
            rules: config.stream,
            feed: Feed::Sources(sources),
        })
    }
}
