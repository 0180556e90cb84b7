//! One query in one agreed window: restrict, open, state, sign (docs/protocol.md, 4.7 and 4.8).

use std::collections::BTreeMap;

use super::Node;
use super::ballot::{Ballot, Cast};
use super::event::{Blame, Event};
use crate::document::Signable;
use crate::field::Fp;
use crate::function::{Facts, Reads, Subject};
use crate::identity::Signature;
use crate::message::{Endorsement, OutputShare, Partial, PeerMessage};
use crate::peers::PeerSet;
use crate::protocol::plan::{Member, Plan};
use crate::protocol::release::Atoms;
use crate::result::{Reason, ResultDocument, SignedResult, Status, VERSION, WindowDocument};
use crate::roster::{AgentIndex, QueryIndex};
use crate::shamir::{PeerIndex, Share, recompose};
use crate::time::{Timestamp, WindowIndex};

/// A query in one window.
#[derive(Debug)]
pub(super) struct Computation {
    query: QueryIndex,
    window: WindowIndex,
    partials: Ballot<OutputShare>,
    endorsements: Ballot<Signature>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The cohort is not agreed yet.
    Waiting,
    /// Waiting for the shares of the output.
    Opening { cohort: Cohort, deadline: Timestamp },
    /// Waiting for the signatures of the others.
    Endorsing { result: Box<ResultDocument>, peers: PeerSet, deadline: Timestamp },
    /// The window is done, well or not.
    Over,
}

/// The agreed cohort within the query's scope.
#[derive(Debug, Clone, Copy)]
struct Cohort {
    peers: PeerSet,
    agents: u32,
    fresh: u32,
    carried: u32,
}

impl Computation {
    pub(super) fn new(query: QueryIndex, window: WindowIndex) -> Self {
        Self { query, window, partials: Ballot::new(), endorsements: Ballot::new(), state: State::Waiting }
    }

    pub(super) fn query(&self) -> QueryIndex {
        self.query
    }

    pub(super) fn timeout(&self) -> Option<Timestamp> {
        match self.state {
            State::Opening { deadline, .. } | State::Endorsing { deadline, .. } => Some(deadline),
            State::Waiting | State::Over => None,
        }
    }

    pub(super) fn partial(&mut self, from: PeerIndex, share: OutputShare) -> Cast {
        self.partials.cast(from, share)
    }

    pub(super) fn endorsed(&mut self, from: PeerIndex, signature: Signature) -> Cast {
        self.endorsements.cast(from, signature)
    }

    /// 4.7: restricts the agreed cohort to the scope and, if policy allows, releases this peer's share of the
    /// output: here and nowhere else, so at most once.
    pub(super) fn start(&mut self, node: &mut Node, now: Timestamp, plan: &Plan, released: &mut Atoms) {
        let members = self.scoped(node, plan);
        let agents = self.agents(node, &members);
        if let Err(reason) = self.allow(node, plan, &members, &agents, released) {
            return self.fail(node, plan.peers, &reason);
        }
        let fresh = members.iter().filter(|member| member.window == self.window).count() as u32;
        let carried = members.len() as u32 - fresh;
        let cohort = Cohort { peers: plan.peers, agents: agents.len() as u32, fresh, carried };
        match node.roster.query(self.query).function.reads() {
            Reads::Nothing => self.state_result(node, now, cohort, Fp::ZERO, true),
            _ => {
                let Some(sum) = self.sum(node, &members) else {
                    return self.fail(node, plan.peers, &Reason::Lost);
                };
                let share = OutputShare(sum.reveal());
                let query = node.roster.query(self.query).name.clone();
                node.say(plan.peers, PeerMessage::Partial(Partial { query, window: self.window, share }));
                self.partials.cast(node.me, share);
                self.state = State::Opening { cohort, deadline: now + node.roster.timing().step };
            }
        }
    }

    fn scoped(&self, node: &Node, plan: &Plan) -> Vec<Member> {
        let covered = |member: &&Member| node.roster.covers(self.query, self.agent(node, member));
        plan.cohort.iter().filter(covered).copied().collect()
    }

    fn agent(&self, node: &Node, member: &Member) -> AgentIndex {
        let streams = &node.roster.quantity(node.roster.query(self.query).quantity).streams;
        node.roster.bundle(streams[member.stream].0).agent
    }

    /// The agents behind `members`, ascending.
    fn agents(&self, node: &Node, members: &[Member]) -> Vec<AgentIndex> {
        let mut agents: Vec<_> = members.iter().map(|member| self.agent(node, member)).collect();
        agents.dedup();
        agents
    }

    /// The strictest minimum of the query, the site and every agent covered; alone and beside the other results, of
    /// this window and of earlier ones.
    fn allow(
        &self,
        node: &Node,
        plan: &Plan,
        members: &[Member],
        agents: &[AgentIndex],
        released: &mut Atoms,
    ) -> Result<(), Reason> {
        let query = node.roster.query(self.query);
        if plan.queries.binary_search(&query.digest).is_err() {
            return Err(Reason::NotShared);
        }
        let demand = members.iter().map(|member| u32::from(member.demand)).max();
        let minimum = demand.unwrap_or(0).max(query.minimum_cohort);
        let cohort = agents.len() as u32;
        if cohort < minimum {
            return Err(Reason::Cohort { cohort, minimum });
        }
        let fresh: Vec<_> = members.iter().filter(|member| member.window == self.window).copied().collect();
        let fresh = self.agents(node, &fresh).len() as u32;
        if fresh < minimum {
            return Err(Reason::Fresh { fresh, minimum });
        }
        released.admit(agents, minimum).map_err(|agents| Reason::Overlap { agents, minimum })
    }

    /// This peer's share of the sum: v = sum 2^i b_i is linear, hence free (2.2). None, if a reading is not there.
    fn sum(&self, node: &Node, members: &[Member]) -> Option<Share> {
        let streams = &node.roster.quantity(node.roster.query(self.query).quantity).streams;
        let mut sum = Share::default();
        for member in members {
            let (bundle, place) = streams[member.stream];
            let stream = &node.roster.bundle(bundle).streams[place];
            sum += &recompose(node.holdings.get(bundle, member.window)?.bits(place, stream)?);
        }
        Some(sum)
    }

    /// Goes on as far as what was heard and the time allow.
    pub(super) fn advance(&mut self, node: &mut Node, now: Timestamp) {
        if let State::Opening { cohort, deadline } = self.state
            && (cohort.peers.is_subset(self.partials.voters()) || deadline <= now)
        {
            self.open(node, now, cohort);
        }
        if let State::Endorsing { ref result, peers, deadline } = self.state
            && (peers.is_subset(self.endorsements.voters()) || deadline <= now)
        {
            let result = result.clone();
            self.publish(node, peers, *result);
        }
    }

    /// Opens the output from the shares of all of P; wrong ones are found, and corrected where there are enough.
    ///
    /// Peers that opened it from different shares would sign different results, and whoever holds back messages
    /// could choose how much redundancy a peer sees: so all or nothing.
    fn open(&mut self, node: &mut Node, now: Timestamp, cohort: Cohort) {
        let partials: Vec<_> = self.partials.of(cohort.peers).map(|(peer, share)| (peer, share.0)).collect();
        let (have, need) = (partials.len(), cohort.peers.len());
        if have < need {
            return self.fail(node, cohort.peers, &Reason::PartialsMissing { have, need });
        }
        let opened = match node.roster.sharing().open(&partials) {
            Ok(opened) => opened,
            Err(error) => return self.fail(node, cohort.peers, &Reason::Opening(error)),
        };
        for &peer in &opened.corrected {
            if let Some(peer) = node.roster.peer(peer).map(|peer| peer.name.clone()) {
                let query = node.roster.query(self.query).name.clone();
                node.tell(Event::Blamed(Blame::FalsePartial { peer, query, window: self.window }));
            }
        }
        let verified = have >= node.roster.quorum().verifying();
        self.state_result(node, now, cohort, opened.value, verified);
    }

    /// 4.8: states the result and signs it.
    fn state_result(&mut self, node: &mut Node, now: Timestamp, cohort: Cohort, opened: Fp, verified: bool) {
        let query = node.roster.query(self.query);
        let quantity = &node.roster.quantity(query.quantity).quantity;
        let readings = u64::from(cohort.fresh + cohort.carried);
        let facts = Facts { quantity, with: None, readings, agents: &[] };
        let Some(value) = query.function.conclude(&facts, &[opened]) else {
            return self.fail(node, cohort.peers, &Reason::Range);
        };
        let result = ResultDocument {
            value: Some(value),
            cohort: cohort.agents,
            fresh: cohort.fresh,
            carried: cohort.carried,
            verified,
            status: Status::Ok,
            reason: None,
            ..self.document(node, cohort.peers)
        };
        let sig = result.sign(&node.key);
        self.endorsements.cast(node.me, sig);
        let endorsement = Endorsement { query: query.name.clone(), window: self.window, sig };
        node.say(cohort.peers, PeerMessage::Endorsement(endorsement));
        let deadline = now + node.roster.timing().step;
        self.state = State::Endorsing { result: Box::new(result), peers: cohort.peers, deadline };
    }

    /// The lowest of the peers that signed publishes, with all signatures.
    fn publish(&mut self, node: &mut Node, peers: PeerSet, result: ResultDocument) {
        let mut signatures = BTreeMap::new();
        let mut signers = PeerSet::EMPTY;
        for (peer, signature) in self.endorsements.of(peers) {
            let Some(signer) = node.roster.peer(peer).cloned() else { continue };
            if result.is_signed_by(&signer.identity, signature) {
                signers = signers.with(peer);
                signatures.insert(signer.name, *signature);
            } else {
                let (query, window) = (result.query.clone(), self.window);
                node.tell(Event::Blamed(Blame::OtherResult { peer: signer.name, query, window }));
            }
        }
        let (have, need) = (signers.len(), node.roster.quorum().size());
        if have < need {
            return self.fail(node, peers, &Reason::Endorsements { have, need });
        }
        self.state = State::Over;
        let publish = signers.lowest() == Some(node.me);
        node.tell(Event::Result { result: Box::new(SignedResult { result, signatures }), publish });
    }

    /// 4.9: says that there is no value and why. The lowest peer online publishes it under its own signature; of the
    /// peers that were to compute, where there is a quorum of them.
    pub(super) fn fail(&mut self, node: &mut Node, peers: PeerSet, reason: &Reason) {
        if let State::Over = self.state {
            return;
        }
        self.state = State::Over;
        let cohort = match reason {
            Reason::Cohort { cohort, .. } => *cohort,
            _ => 0,
        };
        let result = ResultDocument {
            cohort,
            status: reason.status(),
            reason: Some(reason.to_string()),
            ..self.document(node, peers)
        };
        let Some(me) = node.roster.peer(node.me).map(|me| me.name.clone()) else { return };
        let signatures = BTreeMap::from([(me, result.sign(&node.key))]);
        let quorum = peers.len() >= node.roster.quorum().size();
        let able = if quorum { node.online.intersection(peers) } else { node.online };
        let publish = able.lowest() == Some(node.me);
        node.tell(Event::Result { result: Box::new(SignedResult { result, signatures }), publish });
    }

    /// What every outcome of this window states.
    fn document(&self, node: &Node, peers: PeerSet) -> ResultDocument {
        let query = node.roster.query(self.query);
        let quantity = &node.roster.quantity(query.quantity).quantity;
        let named = peers.iter().filter_map(|peer| Some(node.roster.peer(peer)?.name.clone()));
        ResultDocument {
            v: VERSION,
            site: node.roster.site().clone(),
            query: query.name.clone(),
            function: query.function.entry().name.to_owned(),
            quantity: quantity.name().clone(),
            unit: query.function.shape(&Subject { quantity, with: None }).unit,
            window: WindowDocument::new(quantity.period(), self.window),
            value: None,
            cohort: 0,
            fresh: 0,
            carried: 0,
            peers: named.collect(),
            verified: false,
            status: Status::Failed,
            reason: None,
        }
    }
}
