//! What is measured; every process of the measurement is told the same.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use smc_core::envelope::{Binding, KeyEpoch, Sealer};
use smc_core::name::{NameError, QuantityName, StreamName};
use smc_core::protocol::input;
use smc_core::roster::document::{QuantityTable, QueryTable, SiteTable, StreamTable};
use smc_core::roster::{BundleIndex, Roster, Span, Tolerate};

use super::BenchError;
use crate::stage::{Cast, Script, StageError, numbered, site_name};

/// Name of the one query.
pub(crate) const QUERY: &str = "co2-mean";

/// What is measured.
pub(crate) const MEASURED: &str = "load";

/// The second quantity, of queries of two.
const SECOND: &str = "weight";

/// What agents are called, with a number from 1.
const AGENT: &str = "agent";

/// The smallest cohort of a site that has as many agents.
const MINIMUM_COHORT: u32 = 5;

/// Windows of a cohort epoch: short, so that an agent that missed one's first window while all were connecting is not
/// left out of what is measured.
pub(crate) const EPOCH_WINDOWS: u32 = 5;

/// A measurement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) agents: usize,
    pub(crate) streams: usize,
    pub(crate) peers: u8,
    pub(crate) threshold: u8,
    pub(crate) period: Span,
    pub(crate) grace: Span,
    pub(crate) windows: u64,
    /// What the peers compute; the mean, if nothing is said.
    pub(crate) query: Option<QueryTable>,
    /// How many clients ask; their policy is `policy.cedar` beside the peers' stores.
    pub(crate) clients: usize,
    /// From which every process makes the same keys.
    pub(crate) seed: u64,
    /// Where the broker listens, once it does.
    pub(crate) broker: Option<SocketAddr>,
    /// Where the peers' stores are.
    pub(crate) state_dir: Option<PathBuf>,
    /// How many bits a reading has.
    pub(crate) bits: u8,
    /// How many elements a stream's vector has; 1: it is no vector.
    pub(crate) elements: u32,
    /// How often the query is computed in each window.
    pub(crate) sessions: u32,
    /// Where the broker is to listen.
    pub(crate) listen: SocketAddr,
    /// How nodes reach it if that is by TLS.
    pub(crate) tls: Option<TlsPaths>,
    /// What is sent in the clear, of the baseline.
    pub(crate) plain: Plain,
    /// Whether roles tell what they do (see [`super::said`]).
    pub(crate) observed: bool,
}

/// What the baseline sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Plain {
    /// As many messages as this system, of the same size.
    Alike,
    /// What it takes in the clear: one message of each agent, to one subscriber.
    Bare,
}

/// Files in PEM.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TlsPaths {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Default for Setup {
    /// A site of nobody, as measurements have it if they have no reason for something else.
    fn default() -> Self {
        Self {
            agents: 0,
            streams: 1,
            peers: 3,
            threshold: 1,
            period: Span::from_secs(1),
            grace: Span::new(Duration::from_millis(100)),
            windows: 0,
            query: None,
            clients: 0,
            seed: 0,
            broker: None,
            state_dir: None,
            bits: 16,
            elements: 1,
            sessions: 1,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            plain: Plain::Alike,
            observed: false,
        }
    }
}

/// What the report repeats of a setup.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Told {
    agents: usize,
    streams_per_agent: usize,
    peers: u8,
    threshold: u8,
    period_ms: u64,
    grace_ms: u64,
    windows: u64,
    readings_per_window: usize,
    messages_per_window: usize,
    message_bytes: usize,
}

/// A query with this site's quantities and agents in the places of an example's.
pub(crate) fn asked(example: QueryTable) -> Result<QueryTable, NameError> {
    Ok(QueryTable {
        name: example.function.replace('_', "-").parse()?,
        quantity: MEASURED.parse()?,
        with: example.with.map(|_| SECOND.parse()).transpose()?,
        agent: example.agent.map(|_| format!("{AGENT}-1").parse()).transpose()?,
        ..example
    })
}

/// A seed that nobody else has.
pub(crate) fn fresh_seed(rng: &mut ChaCha20Rng) -> u64 {
    rng.next_u64()
}

impl Setup {
    /// As a role's process is told it.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// The site with everybody's keys.
    pub(crate) fn cast(&self) -> Result<Cast, BenchError> {
        let mut rng = ChaCha20Rng::seed_from_u64(self.seed);
        let script = self.script().map_err(|error| BenchError::Setup(error.to_string()))?;
        script.cast(&mut rng).map_err(|error| match error {
            StageError::Site(error) => BenchError::Site(error),
            error => BenchError::Stage(error),
        })
    }

    pub(crate) fn readings_per_window(&self) -> usize {
        self.agents * self.streams
    }

    pub(crate) fn told(&self) -> Told {
        Told {
            agents: self.agents,
            streams_per_agent: self.streams,
            peers: self.peers,
            threshold: self.threshold,
            period_ms: self.period.get().as_millis() as u64,
            grace_ms: self.grace.get().as_millis() as u64,
            windows: self.windows,
            readings_per_window: self.readings_per_window(),
            messages_per_window: self.agents * usize::from(self.peers),
            message_bytes: self.cast().map_or(0, |cast| message_bytes(&cast)),
        }
    }

    /// What each agent's streams are called and what they measure: as many of each quantity.
    pub(crate) fn agent_streams(&self) -> Result<Vec<(StreamName, QuantityName)>, NameError> {
        let each = |quantity: &'static str| {
            (1..=self.streams).map(move |n| Ok((format!("{quantity}-{n}").parse()?, quantity.parse()?)))
        };
        self.quantities().into_iter().flat_map(each).collect()
    }

    /// What is measured: one quantity, or the two that the query is about.
    fn quantities(&self) -> Vec<&'static str> {
        let second = self.query.as_ref().is_some_and(|query| query.with.is_some());
        if second { vec![MEASURED, SECOND] } else { vec![MEASURED] }
    }

    fn script(&self) -> Result<Script, NameError> {
        let streams = self.agent_streams()?.into_iter();
        let streams: Vec<_> = streams.map(|(name, quantity)| StreamTable::Named { name, quantity }).collect();
        let agents = numbered(AGENT, self.agents)?;
        Ok(Script {
            site: SiteTable {
                name: site_name("bench")?,
                threshold: self.threshold,
                consent: smc_core::roster::Consent::default(),
                tolerate: Tolerate::Crash,
                minimum_cohort: MINIMUM_COHORT.min(self.agents as u32),
                period: self.period,
                grace: self.grace,
                step: Span::new(self.period.get().max(Duration::from_secs(1))),
                cohort_epoch: Span::new(EPOCH_WINDOWS * self.period.get()),
                key_epoch: Span::from_secs(24 * 3600),
            },
            peers: numbered("peer", usize::from(self.peers))?,
            agents: agents.into_iter().map(|agent| (agent, streams.clone())).collect(),
            clients: numbered("client", self.clients)?,
            quantities: self
                .quantities()
                .into_iter()
                .map(|name| self.quantity(name))
                .collect::<Result<_, _>>()?,
            queries: self.queries()?,
        })
    }

    fn queries(&self) -> Result<Vec<QueryTable>, NameError> {
        let query = match &self.query {
            Some(query) => query.clone(),
            None => QueryTable::new(QUERY.parse()?, "mean", MEASURED.parse()?),
        };
        let again =
            |number| Ok(QueryTable { name: format!("{}-{number}", query.name).parse()?, ..query.clone() });
        let more = (2..=self.sessions).map(again).collect::<Result<Vec<_>, NameError>>()?;
        Ok(std::iter::once(query).chain(more).collect())
    }

    fn quantity(&self, name: &str) -> Result<QuantityTable, NameError> {
        Ok(QuantityTable {
            name: name.parse()?,
            unit: "W".to_owned(),
            minimum: 0.into(),
            maximum: i64::from(self.greatest()).into(),
            resolution: 1.into(),
            elements: self.elements,
            period: None,
        })
    }

    /// The greatest reading.
    pub(crate) fn greatest(&self) -> u32 {
        u32::MAX >> (32 - u32::from(self.bits.clamp(1, 32)))
    }
}

/// How long an agent's sealed message is: that of a message that was really sealed.
pub(crate) fn message_bytes(cast: &Cast) -> usize {
    sealed_len(&cast.roster, cast).unwrap_or(0)
}

fn sealed_len(roster: &Roster, cast: &Cast) -> Option<usize> {
    let bundle = roster.bundles().first()?;
    let agent = &roster.agent(bundle.agent).node;
    let (_, peer) = roster.peers().next()?;
    let now = smc_mqtt::clock::Clock::system().now();
    let window = bundle.period.window_at(now);
    let binding = Binding::Input { period: bundle.period, window, part: 0, definition: bundle.digest };
    let epoch = KeyEpoch(now.as_micros() / 86_400_000_000);
    let own = &cast.secrets.get(&agent.name)?.keys.sealing;
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    let mut sealer =
        Sealer::new(roster.site(), &agent.name, &peer.name, own, &peer.sealing, epoch, &mut rng).ok()?;
    let plaintext = vec![0; input::plaintext_len(roster.bundle(BundleIndex(0)))];
    sealer.seal(&binding, &plaintext).ok().map(|sealed| sealed.len())
}
