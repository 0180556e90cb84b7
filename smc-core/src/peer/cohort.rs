//! The agreed cohort as one query sees it: within its scope, lane by lane; and whether policy lets it be computed on
//! (docs/protocol.md, 4.7).

use std::collections::BTreeSet;

use super::Node;
use crate::arithmetic::Shares;
use crate::digest::Digest;
use crate::envelope::KeyEpoch;
use crate::function::{Inputs, Query, Reads};
use crate::mutation::{Rule, disabled};
use crate::name::NodeName;
use crate::peers::PeerSet;
use crate::protocol::plan::{Member, Plan};
use crate::protocol::release::Atoms;
use crate::prss::SeedError;
use crate::result::Reason;
use crate::roster::{AgentIndex, QuantityIndex};
use crate::session::Session;
use crate::shamir::{Share, recompose};
use crate::time::WindowIndex;

/// What the peers agreed on for a window: of one quantity, or of both of a query of two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreed<'a> {
    /// The plan of the query's quantity.
    pub(super) plan: &'a Plan,
    /// The plan of the second quantity.
    pub(super) with: Option<&'a Plan>,
    /// What was voted for.
    pub(super) digest: Digest,
    /// Whose common keys are used.
    pub(super) epoch: KeyEpoch,
}

impl Agreed<'_> {
    /// The peers of P that compute the query with this definition.
    pub(super) fn peers(&self, query: &Digest) -> PeerSet {
        let computing = |plan: &Plan| plan.computing(query);
        let peers = computing(self.plan);
        self.with.map_or(peers, |with| peers.intersection(computing(with)))
    }

    /// Whether `peers`, who compute a query, are as many as its quantities take: of two, whose cohorts become known in another
    /// order at every peer, all who take part in either. Else no peer might see all that is released together (4.7).
    pub(super) fn goes_together(&self, peers: PeerSet) -> bool {
        self.with.is_none() || self.plans().all(|plan| plan.peers == peers)
    }

    /// Whether all inputs were checked.
    pub(super) fn validated(&self) -> bool {
        self.plans().all(|plan| plan.validated)
    }

    /// The names of the contributions of `peers` to the common keys.
    pub(super) fn keys(&self, peers: PeerSet) -> Result<Vec<Digest>, SeedError> {
        let named = |peer| {
            let name = self.plan.key_of(peer).ok_or(SeedError::Missing)?;
            let alike = self.plans().all(|plan| plan.key_of(peer) == Some(name));
            if alike { Ok(name) } else { Err(SeedError::Changed) }
        };
        peers.iter().map(named).collect()
    }

    fn plans(&self) -> impl Iterator<Item = &Plan> {
        std::iter::once(self.plan).chain(self.with)
    }
}

/// One reading, or one pair of readings of an agent.
#[derive(Debug)]
pub(super) struct Lane {
    agent: AgentIndex,
    member: Member,
    with: Option<Member>,
}

/// What a result states about the cohort, and who can be named in it.
#[derive(Debug)]
pub(super) struct Cohort {
    pub(super) peers: PeerSet,
    pub(super) agents: u32,
    /// How many agents are left out because their terms don't cover the query.
    pub(super) declined: u32,
    pub(super) fresh: u32,
    pub(super) carried: u32,
    /// Whose reading lies in which lane.
    pub(super) names: Vec<NodeName>,
    pub(super) validated: bool,
    /// Whether redundant shares confirmed all that was opened so far.
    pub(super) verified: bool,
}

impl Cohort {
    pub(super) fn new(
        node: &Node,
        agreed: &Agreed<'_>,
        peers: PeerSet,
        lanes: &[Lane],
        declined: u32,
        window: WindowIndex,
    ) -> Self {
        let fresh = lanes.iter().filter(|lane| lane.is_fresh(window)).count() as u32;
        Self {
            peers,
            agents: agents(lanes.iter()).len() as u32,
            declined,
            fresh,
            carried: lanes.len() as u32 - fresh,
            names: lanes.iter().map(|lane| node.roster.agent(lane.agent).node.name.clone()).collect(),
            validated: agreed.validated(),
            verified: true,
        }
    }
}

impl Lane {
    fn is_fresh(&self, window: WindowIndex) -> bool {
        self.members().all(|member| member.window == window)
    }

    fn demand(&self) -> u32 {
        self.members().map(|member| u32::from(member.terms.minimum_cohort)).max().unwrap_or(0)
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.member).chain(&self.with)
    }
}

/// The readings of the cohort within the scope of a query whose agents' terms cover it, and how many agents' terms do not.
pub(super) fn lanes(
    node: &Node,
    session: &Session,
    agreed: &Agreed<'_>,
    window: WindowIndex,
) -> (Vec<Lane>, u32) {
    let end = node.roster.quantity(session.query().quantity).quantity.period().end(window);
    let covers = |lane: &Lane| {
        disabled(Rule::Terms) || lane.members().all(|member| member.terms.cover(session.query(), end))
    };
    let all = scoped_lanes(node, session, agreed);
    // An agent takes part with all of its streams or with none.
    let declining: BTreeSet<_> = all.iter().filter(|lane| !covers(lane)).map(|lane| lane.agent).collect();
    let mut lanes = all;
    lanes.retain(|lane| !declining.contains(&lane.agent));
    (lanes, declining.len() as u32)
}

/// The readings of the cohort within the scope of a query. Of two quantities: an agent's readings of both are paired in
/// the order of the site file, as far as both go.
fn scoped_lanes(node: &Node, session: &Session, agreed: &Agreed<'_>) -> Vec<Lane> {
    let query = session.query();
    let mut lanes = readings(node, query.quantity, agreed.plan);
    lanes.retain(|lane| session.covers(lane.agent));
    let (Some(quantity), Some(with)) = (query.with, agreed.with) else { return lanes };
    // Both lists are in the order of agents.
    let mut partners = readings(node, quantity, with).into_iter().peekable();
    lanes.retain_mut(|lane| {
        while partners.next_if(|other| other.agent < lane.agent).is_some() {}
        lane.with = partners.next_if(|other| other.agent == lane.agent).map(|other| other.member);
        lane.with.is_some()
    });
    lanes
}

fn readings(node: &Node, quantity: QuantityIndex, plan: &Plan) -> Vec<Lane> {
    let streams = &node.roster.quantity(quantity).streams;
    let agent = |member: &Member| node.roster.bundle(streams[member.stream].0).agent;
    plan.cohort.iter().map(|&member| Lane { agent: agent(&member), member, with: None }).collect()
}

/// The agents behind `lanes`, ascending.
fn agents<'a>(lanes: impl Iterator<Item = &'a Lane>) -> Vec<AgentIndex> {
    let mut agents: Vec<_> = lanes.map(|lane| lane.agent).collect();
    agents.dedup();
    agents
}

/// The strictest minimum of the query, the site and every agent covered; alone and beside the other results of each
/// quantity, of this window and of earlier ones.
pub(super) fn allow(
    query: &Query,
    lanes: &[Lane],
    window: WindowIndex,
    released: &mut [&mut Atoms],
) -> Result<(), Reason> {
    let agents = agents(lanes.iter());
    let demand = lanes.iter().map(Lane::demand).max();
    let minimum = demand.unwrap_or(0).max(query.minimum_cohort);
    let minimum = if disabled(Rule::MinimumCohort) { 0 } else { minimum };
    let cohort = agents.len() as u32;
    if cohort < minimum {
        return Err(Reason::Cohort { cohort, minimum });
    }
    let fresh = self::agents(lanes.iter().filter(|lane| lane.is_fresh(window))).len() as u32;
    if fresh < minimum && !disabled(Rule::FreshReadings) {
        return Err(Reason::Fresh { fresh, minimum });
    }
    for atoms in released.iter_mut().filter(|_| !disabled(Rule::ReleaseRule)) {
        atoms.admit(&agents, minimum).map_err(|agents| Reason::Overlap { agents, minimum })?;
    }
    Ok(())
}

/// This peer's shares of the readings, as the function takes them. None, if a reading is not there.
pub(super) fn inputs(node: &Node, query: &Query, lanes: &[Lane]) -> Option<Inputs> {
    let quantity = &node.roster.quantity(query.quantity).quantity;
    let bits = |lane: &Lane| bits(node, query.quantity, &lane.member);
    let columns = match query.function.reads() {
        Reads::Bits => columns(quantity.bits(), lanes.iter().map(bits))?,
        Reads::Nothing => Vec::new(),
        Reads::Sum => vec![sum(node, query.quantity, lanes)?],
    };
    let with = match query.with {
        Some(with) => {
            let bits = |lane: &Lane| self::bits(node, with, lane.with.as_ref()?);
            self::columns(node.roster.quantity(with).quantity.bits(), lanes.iter().map(bits))?
        }
        None => Vec::new(),
    };
    let own = query.agent.and_then(|own| lanes.iter().position(|lane| lane.agent == own));
    Some(Inputs { columns, with, readings: lanes.len() as u64, own })
}

fn bits<'a>(node: &'a Node, quantity: QuantityIndex, member: &Member) -> Option<&'a [Share]> {
    let (bundle, place) = node.roster.quantity(quantity).streams[member.stream];
    let stream = &node.roster.bundle(bundle).streams[place];
    node.holdings.get(bundle, member.window)?.bits(place, stream)
}

/// Readings bit by bit: one column for each of `bits` bits, one lane per reading.
fn columns<'a>(
    bits: u32,
    readings: impl ExactSizeIterator<Item = Option<&'a [Share]>>,
) -> Option<Vec<Shares>> {
    let mut columns: Vec<_> = (0..bits).map(|_| Shares::with_capacity(readings.len())).collect();
    for reading in readings {
        columns.iter_mut().zip(reading?).for_each(|(column, bit)| column.push(bit));
    }
    Some(columns)
}

/// The sum of readings, element by element: v = sum 2^i b_i is linear, hence free (2.2).
fn sum(node: &Node, quantity: QuantityIndex, lanes: &[Lane]) -> Option<Shares> {
    let measured = node.roster.quantity(quantity);
    let mut sums: Vec<Share> = (0..measured.quantity.elements()).map(|_| Share::default()).collect();
    for Lane { member, .. } in lanes {
        let (bundle, place) = measured.streams[member.stream];
        for part in node.roster.parts(bundle) {
            let stream = &node.roster.bundle(part).streams[place];
            let bits = node.holdings.get(part, member.window)?.bits(place, stream)?;
            let sums = sums.get_mut(stream.first_element as usize..)?;
            let elements = bits.chunks_exact(stream.bits as usize);
            sums.iter_mut().zip(elements).for_each(|(sum, bits)| *sum += &recompose(bits));
        }
    }
    let mut all = Shares::with_capacity(sums.len());
    sums.iter().for_each(|sum| all.push(sum));
    Some(all)
}
