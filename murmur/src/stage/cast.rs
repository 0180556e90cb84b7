//! Who takes part, with fresh keys for everybody.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;
use smc_core::identity::NodeKeys;
use smc_core::name::{NameError, NodeName, SiteName};
use smc_core::roster::Roster;
use smc_core::roster::document::{
    AgentTable, PeerTable, QuantityTable, QueryTable, SiteDocument, SiteTable, StreamTable,
};
use smc_mqtt::config::KeyFile;
use smc_mqtt::settings::Secret;

use super::StageError;

/// A site to be made.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Its name and rules.
    pub(crate) site: SiteTable,
    /// The peers' names.
    pub(crate) peers: Vec<NodeName>,
    /// The agents' names and streams.
    pub(crate) agents: Vec<(NodeName, Vec<StreamTable>)>,
    /// Quantities that are not built in.
    pub(crate) quantities: Vec<QuantityTable>,
    /// What is asked.
    pub(crate) queries: Vec<QueryTable>,
}

/// A site with everybody's secrets.
#[derive(Debug)]
pub(crate) struct Cast {
    /// The site file.
    pub(crate) document: SiteDocument,
    /// The site.
    pub(crate) roster: Arc<Roster>,
    /// The keys and passwords of its nodes.
    pub(crate) secrets: BTreeMap<NodeName, KeyFile>,
    /// What lets an observer in.
    pub(crate) observer: Secret,
}

impl Script {
    /// The roster, and each node's secrets. Who knows the generator's seed can cast the same site again.
    pub(crate) fn cast(&self, rng: &mut ChaCha20Rng) -> Result<Cast, StageError> {
        let mut secrets = BTreeMap::new();
        let mut hire = |name: &NodeName| {
            let keys = NodeKeys::generate(rng);
            let stated = (keys.signing.verifying_key(), *keys.sealing.public());
            let password = password(rng).into();
            secrets.insert(name.clone(), KeyFile { node: name.clone(), password, keys });
            stated
        };
        let peer = self.peers.iter().map(|name| {
            let (identity, sealing) = hire(name);
            PeerTable { name: name.clone(), identity, sealing }
        });
        let peer = peer.collect();
        let agent = self.agents.iter().map(|(name, streams)| {
            let (identity, sealing) = hire(name);
            AgentTable {
                name: name.clone(),
                identity,
                sealing,
                labels: BTreeMap::new(),
                streams: streams.clone(),
            }
        });
        let agent = agent.collect();
        let document = SiteDocument {
            site: self.site.clone(),
            peer,
            agent,
            client: Vec::new(),
            quantity: self.quantities.clone(),
            query: self.queries.clone(),
        };
        let roster = Arc::new(Roster::try_from(document.clone())?);
        Ok(Cast { document, roster, secrets, observer: password(rng).into() })
    }
}

/// `prefix-1` to `prefix-<count>`.
pub(crate) fn numbered(prefix: &str, count: usize) -> Result<Vec<NodeName>, NameError> {
    (1..=count).map(|number| format!("{prefix}-{number}").parse()).collect()
}

/// A name that is known to be one.
pub(crate) fn site_name(name: &'static str) -> Result<SiteName, NameError> {
    name.parse()
}

/// 256 random bits in hexadecimal.
pub(super) fn password(rng: &mut ChaCha20Rng) -> String {
    (0..4).map(|_| format!("{:016x}", rng.next_u64())).collect()
}
