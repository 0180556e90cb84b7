//! Sites built in code.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::decimal::Decimal;
use smc_core::identity::{NodeKeys, SealingPublic, VerifyingKey};
use smc_core::name::StreamName;
use smc_core::roster::document::{
    AgentTable, ClientTable, PeerTable, QuantityTable, QueryTable, SiteTable, StreamTable,
};
use smc_core::roster::{Roster, SiteDocument, Span, Tolerate};

use super::client_key;

/// Windows of the tests last this long.
pub const PERIOD: Duration = Duration::from_secs(1);
/// Ten windows to a cohort epoch.
pub const EPOCH_WINDOWS: u64 = 10;
/// All waiting of one window fits into the next: four steps of 200 ms.
pub const STEP: Duration = Duration::from_millis(200);
/// How long after a window's end its shares are still taken.
pub const GRACE: Duration = Duration::from_millis(200);

/// Who asks.
pub const CLIENT: &str = "display";

/// A site in the making.
pub struct Site {
    /// The site file.
    pub document: SiteDocument,
    /// The peers' keys.
    pub keys: Vec<NodeKeys>,
    /// What the peers' keys and all shares are drawn from.
    pub seed: u64,
}

impl Site {
    /// n peers with threshold t, no agents and no queries; at least five agents to a result.
    pub fn of(n: u8, t: u8) -> Self {
        Self::seeded(n, t, 1)
    }

    /// The same with other keys and shares.
    pub fn seeded(n: u8, t: u8, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let keys: Vec<_> = (0..n).map(|_| NodeKeys::generate(&mut rng)).collect();
        let peer = (1..).zip(&keys).map(|(i, keys)| PeerTable {
            name: format!("peer-{i}").parse().unwrap(),
            identity: keys.signing.verifying_key(),
            sealing: *keys.sealing.public(),
        });
        let site = SiteTable {
            name: "harbour-school".parse().unwrap(),
            threshold: t,
            consent: smc_core::roster::Consent::default(),
            tolerate: Tolerate::Crash,
            minimum_cohort: 5,
            period: Span::new(PERIOD),
            grace: Span::new(GRACE),
            step: Span::new(STEP),
            cohort_epoch: Span::new(PERIOD * EPOCH_WINDOWS as u32),
            key_epoch: Span::from_secs(24 * 3600),
        };
        let peer = peer.collect();
        let document =
            SiteDocument { site, peer, agent: vec![], client: vec![], quantity: vec![], query: vec![] };
        Self { document, keys, seed }
    }

    /// Peers may lie.
    pub fn malicious(mut self) -> Self {
        self.document.site.tolerate = Tolerate::Malicious;
        self
    }

    /// Changes anything else in `[site]`.
    pub fn with(mut self, change: impl FnOnce(&mut SiteTable)) -> Self {
        change(&mut self.document.site);
        self
    }

    /// Adds the client that asks.
    pub fn client(mut self) -> Self {
        let (_, sealing) = public(self.document.client.len());
        let (name, identity) = (CLIENT.parse().unwrap(), Some(client_key().verifying_key()));
        self.document.client.push(ClientTable { name, identity, sealing, groups: Vec::new() });
        self
    }

    /// Adds agents that measure CO2, on floor 1 and floor 2 in turn.
    pub fn agents(self, agents: usize) -> Self {
        let first = self.document.agent.len();
        (first..first + agents).fold(self, |site, i| {
            let floor = if i % 2 == 0 { "1" } else { "2" };
            site.agent(&[("floor", floor)], &["co2"])
        })
    }

    /// Adds an agent with labels and one stream for each of `quantities`.
    pub fn agent(mut self, labels: &[(&str, &str)], quantities: &[&str]) -> Self {
        let (identity, sealing) = public(self.document.agent.len());
        let stream = |(place, quantity): (usize, &&str)| StreamTable::Named {
            name: format!("s{place}").parse::<StreamName>().unwrap(),
            quantity: quantity.parse().unwrap(),
        };
        self.document.agent.push(AgentTable {
            name: format!("room-{}", 101 + self.document.agent.len()).parse().unwrap(),
            identity,
            sealing,
            labels: map(labels),
            streams: quantities.iter().enumerate().map(stream).collect(),
        });
        self
    }

    /// Defines a vector of whole numbers with so many bits each, from 0 on.
    pub fn vector(mut self, name: &str, bits: u32, elements: u32) -> Self {
        self.document.quantity.push(QuantityTable {
            name: name.parse().unwrap(),
            unit: String::new(),
            minimum: 0.into(),
            maximum: Decimal::from((1_i64 << bits) - 1),
            resolution: 1.into(),
            elements,
            period: None,
        });
        self
    }

    /// Defines whole numbers with so many bits, from 0 on.
    pub fn numbers(self, name: &str, bits: u32) -> Self {
        self.vector(name, bits, 1)
    }

    /// Adds any other query.
    pub fn asking(mut self, query: QueryTable) -> Self {
        self.document.query.push(query);
        self
    }

    /// Adds a query on CO2 over all agents, called like its function.
    pub fn query(self, function: &str) -> Self {
        self.scoped(function, function, &[])
    }

    /// Adds a query on CO2.
    pub fn scoped(mut self, name: &str, function: &str, scope: &[(&str, &str)]) -> Self {
        self.document.query.push(QueryTable {
            scope: map(scope),
            ..QueryTable::new(name.parse().unwrap(), function, "co2".parse().unwrap())
        });
        self
    }

    /// The site, checked.
    pub fn roster(&self) -> Roster {
        Roster::try_from(self.document.clone()).unwrap()
    }
}

/// The public keys of the agent at this place, of every site, drawn once: nobody here seals for an agent, and none signs.
fn public(place: usize) -> (VerifyingKey, SealingPublic) {
    static DRAWN: Mutex<Vec<(VerifyingKey, SealingPublic)>> = Mutex::new(Vec::new());
    let mut drawn = DRAWN.lock().unwrap();
    while drawn.len() <= place {
        let keys = NodeKeys::generate(&mut ChaCha20Rng::seed_from_u64(drawn.len() as u64));
        drawn.push((keys.signing.verifying_key(), *keys.sealing.public()));
    }
    drawn[place]
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}
