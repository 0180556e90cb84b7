//! One window of one quantity: from the inventories to the agreed cohort, then one computation per query
//! (docs/protocol.md, 4.2 to 4.7).

mod pair;
mod stock;

use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) use self::pair::Partner;
use super::Node;
use super::ballot::{Ballot, Cast};
use super::check::{self, Check, Verdict};
use super::cohort::Agreed;
use super::computation::Computation;
use super::event::{Blame, Event, Refusal, Taken};
use super::exchange::Exchange;
use crate::card;
use crate::digest::Digest;
use crate::document::{Signable, Signed};
use crate::envelope::KeyEpoch;
use crate::message::{PeerMessage, Purpose};
use crate::mutation::{Rule, disabled};
use crate::name::QueryName;
use crate::peers::PeerSet;
use crate::protocol::epoch::Epoch;
use crate::protocol::inventory::Inventory;
use crate::protocol::plan::{self, Plan, PlanError, Report};
use crate::protocol::release::Atoms;
use crate::protocol::standing::Standing;
use crate::protocol::vote::{self, Subject, Vote};
use crate::prss::Label;
use crate::result::Reason;
use crate::roster::{QuantityIndex, Roster};
use crate::session::Known;
use crate::shamir::PeerIndex;
use crate::time::{Timestamp, WindowIndex};

/// A window of a quantity.
#[derive(Debug)]
pub(super) struct Round {
    quantity: QuantityIndex,
    window: WindowIndex,
    inventories: Ballot<Inventory>,
    checks: Exchange,
    votes: Ballot<Digest>,
    computations: Vec<Computation>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Not closed by this peer's clock; others may be ahead.
    Open,
    /// Waiting for the inventories of all peers online.
    Gathering { epoch: Epoch, deadline: Timestamp },
    /// The inputs of the planned cohort are checked.
    Checking { epoch: Epoch, check: Box<Check> },
    /// Waiting for the votes of all of P.
    Voting { plan: Arc<Plan>, digest: Digest, deadline: Timestamp },
    /// All of P voted alike: the computations run.
    Agreed(Box<Agreement>),
    /// No agreement, or without this peer.
    Over,
}

/// What a window was agreed on, and what it has told so far.
#[derive(Debug)]
pub(super) struct Agreement {
    plan: Arc<Plan>,
    digest: Digest,
    released: Atoms,
}

impl Round {
    pub(super) fn new(node: &Node, quantity: QuantityIndex, window: WindowIndex) -> Self {
        let checked = Purpose::Check(node.roster.quantity(quantity).quantity.name().clone());
        Self {
            quantity,
            window,
            inventories: Ballot::new(),
            checks: Exchange::new(checked, window),
            votes: Ballot::new(),
            computations: computations(node, quantity, window),
            state: State::Open,
        }
    }

    pub(super) fn timeout(&self) -> Option<Timestamp> {
        match self.state {
            State::Gathering { deadline, .. } | State::Voting { deadline, .. } => Some(deadline),
            State::Checking { .. } => self.checks.deadline(),
            State::Agreed(_) => self.computations.iter().filter_map(Computation::timeout).min(),
            State::Open | State::Over => None,
        }
    }

    /// 4.2: says to all what this peer holds. `excluded` are the streams found to lie in this epoch.
    pub(super) fn close(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        epoch: Epoch,
        vote: Option<&Standing>,
        excluded: &BTreeSet<usize>,
    ) {
        if node.abstains {
            self.state = State::Over;
            return;
        }
        // What is allowed when the window closes counts; in what others said before, nothing is about computations: they
        // plan without whoever has not sent its inventory.
        self.computations = computations(node, self.quantity, self.window);
        let inventory = self.inventory(node, epoch, vote, excluded);
        let signed = Signed::new(inventory.clone(), &node.key);
        self.inventories.cast(node.me, inventory);
        node.say(node.others(), PeerMessage::Inventory(signed));
        self.state = State::Gathering { epoch, deadline: now + node.roster.timing().step };
    }

    /// Ends a window that this peer has begun to take part in, as if it had crashed: whatever rests on a vote that is not
    /// on disk must not go on.
    pub(super) fn abstain(&mut self) {
        if !matches!(self.state, State::Open) {
            self.state = State::Over;
        }
    }

    /// A later window closed: what has no plan by now will not get one.
    pub(super) fn overtake(&mut self, node: &mut Node) {
        if let State::Checking { .. } | State::Gathering { .. } | State::Open = self.state
            && !disabled(Rule::Overtaking)
        {
            let (have, need) = (self.inventories.voters().len(), node.roster.quorum().size());
            let waiting = Reason::Plan(PlanError::NoQuorum { have, need });
            let reason = if have < need { waiting } else { Reason::Overtaken };
            self.fail(node, PeerSet::EMPTY, &reason);
        }
    }

    /// Nothing more is waited for: as if all deadlines had passed.
    pub(super) fn give_up(
        &mut self,
        node: &mut Node,
        vote: &mut Option<Standing>,
        excluded: &mut BTreeSet<usize>,
    ) {
        self.overtake(node);
        self.advance(node, Timestamp::from_micros(u64::MAX), vote, excluded);
        if let State::Agreed(agreement) = &self.state {
            let waiting = self.computations.iter_mut().filter(|c| c.waits_for().is_some());
            waiting.for_each(|computation| computation.fail(node, agreement.plan.peers, &Reason::Partner));
        }
    }

    pub(super) fn handle_peer(
        &mut self,
        node: &mut Node,
        from: PeerIndex,
        message: PeerMessage,
    ) -> Result<Taken, Refusal> {
        let cast = match message {
            PeerMessage::Endorsement(endorsement) => {
                self.computation(&endorsement.query)?.endorsed(from, endorsement.sig)
            }
            PeerMessage::Inventory(signed) => {
                let inventory = verified(node, from, signed)?;
                self.check(node, from, &inventory)?;
                // It lacks what this peer contributes to the common keys: next time it will have it.
                let epoch = self.key_epoch(node);
                if inventory.seeds[node.me.offset()] != Some(node.seeds.name(epoch)) {
                    node.contribute(PeerSet::EMPTY.with(from), epoch);
                }
                self.inventories.cast(from, inventory)
            }
            PeerMessage::Partial(partial) => match &partial.of {
                Purpose::Check(_) => self.checks.take(from, partial)?,
                Purpose::Query(query) => self.computation(query)?.partial(from, partial)?,
            },
            // Handled before a window is looked for.
            PeerMessage::Seeds(_) => return Err(Refusal::Unknown),
            PeerMessage::Vote(signed) => self.votes.cast(from, verified(node, from, signed)?.digest),
        };
        match cast {
            Cast::New => Ok(Taken::New),
            Cast::Duplicate => Ok(Taken::Duplicate),
            Cast::Contradicts => {
                if let Some(peer) = node.roster.peer(from).map(|peer| peer.name.clone()) {
                    node.tell(Event::Blamed(Blame::TwoFaced { peer, window: self.window }));
                }
                Err(Refusal::Contradicts)
            }
        }
    }

    fn computation(&mut self, query: &QueryName) -> Result<&mut Computation, Refusal> {
        // They are in the order of names.
        let at = self.computations.binary_search_by(|computation| computation.query().name.cmp(query));
        Ok(&mut self.computations[at.map_err(|_| Refusal::Unknown)?])
    }

    /// How many agents are behind the streams at these ascending places.
    fn agents(&self, node: &Node, places: impl Iterator<Item = usize>) -> u32 {
        let streams = &node.roster.quantity(self.quantity).streams;
        let mut agents: Vec<_> = places.map(|place| node.roster.bundle(streams[place].0).agent).collect();
        agents.dedup();
        agents.len() as u32
    }

    /// Goes on as far as what was heard and the time allow. `vote` is this peer's last vote on the quantity; `excluded`
    /// are the streams found to lie in this epoch.
    pub(super) fn advance(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        vote: &mut Option<Standing>,
        excluded: &mut BTreeSet<usize>,
    ) {
        if let State::Gathering { epoch, deadline } = self.state
            && (self.heard_enough(node) || deadline <= now)
        {
            self.plan(node, now, epoch, vote);
        }
        if let State::Checking { .. } = self.state {
            self.check_inputs(node, now, vote, excluded);
        }
        if let State::Voting { ref plan, digest, deadline } = self.state {
            let plan = Arc::clone(plan);
            self.count_votes(node, now, &plan, digest, deadline);
        }
        if let State::Agreed(_) = self.state {
            for computation in &mut self.computations {
                computation.advance(node, now);
            }
        }
    }

    /// Everybody who is there has spoken. Whoever knows of too few (it has just connected) waits for more.
    fn heard_enough(&self, node: &Node) -> bool {
        let heard = self.inventories.voters();
        node.online.is_subset(heard) && heard.len() >= node.roster.quorum().size()
    }

    /// 4.3: plans, and votes for the plan.
    fn plan(&mut self, node: &mut Node, now: Timestamp, epoch: Epoch, vote: &mut Option<Standing>) {
        if node.watch.looks_at(self.quantity) {
            node.watch.plans(self.window, now);
            let heard = self.inventories.voters();
            node.watch.missed(node.online.iter().filter(|&peer| !heard.contains(peer)).collect());
        }
        let streams = node.roster.quantity(self.quantity).streams.len();
        let reports: Vec<_> = self
            .inventories
            .iter()
            .map(|(peer, inventory)| Report {
                peer,
                held: inventory.held.as_slice(),
                terms: &inventory.terms,
                demands: &inventory.demands,
                queries: &inventory.queries,
                known: &inventory.known,
                vote: inventory.standing.as_ref(),
                seeds: &inventory.seeds,
            })
            .collect();
        let plan = match plan::plan(node.roster.quorum(), epoch, self.window, streams, &reports) {
            Ok(plan) => Arc::new(plan),
            Err(error) => return self.fail(node, self.inventories.voters(), &Reason::Plan(error)),
        };
        if !plan.peers.contains(node.me) {
            let quantity = node.roster.quantity(self.quantity).quantity.name().clone();
            node.tell(Event::SatOut { quantity, window: self.window });
            self.state = State::Over;
            return;
        }
        if let Some(reason) = self.too_small(node, &plan) {
            return self.fail(node, plan.peers, &reason);
        }
        node.tell(Event::Planned { quantity: self.quantity, window: self.window });
        if plan.keys.is_empty() || !check::possible(node.roster.sharing(), plan.peers) {
            return self.vote(node, now, epoch, plan, vote);
        }
        let label = Label {
            subject: Digest(node.roster.quantity(self.quantity).digest),
            window: self.window,
            plan: self.digest(node, &plan),
        };
        match node.seeds.session(self.key_epoch(node), plan.peers, &plan.keys, &label) {
            Ok(randomness) => {
                let check = Check::start(node, now, plan, randomness, &mut self.checks);
                self.state = State::Checking { epoch, check: Box::new(check) };
            }
            Err(error) => self.fail(node, plan.peers, &Reason::Keys(error)),
        }
    }

    /// 4.5: goes on once it is known whose inputs are valid. The others are out for the rest of the epoch.
    fn check_inputs(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        vote: &mut Option<Standing>,
        excluded: &mut BTreeSet<usize>,
    ) {
        let State::Checking { epoch, check } = &mut self.state else { return };
        let (epoch, plan) = (*epoch, Arc::clone(check.plan()));
        let invalid = match check.advance(node, now, self.quantity, &mut self.checks) {
            Verdict::Failed(reason) => return self.fail(node, plan.peers, &reason),
            Verdict::Invalid(streams) => self.all_streams(node, &streams),
            Verdict::Waiting => return,
        };
        excluded.extend(&invalid);
        let plan = Arc::new(plan.validated_but(&invalid));
        if let Some(reason) = self.too_small(node, &plan) {
            return self.fail(node, plan.peers, &reason);
        }
        self.vote(node, now, epoch, plan, vote);
    }

    /// All streams of this quantity of the agents behind `streams`, who are named.
    fn all_streams(&self, node: &mut Node, streams: &[usize]) -> Vec<usize> {
        let measured = node.roster.quantity(self.quantity).streams.clone();
        let agent = |roster: &Roster, stream: usize| roster.bundle(measured[stream].0).agent;
        let liars: BTreeSet<_> = streams.iter().map(|&stream| agent(&node.roster, stream)).collect();
        for &liar in &liars {
            let agent = node.roster.agent(liar).node.name.clone();
            node.tell(Event::Blamed(Blame::InvalidInput { agent, window: self.window }));
        }
        (0..measured.len()).filter(|&stream| liars.contains(&agent(&node.roster, stream))).collect()
    }

    /// The key epoch that the window begins in.
    fn key_epoch(&self, node: &Node) -> KeyEpoch {
        let period = node.roster.quantity(self.quantity).quantity.period();
        card::epoch_at(&node.roster, period.start(self.window))
    }

    /// What a vote for `plan` says.
    fn digest(&self, node: &Node, plan: &Plan) -> Digest {
        let subject = Subject {
            site: node.roster.site(),
            roster: node.roster.digest(),
            quantity: &node.roster.quantity(self.quantity).digest,
            window: self.window,
        };
        vote::digest(&subject, plan)
    }

    /// Freezing a cohort that no query may use would only lock everybody else out until the epoch ends.
    fn too_small(&self, node: &Node, plan: &Plan) -> Option<Reason> {
        let minimum = node.roster.minimum_cohort();
        let cohort = self.agents(node, plan.cohort.iter().map(|member| member.stream));
        (cohort < minimum && !disabled(Rule::MinimumCohort)).then_some(Reason::Cohort { cohort, minimum })
    }

    /// 4.6: one vote per window, ever; on disk before it is sent.
    fn vote(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        epoch: Epoch,
        plan: Arc<Plan>,
        last: &mut Option<Standing>,
    ) {
        if last.as_ref().is_some_and(|last| last.window >= self.window) && !disabled(Rule::SingleVote) {
            self.state = State::Over;
            return;
        }
        let measured = node.roster.quantity(self.quantity);
        let quantity = measured.quantity.name().clone();
        let digest = self.digest(node, &plan);
        let members = plan.members(measured.streams.len());
        let standing = Standing {
            epoch: epoch.index,
            window: self.window,
            peers: plan.peers,
            members,
            frozen: plan.frozen,
            roster: Digest(*node.roster.digest()),
        };
        *last = Some(standing.clone());
        if !disabled(Rule::VoteOnDisk) {
            node.tell(Event::Persist { quantity: quantity.clone(), vote: standing });
        }
        let vote = Vote { quantity, window: self.window, digest };
        node.say(plan.peers, PeerMessage::Vote(Signed::new(vote, &node.key)));
        self.votes.cast(node.me, digest);
        self.state = State::Voting { plan, digest, deadline: now + node.roster.timing().step };
    }

    /// 4.7: goes on only when every peer of P has voted for the same plan.
    fn count_votes(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        plan: &Arc<Plan>,
        ours: Digest,
        deadline: Timestamp,
    ) {
        let other = self.votes.of(plan.peers).find(|&(_, digest)| *digest != ours);
        if let Some(peer) = other.and_then(|(peer, _)| node.roster.peer(peer))
            && !disabled(Rule::MatchingVotes)
        {
            let reason = Reason::VotesDiffer { peer: peer.name.clone() };
            return self.fail(node, plan.peers, &reason);
        }
        let (have, need) = (self.votes.of(plan.peers).count(), plan.peers.len());
        if have == need || (disabled(Rule::AllVotes) && have >= node.roster.quorum().size()) {
            self.agree(node, now, plan, ours);
        } else if deadline <= now {
            self.fail(node, plan.peers, &Reason::VotesMissing { have, need });
        }
    }

    fn agree(&mut self, node: &mut Node, now: Timestamp, plan: &Arc<Plan>, digest: Digest) {
        let window = self.window;
        node.tell(Event::Agreed { quantity: self.quantity, window, plan: Arc::clone(plan) });
        let streams = &node.roster.quantity(self.quantity).streams;
        let mut fresh = vec![disabled(Rule::FreshReadings); node.roster.agents().len()];
        for member in plan.cohort.iter().filter(|member| member.window == window) {
            fresh[node.roster.bundle(streams[member.stream].0).agent.at()] = true;
        }
        let mut released = Atoms::counting(fresh);
        let agreed = Agreed { plan, with: None, digest, epoch: self.key_epoch(node) };
        for computation in &mut self.computations {
            if computation.waits_for().is_none() {
                computation.start(node, now, agreed, &mut [&mut released]);
            }
        }
        self.state = State::Agreed(Box::new(Agreement { plan: Arc::clone(plan), digest, released }));
    }

    fn fail(&mut self, node: &mut Node, peers: PeerSet, reason: &Reason) {
        self.state = State::Over;
        for computation in &mut self.computations {
            computation.fail(node, peers, reason);
        }
    }
}

/// What is known to run in a window, in the order of names.
fn computations(node: &Node, quantity: QuantityIndex, window: WindowIndex) -> Vec<Computation> {
    let runs = |known: &&Known| known.session.query().quantity == quantity && known.session.runs_in(window);
    node.sessions.iter().filter(runs).map(|known| Computation::new(known.clone(), window)).collect()
}

fn verified<D: Signable>(node: &Node, from: PeerIndex, signed: Signed<D>) -> Result<D, Refusal> {
    let sender = node.roster.peer(from).ok_or(Refusal::Unknown)?;
    signed.verified(&sender.identity).ok_or(Refusal::Unsigned)
}
