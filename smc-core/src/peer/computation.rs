//! One query in one agreed window: restrict, open, state, sign (docs/protocol.md, 4.7 and 4.8).

use std::collections::BTreeMap;

use super::Node;
use super::ballot::{Ballot, Cast};
use super::event::{Blame, Event, Refusal};
use super::exchange::Exchange;
use crate::arithmetic::{Batch, Fault, Progress, Session, Shares};
use crate::digest::Digest;
use crate::document::Signable;
use crate::envelope::KeyEpoch;
use crate::field::Fp;
use crate::function::{self, Facts, Final, Inputs, Reads, Subject};
use crate::identity::Signature;
use crate::message::{Endorsement, Partial, PeerMessage, Purpose};
use crate::name::NodeName;
use crate::peers::PeerSet;
use crate::protocol::plan::{Member, Plan};
use crate::protocol::release::Atoms;
use crate::prss::{Label, Randomness, SeedError};
use crate::result::{Reason, ResultDocument, SignedResult, Status, VERSION, WindowDocument};
use crate::roster::{AgentIndex, QueryIndex, Roster};
use crate::shamir::{Degree, PeerIndex, Share, recompose};
use crate::time::{Timestamp, WindowIndex};

/// A query in one window.
#[derive(Debug)]
pub(super) struct Computation {
    query: QueryIndex,
    window: WindowIndex,
    exchange: Exchange,
    endorsements: Ballot<Signature>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The cohort is not agreed yet.
    Waiting,
    /// The function runs; of the shares that this peer showed last, `single` are of degree t.
    Computing { cohort: Cohort, session: Running, single: usize },
    /// Waiting for the signatures of the others.
    Endorsing { result: Box<ResultDocument>, peers: PeerSet, deadline: Timestamp },
    /// The window is done, well or not.
    Over,
}

type Running = Session<Result<Final, Fault>>;

/// What the peers agreed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreed<'a> {
    /// Who computes on what.
    pub(super) plan: &'a Plan,
    /// The digest that all of P voted for.
    pub(super) digest: Digest,
    /// Whose common keys they use.
    pub(super) epoch: KeyEpoch,
}

/// The agreed cohort within the query's scope.
#[derive(Debug)]
struct Cohort {
    peers: PeerSet,
    agents: u32,
    fresh: u32,
    carried: u32,
    /// Whose reading lies in which lane.
    lanes: Vec<AgentIndex>,
    validated: bool,
    /// Whether redundant shares confirmed all that was opened so far.
    verified: bool,
}

impl Computation {
    pub(super) fn new(roster: &Roster, query: QueryIndex, window: WindowIndex) -> Self {
        let exchange = Exchange::new(Purpose::Query(roster.query(query).name.clone()), window);
        Self { query, window, exchange, endorsements: Ballot::new(), state: State::Waiting }
    }

    pub(super) fn query(&self) -> QueryIndex {
        self.query
    }

    pub(super) fn timeout(&self) -> Option<Timestamp> {
        match self.state {
            State::Computing { .. } => self.exchange.deadline(),
            State::Endorsing { deadline, .. } => Some(deadline),
            State::Waiting | State::Over => None,
        }
    }

    pub(super) fn partial(&mut self, from: PeerIndex, partial: Partial) -> Result<Cast, Refusal> {
        self.exchange.take(from, partial)
    }

    pub(super) fn endorsed(&mut self, from: PeerIndex, signature: Signature) -> Cast {
        self.endorsements.cast(from, signature)
    }

    /// 4.7: restricts the agreed cohort to the scope and, if policy allows, computes on it: here and nowhere else, so at
    /// most once.
    pub(super) fn start(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        agreed: Agreed<'_>,
        released: &mut Atoms,
    ) {
        let plan = agreed.plan;
        let members = self.scoped(node, plan);
        let session = self.allow(node, plan, &members, released).and_then(|()| {
            let randomness = self.randomness(node, agreed)?;
            let inputs = self.inputs(node, &members).ok_or(Reason::Lost)?;
            let function = &node.roster.query(self.query).function;
            Ok(function::session(function, node.roster.sharing(), randomness, inputs, false))
        });
        let session = match session {
            Ok(session) => session,
            Err(reason) => return self.fail(node, plan.peers, &reason),
        };
        let fresh = members.iter().filter(|member| member.window == self.window).count() as u32;
        let cohort = Cohort {
            peers: plan.peers,
            agents: self.agents(node, &members).len() as u32,
            fresh,
            carried: members.len() as u32 - fresh,
            lanes: members.iter().map(|member| self.agent(node, member)).collect(),
            validated: plan.validated,
            verified: true,
        };
        self.go_on(node, now, cohort, session);
    }

    /// The randomness of this window's computation; none where nothing is multiplied.
    fn randomness(&self, node: &mut Node, agreed: Agreed<'_>) -> Result<Randomness, Reason> {
        let Agreed { plan, digest, epoch } = agreed;
        let query = node.roster.query(self.query);
        if !query.function.multiplies() {
            return Ok(Randomness::none());
        }
        let (have, need) = (plan.peers.len(), node.roster.sharing().needed(Degree::Double));
        if have < need {
            return Err(Reason::Products { have, need });
        }
        if plan.keys.is_empty() {
            return Err(Reason::Keys(SeedError::Missing));
        }
        let label = Label { subject: query.digest, window: self.window, plan: digest };
        node.seeds.session(epoch, plan.peers, &label).map_err(Reason::Keys)
    }

    /// This peer's shares of the readings, as the function takes them. None, if a reading is not there.
    fn inputs(&self, node: &Node, members: &[Member]) -> Option<Inputs> {
        let query = node.roster.query(self.query);
        let measured = node.roster.quantity(query.quantity);
        let own = query.agent.and_then(|own| members.iter().position(|m| self.agent(node, m) == own));
        let bits_of = |member: &Member| {
            let (bundle, place) = measured.streams[member.stream];
            let stream = &node.roster.bundle(bundle).streams[place];
            node.holdings.get(bundle, member.window)?.bits(place, stream)
        };
        let columns = match query.function.reads() {
            Reads::Bits => columns(measured.quantity.bits(), members.iter().map(bits_of))?,
            Reads::Nothing => Vec::new(),
            Reads::Sum => vec![sum(members.iter().map(bits_of))?],
        };
        Some(Inputs { columns, with: Vec::new(), readings: members.len() as u64, own })
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
        released: &mut Atoms,
    ) -> Result<(), Reason> {
        let agents = self.agents(node, members);
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
        released.admit(&agents, minimum).map_err(|agents| Reason::Overlap { agents, minimum })
    }

    /// Goes on as far as what was heard and the time allow.
    pub(super) fn advance(&mut self, node: &mut Node, now: Timestamp) {
        while let State::Computing { cohort, session, single } = &mut self.state {
            let peers = cohort.peers;
            let Some(shown) = self.exchange.heard() else {
                if self.exchange.deadline().is_some_and(|deadline| deadline <= now) {
                    let (have, need) = (self.exchange.have(), peers.len());
                    self.fail(node, peers, &Reason::PartialsMissing { have, need });
                }
                break;
            };
            let partials: Vec<_> = shown.iter().map(|(peer, shares)| (*peer, shares.as_slice())).collect();
            let opened = match Batch::open(*single, node.roster.sharing(), &partials) {
                Ok(opened) => opened,
                Err(error) => return self.fail(node, peers, &Reason::Opening(error)),
            };
            let threshold = usize::from(node.roster.sharing().threshold().get());
            let products = shown.first().is_some_and(|(_, shares)| shares.len() > *single);
            let confirmed = node.roster.quorum().verifying() + if products { threshold } else { 0 };
            cohort.verified &= partials.len() >= confirmed;
            let corrected = opened.corrected;
            session.answer(opened);
            self.blame(node, corrected);
            if let State::Computing { cohort, session, .. } = std::mem::replace(&mut self.state, State::Over)
            {
                self.go_on(node, now, cohort, session);
            }
        }
        if let State::Endorsing { ref result, peers, deadline } = self.state
            && (peers.is_subset(self.endorsements.voters()) || deadline <= now)
        {
            let result = result.clone();
            self.publish(node, peers, *result);
        }
    }

    /// Asks the function for what it opens next, and shows it to all of P; or takes its output.
    ///
    /// All of P open from the shares of all of P. Peers that opened from different shares would sign different results,
    /// and whoever holds back messages could choose how much redundancy a peer sees: so all or nothing.
    fn go_on(&mut self, node: &mut Node, now: Timestamp, cohort: Cohort, mut session: Running) {
        let peers = cohort.peers;
        match session.advance() {
            Progress::Done(Ok(Final::Opened(elements))) => self.state_result(node, now, cohort, &elements),
            Progress::Done(Ok(Final::Sealed(..))) => self.fail(node, peers, &Reason::Range),
            Progress::Done(Err(fault)) => self.fail(node, peers, &Reason::Fault(fault)),
            // Without common keys the factors would lie open. A function that says it multiplies has them.
            Progress::Open(batch)
                if batch.shares.len() > batch.single
                    && !node.roster.query(self.query).function.multiplies() =>
            {
                self.fail(node, peers, &Reason::Keys(SeedError::Missing));
            }
            Progress::Open(batch) => {
                let single = batch.single;
                self.state = State::Computing { cohort, session, single };
                self.exchange.show(node, now, peers, batch.shares);
            }
        }
    }

    fn blame(&self, node: &mut Node, corrected: PeerSet) {
        for peer in corrected.iter() {
            if let Some(peer) = node.roster.peer(peer).map(|peer| peer.name.clone()) {
                let query = node.roster.query(self.query).name.clone();
                node.tell(Event::Blamed(Blame::FalsePartial { peer, query, window: self.window }));
            }
        }
    }

    /// 4.8: states the result and signs it.
    fn state_result(&mut self, node: &mut Node, now: Timestamp, cohort: Cohort, elements: &[Fp]) {
        let query = node.roster.query(self.query);
        let quantity = |index| &node.roster.quantity(index).quantity;
        let names: Vec<NodeName> =
            cohort.lanes.iter().map(|&agent| node.roster.agent(agent).node.name.clone()).collect();
        let facts = Facts {
            quantity: quantity(query.quantity),
            with: query.with.map(quantity),
            readings: u64::from(cohort.fresh + cohort.carried),
            agents: &names,
        };
        let Some(value) = query.function.conclude(&facts, elements) else {
            return self.fail(node, cohort.peers, &Reason::Range);
        };
        let result = ResultDocument {
            value: Some(value),
            cohort: cohort.agents,
            fresh: cohort.fresh,
            carried: cohort.carried,
            validated: cohort.validated,
            verified: cohort.verified,
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
        let with = query.with.map(|with| &node.roster.quantity(with).quantity);
        let named = peers.iter().filter_map(|peer| Some(node.roster.peer(peer)?.name.clone()));
        ResultDocument {
            v: VERSION,
            site: node.roster.site().clone(),
            query: query.name.clone(),
            function: query.function.entry().name.to_owned(),
            quantity: quantity.name().clone(),
            unit: query.function.shape(&Subject { quantity, with }).unit,
            window: WindowDocument::new(quantity.period(), self.window),
            value: None,
            cohort: 0,
            fresh: 0,
            carried: 0,
            peers: named.collect(),
            validated: false,
            verified: false,
            status: Status::Failed,
            reason: None,
        }
    }
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

/// The sum of readings: v = sum 2^i b_i is linear, hence free (2.2).
fn sum<'a>(mut readings: impl Iterator<Item = Option<&'a [Share]>>) -> Option<Shares> {
    let sum = readings.try_fold(Share::default(), |mut sum, bits| {
        sum += &recompose(bits?);
        Some(sum)
    })?;
    let mut lane = Shares::with_capacity(1);
    lane.push(&sum);
    Some(lane)
}
