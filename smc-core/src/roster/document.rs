//! The site file as people write it: `site.toml`, before any of it is believed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;
use crate::identity::{SealingPublic, VerifyingKey};
use crate::name::{NodeName, QuantityName, QueryName, SiteName, StreamName};
use crate::quantity::{is_single, single};
use crate::time::{Period, PeriodError};

use super::Consent;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteDocument {
    /// Names and rules of the site.
    pub site: SiteTable,
    /// The peers; peer i is the i-th entry.
    #[serde(default)]
    pub peer: Vec<PeerTable>,
    /// The agents.
    #[serde(default)]
    pub agent: Vec<AgentTable>,
    /// Clients that outputs may be sealed for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client: Vec<ClientTable>,
    /// Quantities that differ from the known ones, or are new.
    #[serde(default)]
    pub quantity: Vec<QuantityTable>,
    /// Standing queries.
    #[serde(default)]
    pub query: Vec<QueryTable>,
}

impl SiteDocument {
    /// All members with their Ed25519 and X25519 keys. Clients that only open what is sealed for them have none to sign with.
    pub fn members(&self) -> impl Iterator<Item = (&NodeName, Option<&VerifyingKey>, &SealingPublic)> {
        let peers = self.peer.iter().map(|peer| (&peer.name, Some(&peer.identity), &peer.sealing));
        let agents = self.agent.iter().map(|agent| (&agent.name, Some(&agent.identity), &agent.sealing));
        let clients =
            self.client.iter().map(|client| (&client.name, client.identity.as_ref(), &client.sealing));
        peers.chain(agents).chain(clients)
    }
}

/// `[site]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteTable {
    /// The site's name, part of every topic.
    pub name: SiteName,
    /// t: how many peers may collude without learning anything.
    pub threshold: u8,
    /// What peers are trusted to do.
    #[serde(default)]
    pub tolerate: Tolerate,
    /// How many peers must sign a change of the member list.
    #[serde(default, skip_serializing_if = "Consent::is_unsaid")]
    pub consent: Consent,
    /// The fewest agents that any result may cover.
    #[serde(default = "SiteTable::default_minimum_cohort")]
    pub minimum_cohort: u32,
    /// T: the window of every quantity that does not name its own.
    #[serde(default = "SiteTable::default_period")]
    pub period: Span,
    /// How long after a window's end its shares are still taken.
    #[serde(default = "SiteTable::default_grace")]
    pub grace: Span,
    /// How long a peer waits for the others in each step.
    #[serde(default = "SiteTable::default_step")]
    pub step: Span,
    /// How long a cohort stays frozen.
    #[serde(default = "SiteTable::default_cohort_epoch")]
    pub cohort_epoch: Span,
    /// How long a peer's sealing key lives.
    #[serde(default = "SiteTable::default_key_epoch")]
    pub key_epoch: Span,
}

impl SiteTable {
    /// The smallest cohort unless the site says otherwise.
    pub const DEFAULT_MINIMUM_COHORT: u32 = 5;

    fn default_minimum_cohort() -> u32 {
        Self::DEFAULT_MINIMUM_COHORT
    }
    fn default_period() -> Span {
        Span::from_secs(60)
    }
    fn default_grace() -> Span {
        Span::from_secs(2)
    }
    fn default_step() -> Span {
        Span::from_secs(2)
    }
    fn default_cohort_epoch() -> Span {
        Span::from_secs(3600)
    }
    fn default_key_epoch() -> Span {
        Span::from_secs(24 * 3600)
    }
}

/// What may go wrong with a peer without harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tolerate {
    /// Peers follow the protocol but may stop: q = floor(n/2) + 1.
    #[default]
    Crash,
    /// Up to t peers may do anything: q = ceil((n+t+1)/2).
    Malicious,
}

/// `[[peer]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerTable {
    /// Its name.
    pub name: NodeName,
    /// Its Ed25519 public key.
    pub identity: VerifyingKey,
    /// Its X25519 public key as a sender.
    pub sealing: SealingPublic,
}

/// `[[client]]`: somebody that outputs may be sealed for, and that may ask queries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTable {
    /// Its name.
    pub name: NodeName,
    /// Its Ed25519 public key, which verifies what it asks; without one it can't ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<VerifyingKey>,
    /// Its X25519 public key as a receiver.
    pub sealing: SealingPublic,
    /// The groups it belongs to, for the peers' policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// `[[agent]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentTable {
    /// Its name.
    pub name: NodeName,
    /// Its Ed25519 public key.
    pub identity: VerifyingKey,
    /// Its X25519 public key as a sender.
    pub sealing: SealingPublic,
    /// What queries select by, such as `floor = "1"`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it measures.
    #[serde(default)]
    pub streams: Vec<StreamTable>,
}

/// One stream of an agent: `"co2"` when stream and quantity share a name, or `{ name = "desk", quantity = "co2" }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a stream is written \"co2\" or { name = \"desk\", quantity = \"co2\" }"
)]
pub enum StreamTable {
    /// The stream bears its quantity's name.
    Plain(QuantityName),
    /// The stream has a name of its own.
    Named {
        /// The stream's name, unique within the agent.
        name: StreamName,
        /// What it measures.
        quantity: QuantityName,
    },
}

/// `[[quantity]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantityTable {
    /// Its name.
    pub name: QuantityName,
    /// Its unit, for people; empty for a plain number.
    #[serde(default)]
    pub unit: String,
    /// The least reading.
    pub minimum: Decimal,
    /// The greatest reading.
    pub maximum: Decimal,
    /// The difference between two neighbouring readings.
    pub resolution: Decimal,
    /// How many elements a reading has, if it is a vector.
    #[serde(default = "single", skip_serializing_if = "is_single")]
    pub elements: u32,
    /// Its window, if not the site's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Span>,
}

/// `[[query]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryTable {
    /// Its name, part of its result's topic.
    pub name: QueryName,
    /// The function's name, such as `mean`.
    pub function: String,
    /// Of what.
    pub quantity: QuantityName,
    /// Which agents: every label given here must match; empty means all.
    #[serde(default)]
    pub scope: BTreeMap<String, String>,
    /// The fewest agents this query accepts; the site's minimum holds besides.
    #[serde(default)]
    pub minimum_cohort: u32,
    /// Why it is asked, for people.
    #[serde(default)]
    pub purpose: String,
    /// A threshold, of functions that ask what is above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<Decimal>,
    /// The agent whose own reading is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<NodeName>,
    /// How often something has to occur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
    /// The client for whose eyes alone the output is; everybody's if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<NodeName>,
    /// A threshold, of functions that ask what is below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<Decimal>,
    /// The ascending edges of a histogram's bins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edges: Option<Vec<Decimal>>,
    /// How many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub k: Option<u64>,
    /// A quantile, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<Decimal>,
    /// The second quantity, of functions of two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<QuantityName>,
}

impl QueryTable {
    /// `function` without parameters, of `quantity`, over all agents.
    pub fn new(name: QueryName, function: &str, quantity: QuantityName) -> Self {
        Self {
            name,
            function: function.to_owned(),
            quantity,
            scope: BTreeMap::new(),
            minimum_cohort: 0,
            purpose: String::new(),
            above: None,
            agent: None,
            at_least: None,
            audience: None,
            below: None,
            edges: None,
            k: None,
            q: None,
            with: None,
        }
    }
}

/// A length of time as people write it: `500ms`, `60s`, `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(std::time::Duration);

impl Span {
    /// A whole number of seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(std::time::Duration::from_secs(secs))
    }

    /// Any length of time.
    pub const fn new(span: std::time::Duration) -> Self {
        Self(span)
    }

    /// The length of time.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

/// A text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no length of time; write for example `500ms`, `60s` or `1h 30m`")]
pub struct SpanError(String);

impl std::str::FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let refuse = || SpanError(text.chars().take(40).collect());
        let span: jiff::SignedDuration = text.parse().map_err(|_| refuse())?;
        span.try_into().map(Self).map_err(|_| refuse())
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;
    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(span) => write!(f, "{span:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

impl TryFrom<Span> for Period {
    type Error = PeriodError;
    fn try_from(span: Span) -> Result<Self, PeriodError> {
        let whole = span.0.subsec_nanos().is_multiple_of(1_000_000);
        let millis = u64::try_from(span.0.as_millis()).ok().filter(|_| whole);
        Self::from_millis(millis.ok_or(PeriodError)?)
    }
}
