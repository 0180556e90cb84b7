//! One query in one agreed window: restrict, open, state, sign (docs/protocol.md, 4.7 and 4.8).

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::Node;
use super::ballot::{Ballot, Cast};
use super::cohort::{self, Agreed, Cohort, Lane};
use super::event::{Blame, Event, Refusal};
use super::exchange::Exchange;
use crate::arithmetic::{Batch, Fault, Progress, Session};
use crate::document::Signable;
use crate::field::Fp;
use crate::function::{self, Audience, Facts, Final, Query, Subject};
use crate::identity::Signature;
use crate::message::{Endorsement, OutputShares, Partial, PeerMessage, Purpose};
use crate::mutation::{Rule, disabled};
use crate::output::SealedOutput;
use crate::peers::PeerSet;
use crate::protocol::release::Atoms;
use crate::prss::{Label, Randomness, SeedError};
use crate::result::{Parts, Reason, ResultDocument, SignedResult, Status, VERSION, WindowDocument};
use crate::roster::QuantityIndex;
use crate::session::Known;
use crate::shamir::{Degree, PeerIndex};
use crate::time::{Timestamp, WindowIndex};
use crate::value::Value;

/// A query in one window.
#[derive(Debug)]
pub(super) struct Computation {
    /// The session, and whether this peer computes it. If not, it only counts among what results may stand beside.
    known: Known,
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
    Endorsing { stated: Box<Stated>, peers: PeerSet, deadline: Timestamp },
    /// The window is done, well or not.
    Over,
}

/// What this peer signed, and the parts of a value that is too long to stand in it.
#[derive(Debug, Clone)]
struct Stated {
    result: ResultDocument,
    parts: Vec<Arc<[u8]>>,
}

type Running = Session<Result<Final, Fault>>;

impl Computation {
    pub(super) fn new(known: Known, window: WindowIndex) -> Self {
        let exchange = Exchange::new(Purpose::Query(known.session.query().name.clone()), window);
        Self { known, window, exchange, endorsements: Ballot::new(), state: State::Waiting }
    }

    pub(super) fn query(&self) -> &Query {
        self.known.session.query()
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

    /// Whether the cohort of a second quantity is needed, too, and of which.
    pub(super) fn waits_for(&self) -> Option<QuantityIndex> {
        match self.state {
            State::Waiting => self.query().with,
            _ => None,
        }
    }

    /// 4.7: restricts the agreed cohort to the scope and, if policy allows, computes on it: here and nowhere else, so at
    /// most once. What a quorum computes without this peer counts in `released` all the same.
    pub(super) fn start(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        agreed: Agreed<'_>,
        released: &mut [&mut Atoms],
    ) {
        let session = Arc::clone(&self.known.session);
        let peers = agreed.peers(&session.query().digest);
        let need = node.roster.quorum().size();
        if peers.len() < need && !disabled(Rule::SessionQuorum) {
            return self.fail(node, peers, &Reason::NotShared { need });
        }
        if !agreed.goes_together(peers) {
            return self.fail(node, peers, &Reason::NotSharedByAll);
        }
        if !self.known.computed && disabled(Rule::OthersCount) {
            self.state = State::Over;
            return;
        }
        let (lanes, declined) = cohort::lanes(node, &session, &agreed, self.window);
        let allowed = cohort::allow(session.query(), &lanes, self.window, released);
        if !self.known.computed && !disabled(Rule::OwnConsent) {
            self.state = State::Over;
            return;
        }
        match allowed.and_then(|()| self.prepare(node, &agreed, peers, &lanes)) {
            Ok(running) => {
                let cohort = Cohort::new(node, &agreed, peers, &lanes, declined, self.window);
                self.go_on(node, now, cohort, running);
            }
            Err(reason) => self.fail(node, peers, &reason),
        }
    }

    /// The function with its inputs and randomness.
    fn prepare(
        &self,
        node: &mut Node,
        agreed: &Agreed<'_>,
        peers: PeerSet,
        lanes: &[Lane],
    ) -> Result<Running, Reason> {
        let query = self.query();
        let randomness = self.randomness(node, agreed, peers)?;
        let inputs = cohort::inputs(node, query, lanes).ok_or(Reason::Lost)?;
        let audience = query.audience.as_ref().map_or(Audience::Everybody, |_| Audience::One);
        Ok(function::session(&query.function, node.roster.sharing(), randomness, inputs, audience))
    }

    /// The randomness of this window's computation; none where nothing is multiplied.
    fn randomness(&self, node: &mut Node, agreed: &Agreed<'_>, peers: PeerSet) -> Result<Randomness, Reason> {
        let (query, sharing) = (self.query(), node.roster.sharing());
        let multiplies = query.function.multiplies();
        let (have, need) =
            (peers.len(), sharing.needed(if multiplies { Degree::Double } else { Degree::Single }));
        if have < need {
            return Err(Reason::Products { have, need });
        }
        if !multiplies {
            return Ok(Randomness::none());
        }
        let label = Label { subject: query.digest, window: self.window, plan: agreed.digest };
        let keys = agreed.keys(peers).map_err(Reason::Keys)?;
        node.seeds.session(agreed.epoch, peers, &keys, &label).map_err(Reason::Keys)
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
        if let State::Endorsing { ref stated, peers, deadline } = self.state
            && (peers.is_subset(self.endorsements.voters()) || deadline <= now)
        {
            let stated = stated.clone();
            self.publish(node, peers, *stated);
        }
    }

    /// Asks the function for what it opens next, and shows it to all of P; or takes its output.
    ///
    /// All of P open from the shares of all of P. Peers that opened from different shares would sign different results,
    /// and whoever holds back messages could choose how much redundancy a peer sees: so all or nothing.
    fn go_on(&mut self, node: &mut Node, now: Timestamp, cohort: Cohort, mut session: Running) {
        let peers = cohort.peers;
        match session.advance() {
            // What was opened can't be for one client alone any more.
            Progress::Done(Ok(Final::Opened(_))) if self.query().audience.is_some() => {
                self.fail(node, peers, &Reason::Range);
            }
            Progress::Done(Ok(Final::Opened(elements))) => self.conclude(node, now, cohort, &elements),
            Progress::Done(Ok(Final::Sealed(degree, shares))) => {
                let sharing = node.roster.sharing();
                let more = sharing.needed(degree) - sharing.needed(Degree::Single);
                let mut cohort = cohort;
                cohort.verified &= peers.len() >= node.roster.quorum().verifying() + more;
                self.hand_over(node, &cohort, degree, shares);
                self.state_result(node, now, cohort, None);
            }
            Progress::Done(Err(fault)) => self.fail(node, peers, &Reason::Fault(fault)),
            // Without common keys the factors would lie open. A function that says it multiplies has them.
            Progress::Open(batch)
                if batch.shares.len() > batch.single && !self.query().function.multiplies() =>
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
                let query = self.query().name.clone();
                node.tell(Event::Blamed(Blame::FalsePartial { peer, query, window: self.window }));
            }
        }
    }

    /// Hands this peer's shares of the output to the surroundings, to be sealed for the query's audience: here and nowhere
    /// else, so at most once.
    fn hand_over(&self, node: &mut Node, cohort: &Cohort, degree: Degree, shares: Zeroizing<Vec<Fp>>) {
        let query = self.query();
        let (Some(to), Some(me)) = (query.audience.clone(), node.roster.peer(node.me)) else { return };
        let output = SealedOutput {
            from: me.name.clone(),
            query: query.name.clone(),
            definition: query.digest,
            window: self.window,
            peers: cohort.peers,
            readings: cohort.fresh + cohort.carried,
            agents: if query.function.names_agents() { cohort.names.clone() } else { Vec::new() },
            degree,
            part: 0,
            parts: 1,
            shares: OutputShares(shares),
        };
        node.tell(Event::Output { to, output: Box::new(output) });
    }

    /// What the opened elements of the output mean.
    fn conclude(&mut self, node: &mut Node, now: Timestamp, cohort: Cohort, elements: &[Fp]) {
        let query = self.query();
        let quantity = |index| &node.roster.quantity(index).quantity;
        let facts = Facts {
            quantity: quantity(query.quantity),
            with: query.with.map(quantity),
            readings: u64::from(cohort.fresh + cohort.carried),
            agents: &cohort.names,
        };
        match query.function.conclude(&facts, elements) {
            Some(value) => self.state_result(node, now, cohort, Some(value)),
            None => self.fail(node, cohort.peers, &Reason::Range),
        }
    }

    /// 4.8: states the result and signs it.
    fn state_result(&mut self, node: &mut Node, now: Timestamp, cohort: Cohort, value: Option<Value>) {
        let session = Arc::clone(&self.known.session);
        let query = session.query();
        let cut = |value| Parts::cut(node.roster.site(), &query.name, self.window, value);
        let (value, stated, parts) = match value.as_ref().and_then(cut) {
            Some((stated, parts)) => (None, Some(stated), parts),
            None => (value, None, Vec::new()),
        };
        let result = ResultDocument {
            value,
            parts: stated,
            cohort: cohort.agents,
            declined: cohort.declined,
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
        let stated = Box::new(Stated { result, parts });
        self.state = State::Endorsing { stated, peers: cohort.peers, deadline };
    }

    /// The lowest of the peers that signed publishes, with all signatures.
    fn publish(&mut self, node: &mut Node, peers: PeerSet, Stated { result, mut parts }: Stated) {
        let mut signatures = BTreeMap::new();
        let mut signers = PeerSet::EMPTY;
        let is_signed_by = result.verifier();
        for (peer, signature) in self.endorsements.of(peers) {
            let Some(signer) = node.roster.peer(peer).cloned() else { continue };
            if is_signed_by(&signer.identity, signature) {
                signers = signers.with(peer);
                signatures.insert(signer.name, *signature);
            } else {
                let (query, window) = (result.query.clone(), self.window);
                node.tell(Event::Blamed(Blame::OtherResult { peer: signer.name, query, window }));
            }
        }
        let (have, need) = (signers.len(), node.roster.quorum().size());
        if have < need && !disabled(Rule::SessionQuorum) {
            return self.fail(node, peers, &Reason::Endorsements { have, need });
        }
        self.state = State::Over;
        let publish = signers.lowest() == Some(node.me);
        if !publish {
            parts.clear();
        }
        node.tell(Event::Result { result: Box::new(SignedResult { result, signatures }), parts, publish });
    }

    /// 4.9: says that there is no value and why. The lowest peer online publishes it under its own signature; of the
    /// peers that were to compute, where there is a quorum of them.
    pub(super) fn fail(&mut self, node: &mut Node, peers: PeerSet, reason: &Reason) {
        if let State::Over = self.state {
            return;
        }
        self.state = State::Over;
        if !self.known.computed {
            return;
        }
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
        let result = Box::new(SignedResult { result, signatures });
        node.tell(Event::Result { result, parts: Vec::new(), publish });
    }

    /// What every outcome of this window states.
    fn document(&self, node: &Node, peers: PeerSet) -> ResultDocument {
        let query = self.query();
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
            audience: query.audience.clone(),
            value: None,
            parts: None,
            cohort: 0,
            declined: 0,
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
