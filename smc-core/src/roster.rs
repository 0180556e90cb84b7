//! Who and what a site consists of, checked once and then true everywhere.
//!
//! A [`Roster`] can only be made from a [`SiteDocument`] that holds together: all nodes of a site load the same
//! file, and the digest of what they agreed on is part of every vote.

mod builder;
mod caution;
mod consent;
pub mod document;
mod error;
pub(crate) mod queries;
mod quorum;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use sha2::{Digest, Sha256};

use self::builder::Builder;
pub use self::caution::Caution;
pub use self::consent::{Consent, ConsentRule};
pub use self::document::{SiteDocument, Span, Tolerate};
pub use self::error::RosterError;
pub use self::quorum::Quorum;
use crate::document::canonical;
use crate::function::Query;
use crate::identity::{SealingPublic, VerifyingKey};
use crate::name::{NodeName, QueryName, SiteName, StreamName};
use crate::protocol::standing::Members;
use crate::quantity::Quantity;
use crate::shamir::{PeerIndex, Sharing};
use crate::time::Period;

/// The most agents of a site.
pub const MAX_AGENTS: usize = 100_000;
/// The most streams of one agent.
pub const MAX_STREAMS_PER_AGENT: usize = 1_000;
/// The most bits that all readings of one agent may have together in one window: 128 MiB of shares per peer.
pub const MAX_BITS_PER_AGENT: usize = 1 << 24;
/// The most bits that one part of a vector has: with 8 bytes for each, in base64, 342 KiB of an envelope.
pub const MAX_PART_BITS: u32 = 1 << 15;
/// The most parts that the vectors of a whole site may have.
pub const MAX_PARTS: usize = 1 << 17;
/// The most standing queries of a site.
pub const MAX_QUERIES: usize = 1_000;

macro_rules! indices {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The index for use in a slice.
            pub const fn at(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

indices! {
    /// An agent, counted in the order of the site file.
    AgentIndex
    /// What one agent says in one message: its streams of one period, or a part of a vector.
    BundleIndex
    /// A quantity, counted in the order of names.
    QuantityIndex
    /// A standing query, counted in the order of names.
    QueryIndex
}

/// A site that holds together.
#[derive(Debug, Clone, PartialEq)]
pub struct Roster {
    site: SiteName,
    sharing: Sharing,
    quorum: Quorum,
    timing: Timing,
    minimum_cohort: u32,
    peers: Vec<Node>,
    agents: Vec<Agent>,
    clients: BTreeMap<NodeName, Client>,
    agent_names: HashMap<NodeName, AgentIndex>,
    bundles: Vec<Bundle>,
    quantities: Vec<Measured>,
    queries: Vec<Query>,
    /// For each query the agents in its scope.
    scopes: Vec<Members>,
    digest: [u8; 32],
}

/// The site's lengths of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long after a window's end its shares are still taken.
    pub grace: Duration,
    /// How long a peer waits for the others in each step.
    pub step: Duration,
    /// How long a cohort stays frozen.
    pub cohort_epoch: Duration,
    /// How long a peer's sealing key lives.
    pub key_epoch: Duration,
}

/// A peer's public side.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Verifies what it signs.
    pub identity: VerifyingKey,
    /// Proves who sealed.
    pub sealing: SealingPublic,
}

/// A client's public side.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Verifies what it asks; one without asks nothing.
    pub identity: Option<VerifyingKey>,
    /// The key that outputs for it are sealed to.
    pub sealing: SealingPublic,
    /// The groups it belongs to, for the peers' policies.
    pub groups: Vec<String>,
}

/// An agent's public side.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its name and keys.
    pub node: Node,
    /// What queries select by.
    pub labels: BTreeMap<String, String>,
    /// Its bundles, ascending by period and part.
    pub bundles: Vec<BundleIndex>,
}

/// What travels in one message per peer and window: the streams of one agent that share a period, or one part of a
/// vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// Whose streams.
    pub agent: AgentIndex,
    /// Their window.
    pub period: Period,
    /// Its number among the agent's messages of this period: 0 for all single numbers together, from 1 on for the
    /// parts of vectors.
    pub part: u32,
    /// How many bundles after this one carry the rest of the same vector.
    pub rest: u32,
    /// The streams, in the order of the site file; for a part, its one piece of the vector.
    pub streams: Vec<Stream>,
    /// Binds every message to the definition of all its streams.
    pub digest: [u8; 32],
}

impl Bundle {
    /// Whether readings begin in this bundle; else it carries on with the vector of the one before.
    pub fn begins(&self) -> bool {
        self.streams.first().is_none_or(|stream| stream.first_element == 0)
    }
}

/// One quantity of one agent, or a piece of it where its readings are vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// Its name within the agent.
    pub name: StreamName,
    /// What it measures.
    pub quantity: QuantityIndex,
    /// k: bits of one element.
    pub bits: u32,
    /// Where its bits begin in the bundle, counted in bits of all streams before it.
    pub first_bit: usize,
    /// The first element of the reading that is in this bundle.
    pub first_element: u32,
    /// How many elements of the reading are in this bundle: 1 of a single number.
    pub elements: u32,
}

impl Stream {
    /// How many shares it takes in its bundle: one for every bit of every element.
    pub fn width(&self) -> usize {
        self.bits as usize * self.elements as usize
    }
}

/// A quantity and all the streams that measure it.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Unit, range and window.
    pub quantity: Quantity,
    /// The digest of the quantity.
    pub digest: [u8; 32],
    /// Its streams: bundle and place within it, in the order of the site file. A vector is one of them, whole, at the
    /// bundle where it begins; see [`Roster::parts`].
    pub streams: Vec<(BundleIndex, usize)>,
}

impl Roster {
    /// The site's name.
    pub fn site(&self) -> &SiteName {
        &self.site
    }

    /// n and t.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// How many peers must agree.
    pub fn quorum(&self) -> Quorum {
        self.quorum
    }

    /// The site's lengths of time.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// The fewest agents that any result may cover.
    pub fn minimum_cohort(&self) -> u32 {
        self.minimum_cohort
    }

    /// The peers with their indices.
    pub fn peers(&self) -> impl Iterator<Item = (PeerIndex, &Node)> {
        self.sharing.indices().zip(&self.peers)
    }

    /// The peer with this index, if the site has so many.
    pub fn peer(&self, peer: PeerIndex) -> Option<&Node> {
        self.peers.get(peer.offset())
    }

    /// The index of the peer called `name`.
    pub fn peer_named(&self, name: &str) -> Option<PeerIndex> {
        self.peers().find(|(_, node)| node.name.as_str() == name).map(|(peer, _)| peer)
    }

    /// All agents.
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// The key that outputs for the client or agent called `name` are sealed to.
    pub fn recipient(&self, name: &NodeName) -> Option<&SealingPublic> {
        let agent = || Some(&self.agent(self.agent_named(name.as_str())?).node.sealing);
        self.client(name).map(|client| &client.sealing).or_else(agent)
    }

    /// All clients, in the order of names.
    pub fn clients(&self) -> impl Iterator<Item = (&NodeName, &Client)> {
        self.clients.iter()
    }

    /// The client called `name`.
    pub fn client(&self, name: &NodeName) -> Option<&Client> {
        self.clients.get(name)
    }

    /// The index of the agent called `name`.
    pub fn agent_named(&self, name: &str) -> Option<AgentIndex> {
        self.agent_names.get(name).copied()
    }

    /// One agent.
    pub fn agent(&self, agent: AgentIndex) -> &Agent {
        &self.agents[agent.at()]
    }

    /// All bundles.
    pub fn bundles(&self) -> &[Bundle] {
        &self.bundles
    }

    /// The shortest windows that anything is measured in; none if nothing is.
    pub fn shortest_period(&self) -> Option<Period> {
        self.bundles.iter().map(|bundle| bundle.period).min()
    }

    /// One bundle.
    pub fn bundle(&self, bundle: BundleIndex) -> &Bundle {
        &self.bundles[bundle.at()]
    }

    /// The bundle of `agent` with this period and number.
    pub fn bundle_of(&self, agent: AgentIndex, period: Period, part: u32) -> Option<BundleIndex> {
        let bundles = &self.agents.get(agent.at())?.bundles;
        let number = |&bundle: &BundleIndex| (self.bundle(bundle).period, self.bundle(bundle).part);
        bundles.binary_search_by_key(&(period, part), number).ok().map(|at| bundles[at])
    }

    /// All bundles that carry what begins in `bundle`, in the order of elements; itself alone unless it is the first
    /// of a vector's parts.
    pub fn parts(&self, bundle: BundleIndex) -> impl Iterator<Item = BundleIndex> + use<> {
        (bundle.0..=bundle.0 + self.bundle(bundle).rest).map(BundleIndex)
    }

    /// All quantities that the site knows.
    pub fn quantities(&self) -> impl Iterator<Item = (QuantityIndex, &Measured)> {
        (0..).map(QuantityIndex).zip(&self.quantities)
    }

    /// One quantity.
    pub fn quantity(&self, quantity: QuantityIndex) -> &Measured {
        &self.quantities[quantity.at()]
    }

    /// The index of the quantity called `name`.
    pub fn quantity_named(&self, name: &str) -> Option<QuantityIndex> {
        self.quantities().find(|(_, m)| m.quantity.name().as_str() == name).map(|(index, _)| index)
    }

    /// All standing queries.
    pub fn queries(&self) -> impl Iterator<Item = (QueryIndex, &Query)> {
        (0..).map(QueryIndex).zip(&self.queries)
    }

    /// One query.
    pub fn query(&self, query: QueryIndex) -> &Query {
        &self.queries[query.at()]
    }

    /// The index of the query called `name`.
    pub fn query_named(&self, name: &QueryName) -> Option<QueryIndex> {
        let at = self.queries.binary_search_by(|query| query.name.cmp(name)).ok()?;
        Some(QueryIndex(at as u32))
    }

    /// The agents in the scope of `query`, by index.
    pub(crate) fn scope(&self, query: QueryIndex) -> &Members {
        &self.scopes[query.at()]
    }

    /// Whether `agent` lies in the scope of `query`.
    pub fn covers(&self, query: QueryIndex, agent: AgentIndex) -> bool {
        self.scopes[query.at()].contains(agent.at())
    }

    /// Digest of everything that the nodes must agree on; queries are left out, so that one can be added to a
    /// running site peer by peer.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl TryFrom<SiteDocument> for Roster {
    type Error = RosterError;

    fn try_from(mut document: SiteDocument) -> Result<Self, RosterError> {
        let have = document.agent.len();
        if have > MAX_AGENTS {
            return Err(RosterError::TooManyAgents { have });
        }
        let queries = std::mem::take(&mut document.query);
        let digest = Sha256::digest(canonical(&document)).into();
        let SiteDocument { site: table, peer, agent, client, quantity, query: _ } = document;
        let sharing = Sharing::new(u8::try_from(peer.len()).unwrap_or(u8::MAX), table.threshold)?;
        let mut builder = Builder::new(builder::period("site.period", table.period)?, quantity)?;
        let mut names = BTreeSet::new();
        let mut peers = Vec::with_capacity(peer.len());
        for document::PeerTable { name, identity, sealing } in peer {
            builder::claim(&mut names, &name)?;
            peers.push(Node { name, identity, sealing });
        }
        for entry in agent {
            builder::claim(&mut names, &entry.name)?;
            builder.agent(entry)?;
        }
        let mut clients = BTreeMap::new();
        for document::ClientTable { name, identity, sealing, groups } in client {
            builder::claim(&mut names, &name)?;
            clients.insert(name, Client { identity, sealing, groups });
        }
        let Builder { agents, bundles, quantities, .. } = builder;
        for measured in &quantities {
            if measured.streams.len() as u64 > measured.quantity.max_readings() {
                return Err(RosterError::TooManyStreams { quantity: measured.quantity.name().clone() });
            }
        }
        let minimum_cohort = table.minimum_cohort;
        if minimum_cohort < MINIMUM_COHORT_FLOOR {
            return Err(RosterError::MinimumCohort { have: minimum_cohort });
        }
        let agent_names = (0..)
            .map(AgentIndex)
            .zip(&agents)
            .map(|(index, agent)| (agent.node.name.clone(), index))
            .collect();
        let mut roster = Self {
            quorum: Quorum::new(sharing, table.tolerate),
            timing: timing(&table)?,
            site: table.name,
            sharing,
            minimum_cohort,
            peers,
            agents,
            clients,
            agent_names,
            bundles,
            quantities,
            queries: Vec::new(),
            scopes: Vec::new(),
            digest,
        };
        table.consent.needed(&roster)?;
        roster.queries = queries::admit(&roster, queries)?;
        roster.scopes = roster.queries.iter().map(|query| queries::scope(&roster, query)).collect();
        Ok(roster)
    }
}

/// With two members each would learn the other's reading, so no site may go below three.
pub const MINIMUM_COHORT_FLOOR: u32 = 3;

fn timing(table: &document::SiteTable) -> Result<Timing, RosterError> {
    let timing = Timing {
        grace: table.grace.get(),
        step: table.step.get(),
        cohort_epoch: table.cohort_epoch.get(),
        key_epoch: table.key_epoch.get(),
    };
    let bounded = |key, span: Duration, least: Duration, most: Duration| {
        if (least..=most).contains(&span) { Ok(()) } else { Err(RosterError::Span { key, least, most }) }
    };
    const DAY: Duration = Duration::from_secs(86_400);
    bounded("grace", timing.grace, Duration::ZERO, DAY)?;
    bounded("step", timing.step, Duration::from_millis(1), DAY)?;
    bounded("cohort_epoch", timing.cohort_epoch, Duration::from_millis(100), 31 * DAY)?;
    // A key outlives its epoch by as long as a reading sealed to it may be carried; then it is erased.
    let least = (timing.cohort_epoch + timing.grace).max(Duration::from_secs(60));
    bounded("key_epoch", timing.key_epoch, least, 366 * DAY)?;
    Ok(timing)
}
