//! One window of one quantity: from the inventories to the agreed cohort, then one computation per query
//! (docs/protocol.md, 4.2 to 4.7).

use std::sync::Arc;

use super::Node;
use super::ballot::{Ballot, Cast};
use super::computation::Computation;
use super::event::{Blame, Event, Refusal, Taken};
use super::rhythm::Epoch;
use crate::digest::Digest;
use crate::document::{Signable, Signed};
use crate::message::PeerMessage;
use crate::peers::PeerSet;
use crate::protocol::inventory::{HeldList, Inventory};
use crate::protocol::plan::{self, Plan, Report};
use crate::protocol::release::Atoms;
use crate::protocol::standing::Standing;
use crate::protocol::vote::{self, Subject, Vote};
use crate::result::Reason;
use crate::roster::{QuantityIndex, QueryIndex};
use crate::shamir::PeerIndex;
use crate::time::{Timestamp, WindowIndex};

/// A window of a quantity.
#[derive(Debug)]
pub(super) struct Round {
    quantity: QuantityIndex,
    window: WindowIndex,
    inventories: Ballot<Inventory>,
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
    /// Waiting for the votes of all of P.
    Voting { plan: Arc<Plan>, digest: Digest, deadline: Timestamp },
    /// All of P voted alike: the computations run.
    Agreed,
    /// No agreement, or without this peer.
    Over,
}

impl Round {
    pub(super) fn new(quantity: QuantityIndex, window: WindowIndex, queries: &[QueryIndex]) -> Self {
        Self {
            quantity,
            window,
            inventories: Ballot::new(),
            votes: Ballot::new(),
            computations: queries.iter().map(|&query| Computation::new(query, window)).collect(),
            state: State::Open,
        }
    }

    pub(super) fn timeout(&self) -> Option<Timestamp> {
        match self.state {
            State::Gathering { deadline, .. } | State::Voting { deadline, .. } => Some(deadline),
            State::Agreed => self.computations.iter().filter_map(Computation::timeout).min(),
            State::Open | State::Over => None,
        }
    }

    /// 4.2: says to all what this peer holds.
    pub(super) fn close(&mut self, node: &mut Node, now: Timestamp, epoch: Epoch, vote: Option<&Standing>) {
        let measured = node.roster.quantity(self.quantity);
        let held = |&(bundle, place)| node.holdings.held(bundle, place, epoch.first, self.window);
        let (held, demands): (Vec<_>, Vec<_>) = measured.streams.iter().map(held).unzip();
        let demands = (0..).zip(demands).filter(|&(_, demand)| demand > 0);
        let mut queries: Vec<_> = self
            .computations
            .iter()
            .map(|computation| node.roster.query(computation.query()).digest)
            .collect();
        queries.sort_unstable();
        let roster = Digest(*node.roster.digest());
        let inventory = Inventory {
            quantity: measured.quantity.name().clone(),
            window: self.window,
            roster,
            held: HeldList::new(held),
            demands: demands.collect(),
            standing: vote.filter(|vote| vote.epoch == epoch.index && vote.roster == roster).cloned(),
            queries,
        };
        let signed = Signed::new(inventory.clone(), &node.key);
        self.inventories.cast(node.me, inventory);
        node.say(node.others(), PeerMessage::Inventory(signed));
        self.state = State::Gathering { epoch, deadline: now + node.roster.timing().step };
    }

    /// A later window closed: what has no plan by now will not get one.
    pub(super) fn overtake(&mut self, node: &mut Node) {
        if let State::Gathering { .. } | State::Open = self.state {
            self.fail(node, PeerSet::EMPTY, &Reason::Overtaken);
        }
    }

    /// Nothing more is waited for: as if all deadlines had passed.
    pub(super) fn give_up(&mut self, node: &mut Node, vote: &mut Option<Standing>) {
        self.overtake(node);
        self.advance(node, Timestamp::from_micros(u64::MAX), vote);
    }

    pub(super) fn handle_peer(
        &mut self,
        node: &mut Node,
        from: PeerIndex,
        message: PeerMessage,
    ) -> Result<Taken, Refusal> {
        let cast = match message {
            PeerMessage::Endorsement(endorsement) => {
                self.computation(node, &endorsement.query)?.endorsed(from, endorsement.sig)
            }
            PeerMessage::Inventory(signed) => {
                let inventory = verified(node, from, signed)?;
                self.check(node, from, &inventory)?;
                self.inventories.cast(from, inventory)
            }
            PeerMessage::Partial(partial) => {
                self.computation(node, &partial.query)?.partial(from, partial.share)
            }
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

    fn computation(
        &mut self,
        node: &Node,
        query: &crate::name::QueryName,
    ) -> Result<&mut Computation, Refusal> {
        let query = node.roster.query_named(query).ok_or(Refusal::Unknown)?;
        // They are in the order of queries.
        let at = self.computations.binary_search_by_key(&query, Computation::query);
        Ok(&mut self.computations[at.map_err(|_| Refusal::Unknown)?])
    }

    /// An inventory speaks of our roster's streams, and of a vote that an honest peer could have cast.
    fn check(&self, node: &Node, from: PeerIndex, inventory: &Inventory) -> Result<(), Refusal> {
        if inventory.roster.0 != *node.roster.digest() {
            return Err(Refusal::ForeignRoster);
        }
        let streams = node.roster.quantity(self.quantity).streams.len();
        let standing_fits = inventory.standing.as_ref().is_none_or(|vote| {
            let period = node.roster.quantity(self.quantity).quantity.period();
            vote.window < self.window
                && vote.epoch == Epoch::of(node.roster.timing().cohort_epoch, period, vote.window).index
                && vote.roster == inventory.roster
                && vote.peers.contains(from)
                && vote.peers.is_subset(node.others().with(node.me))
                && vote.peers.len() >= node.roster.quorum().size()
                && vote.members.fits(streams)
                && self.agents(node, vote.members.iter()) >= node.roster.minimum_cohort()
        });
        if inventory.fits(streams) && standing_fits { Ok(()) } else { Err(Refusal::Malformed) }
    }

    /// How many agents are behind the streams at these ascending places.
    fn agents(&self, node: &Node, places: impl Iterator<Item = usize>) -> u32 {
        let streams = &node.roster.quantity(self.quantity).streams;
        let mut agents: Vec<_> = places.map(|place| node.roster.bundle(streams[place].0).agent).collect();
        agents.dedup();
        agents.len() as u32
    }

    /// Goes on as far as what was heard and the time allow. `vote` is this peer's last vote on the quantity.
    pub(super) fn advance(&mut self, node: &mut Node, now: Timestamp, vote: &mut Option<Standing>) {
        if let State::Gathering { epoch, deadline } = self.state
            && (self.heard_enough(node) || deadline <= now)
        {
            self.plan(node, now, epoch, vote);
        }
        if let State::Voting { ref plan, digest, deadline } = self.state {
            let plan = Arc::clone(plan);
            self.count_votes(node, now, &plan, digest, deadline);
        }
        if let State::Agreed = self.state {
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
        let streams = node.roster.quantity(self.quantity).streams.len();
        let reports: Vec<_> = self
            .inventories
            .iter()
            .map(|(peer, inventory)| Report {
                peer,
                held: inventory.held.as_slice(),
                demands: &inventory.demands,
                queries: &inventory.queries,
                // A vote of an earlier epoch binds nobody any more.
                standing: inventory.standing.as_ref().filter(|vote| vote.epoch == epoch.index),
            })
            .collect();
        let plan = match plan::plan(node.roster.quorum(), self.window, streams, &reports) {
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
        self.vote(node, now, epoch, plan, vote);
    }

    /// Freezing a cohort that no query may use would only lock everybody else out until the epoch ends.
    fn too_small(&self, node: &Node, plan: &Plan) -> Option<Reason> {
        let minimum = node.roster.minimum_cohort();
        let cohort = self.agents(node, plan.cohort.iter().map(|member| member.stream));
        (cohort < minimum).then_some(Reason::Cohort { cohort, minimum })
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
        if last.as_ref().is_some_and(|last| last.window >= self.window) {
            self.state = State::Over;
            return;
        }
        let measured = node.roster.quantity(self.quantity);
        let quantity = measured.quantity.name().clone();
        let subject = Subject {
            site: node.roster.site(),
            roster: node.roster.digest(),
            quantity: &measured.digest,
            window: self.window,
        };
        let digest = vote::digest(&subject, &plan);
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
        node.tell(Event::Persist { quantity: quantity.clone(), vote: standing });
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
        if let Some(peer) = other.and_then(|(peer, _)| node.roster.peer(peer)) {
            let reason = Reason::VotesDiffer { peer: peer.name.clone() };
            return self.fail(node, plan.peers, &reason);
        }
        let (have, need) = (self.votes.of(plan.peers).count(), plan.peers.len());
        if have == need {
            self.agree(node, now, plan);
        } else if deadline <= now {
            self.fail(node, plan.peers, &Reason::VotesMissing { have, need });
        }
    }

    fn agree(&mut self, node: &mut Node, now: Timestamp, plan: &Arc<Plan>) {
        self.state = State::Agreed;
        node.tell(Event::Agreed { quantity: self.quantity, window: self.window, plan: Arc::clone(plan) });
        let streams = &node.roster.quantity(self.quantity).streams;
        let mut fresh = vec![false; node.roster.agents().len()];
        for member in plan.cohort.iter().filter(|member| member.window == self.window) {
            fresh[node.roster.bundle(streams[member.stream].0).agent.at()] = true;
        }
        let mut released = Atoms::counting(fresh);
        for computation in &mut self.computations {
            computation.start(node, now, plan, &mut released);
        }
    }

    fn fail(&mut self, node: &mut Node, peers: PeerSet, reason: &Reason) {
        self.state = State::Over;
        for computation in &mut self.computations {
            computation.fail(node, peers, reason);
        }
    }
}

fn verified<D: Signable>(node: &Node, from: PeerIndex, signed: Signed<D>) -> Result<D, Refusal> {
    let sender = node.roster.peer(from).ok_or(Refusal::Unknown)?;
    signed.verified(&sender.identity).ok_or(Refusal::Unsigned)
}
