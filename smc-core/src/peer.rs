//! A peer: a state machine without I/O.
//!
//! Feed it with [`Peer::handle_message`], [`Peer::handle_presence`] and, when the instant of
//! [`Peer::poll_timeout`] has come, [`Peer::handle_timeout`]. After each, drain [`Peer::poll_event`] first, with
//! every [`Event::Persist`] on disk, and then [`Peer::poll_transmit`].
//!
//! Inside: for every period a `Rhythm` that closes windows, for every quantity with a query a `Track`, for every
//! window a `Round` that agrees on a cohort, and in it a `Computation` per query.

mod ballot;
mod check;
mod cohort;
mod computation;
mod event;
mod exchange;
mod rhythm;
mod round;
mod track;
mod watch;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use zeroize::Zeroizing;

pub use self::event::{Blame, Event, Message, Refusal, Taken, Transmit};
use self::rhythm::Rhythm;
use self::watch::Watch;
pub use self::watch::{Ahead, Condition, Notices};
use crate::agent::offset;
use crate::card;
use crate::envelope::KeyEpoch;
use crate::identity::SigningKey;
use crate::message::{PeerMessage, Purpose};
use crate::name::{NodeName, QuantityName, QueryName};
use crate::peers::PeerSet;
use crate::protocol::holdings::{Holdings, Kept};
use crate::protocol::input::Input;
use crate::protocol::standing::Standing;
use crate::prss::{SeedBatch, SeedError, Seeds};
use crate::roster::{BundleIndex, QuantityIndex, Roster};
use crate::session::{Session, SessionError, Sessions};
use crate::shamir::PeerIndex;
use crate::time::{Timestamp, WindowIndex};

/// What a peer remembers of its earlier life.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Its last vote on each quantity.
    pub votes: Vec<(QuantityName, Standing)>,
    /// The inputs it kept; what does not fit the site any more is left out.
    pub inputs: Vec<(BundleIndex, WindowIndex, Input)>,
}

/// A peer.
#[derive(Debug)]
pub struct Peer {
    node: Node,
    rhythms: Vec<Rhythm>,
}

/// What all parts of a peer share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) me: PeerIndex,
    pub(crate) key: SigningKey,
    pub(crate) roster: Arc<Roster>,
    pub(crate) sessions: Sessions,
    pub(crate) holdings: Holdings,
    pub(crate) seeds: Seeds,
    /// The newest key epoch that this peer has contributed to without being asked.
    contributed: KeyEpoch,
    /// Who is connected, as far as is known; always this peer itself.
    pub(crate) online: PeerSet,
    /// Whether this peer takes part in no window.
    pub(crate) abstains: bool,
    watch: Watch,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl Node {
    pub(crate) fn say(&mut self, to: PeerSet, message: PeerMessage) {
        let to = to.without(self.me);
        if !to.is_empty() {
            self.transmits.push_back(Transmit { to, message: Arc::new(message) });
        }
    }

    /// Sends this peer's contributions to the common keys of `epoch`, to each what concerns it.
    pub(crate) fn contribute(&mut self, to: PeerSet, epoch: KeyEpoch) {
        for peer in to.without(self.me).iter() {
            let batch = self.seeds.batch_for(peer, epoch);
            self.say(PeerSet::EMPTY.with(peer), PeerMessage::Seeds(batch));
        }
    }

    /// The same to all, once for each epoch.
    pub(crate) fn contribute_to_all(&mut self, epoch: KeyEpoch) {
        if epoch > self.contributed {
            self.contributed = epoch;
            self.contribute(self.others(), epoch);
        }
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// All peers of the site but this one.
    pub(crate) fn others(&self) -> PeerSet {
        self.roster.sharing().indices().collect::<PeerSet>().without(self.me)
    }
}

impl Peer {
    /// The peer `me` of a site. Without a memory of an earlier life it takes no part in the window that is running:
    /// it can't know whether it voted there. From `root` it draws what it contributes to the peers' common keys: 32
    /// uniform bytes, others in each life.
    pub fn new(
        me: PeerIndex,
        key: SigningKey,
        roster: Arc<Roster>,
        recovered: Option<Recovered>,
        root: Zeroizing<[u8; 32]>,
        now: Timestamp,
    ) -> Self {
        let mut holdings = Holdings::new(&roster);
        let reborn = recovered.is_some();
        let Recovered { votes, inputs } = recovered.unwrap_or_default();
        for (bundle, window, input) in inputs {
            if roster.bundles().get(bundle.at()).is_some_and(|definition| input.fits(definition)) {
                holdings.keep(bundle, window, input);
            }
        }
        let rhythms = Rhythm::of_site(&roster, votes, reborn, now);
        let online = PeerSet::EMPTY.with(me);
        let sessions = Sessions::standing(&roster);
        let watch = Watch::new(roster.sharing().peers(), roster.agents().len());
        let node = Node {
            me,
            key,
            seeds: Seeds::new(roster.sharing(), me, root),
            contributed: card::epoch_at(&roster, now),
            roster,
            sessions,
            holdings,
            online,
            abstains: false,
            watch,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        };
        let mut peer = Self { node, rhythms };
        peer.look();
        peer
    }

    /// Knows `session` from the next window that closes on, in the place of any other one of its name: and computes it, or
    /// knows of it only because others may.
    ///
    /// # Errors
    /// If there are too many.
    pub fn start(&mut self, session: Arc<Session>, computed: bool) -> Result<(), SessionError> {
        self.node.sessions.insert(session, computed)?;
        self.look();
        Ok(())
    }

    /// Forgets a session from the next window that closes on; whether it was known.
    pub fn withdraw(&mut self, query: &QueryName) -> bool {
        let known = self.node.sessions.remove(query);
        self.look();
        known
    }

    /// The sessions that this peer knows, those of the site file included.
    pub fn sessions(&self) -> &Sessions {
        &self.node.sessions
    }

    /// Where something is computed, peers can be watched.
    fn look(&mut self) {
        let sessions = &self.node.sessions;
        let watched = self.rhythms.iter().find_map(|rhythm| rhythm.first_quantity(sessions));
        self.node.watch.look_at(watched);
    }

    /// Takes a message in.
    ///
    /// # Errors
    /// Why it was refused; nothing has changed then.
    pub fn handle_message(&mut self, now: Timestamp, message: Message) -> Result<Taken, Refusal> {
        match message {
            Message::Input { bundle, window, input } => self.handle_input(now, bundle, window, input),
            Message::Peer { from, message } => self.handle_peer(now, from, *message),
        }
    }

    /// Notes that a peer connected or went away.
    pub fn handle_presence(&mut self, now: Timestamp, peer: PeerIndex, up: bool) {
        if peer == self.node.me || !self.node.roster.sharing().contains(peer) {
            return;
        }
        let online = self.node.online;
        self.node.online = if up { online.with(peer) } else { online.without(peer) };
        // Somebody's absence may be all that a window waited for.
        for rhythm in &mut self.rhythms {
            rhythm.advance(&mut self.node, now);
        }
    }

    /// Notes that a peer can be sent messages now, which may not have been so before: it gets this peer's contributions
    /// to the common keys.
    pub fn handle_reachable(&mut self, now: Timestamp, peer: PeerIndex) {
        let (to, running) = (PeerSet::EMPTY.with(peer), card::epoch_at(&self.node.roster, now));
        self.node.contribute(to, running);
        if self.node.contributed > running {
            self.node.contribute(to, self.node.contributed);
        }
    }

    /// Has the peer take part in no window, as long as it can't write its votes down, or take part again from the next
    /// one on. What it has not sent yet is never sent. Inputs it takes all the same, so that it knows what the others
    /// know when it is back.
    pub fn handle_abstention(&mut self, abstains: bool) {
        self.node.abstains = abstains;
        if abstains {
            self.node.transmits.clear();
            self.rhythms.iter_mut().for_each(Rhythm::abstain);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for rhythm in &mut self.rhythms {
            rhythm.handle_timeout(&mut self.node, now);
        }
    }

    /// The next message to send. Drain the events before.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.node.transmits.pop_front()
    }

    /// The next thing to do or to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.node.events.pop_front()
    }

    /// When [`Peer::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.rhythms.iter().map(|rhythm| rhythm.timeout(&self.node)).min()
    }

    /// How many inputs are held.
    pub fn inputs_held(&self) -> usize {
        self.node.holdings.len()
    }

    /// How many windows are open or computed on, of all quantities.
    pub fn rounds_held(&self) -> usize {
        self.rhythms.iter().map(Rhythm::rounds_held).sum()
    }

    /// The agents that are left out until their cohort epoch ends, because their inputs were not what they claimed to be.
    pub fn left_out(&self) -> Vec<NodeName> {
        let agents: BTreeSet<_> =
            self.rhythms.iter().flat_map(|rhythm| rhythm.left_out(&self.node.roster)).collect();
        agents.into_iter().map(|agent| self.node.roster.agent(agent).node.name.clone()).collect()
    }

    /// Which peers are connected, as far as is known.
    pub fn online(&self) -> PeerSet {
        self.node.online
    }

    /// What this peer notices of the others: who is there, who is slow, whose clock differs.
    pub fn notices(&self) -> Notices {
        self.node.watch.notices(&self.node)
    }

    fn handle_input(
        &mut self,
        now: Timestamp,
        bundle: BundleIndex,
        window: WindowIndex,
        input: Input,
    ) -> Result<Taken, Refusal> {
        let definition = self.node.roster.bundles().get(bundle.at()).ok_or(Refusal::Unknown)?;
        if !input.fits(definition) {
            return Err(Refusal::Malformed);
        }
        let (agent, period) = (definition.agent, definition.period);
        let rhythm = self.rhythms.iter().find(|rhythm| rhythm.period() == period).ok_or(Refusal::Unknown)?;
        if definition.part == 0 {
            let due = period.start(window) + offset(self.node.roster.agent(agent).node.name.as_str(), period);
            self.node.watch.input(agent, window, due, now);
        }
        rhythm.accepts(now, window)?;
        match self.node.holdings.keep(bundle, window, input) {
            Kept::New => Ok(Taken::New),
            Kept::Duplicate => Ok(Taken::Duplicate),
            Kept::Contradicts => {
                let agent = self.node.roster.agent(agent).node.name.clone();
                self.node.tell(Event::Blamed(Blame::Equivocation { agent, window }));
                Err(Refusal::Contradicts)
            }
        }
    }

    fn handle_peer(
        &mut self,
        now: Timestamp,
        from: PeerIndex,
        message: PeerMessage,
    ) -> Result<Taken, Refusal> {
        if from == self.node.me || !self.node.roster.sharing().contains(from) {
            return Err(Refusal::Unknown);
        }
        if let PeerMessage::Seeds(batch) = message {
            return self.handle_seeds(now, from, batch);
        }
        let quantity = self.quantity_of(&message).ok_or(Refusal::Unknown)?;
        let rhythm = self.rhythms.iter_mut().find(|rhythm| rhythm.tracks_quantity(quantity));
        let rhythm = rhythm.ok_or(Refusal::Unknown)?;
        rhythm.watch(&mut self.node, now, quantity, from, &message);
        let taken = rhythm.handle_peer(&mut self.node, now, quantity, from, message)?;
        // Whoever speaks is there, whatever a last will that came late may claim.
        self.node.online = self.node.online.with(from);
        Ok(taken)
    }

    /// Whoever contributes anew may have forgotten what this peer contributed.
    fn handle_seeds(&mut self, now: Timestamp, from: PeerIndex, batch: SeedBatch) -> Result<Taken, Refusal> {
        let running = card::epoch_at(&self.node.roster, now);
        let epoch = batch.epoch;
        match self.node.seeds.take(running, from, batch) {
            Ok(true) => {
                self.node.contribute(PeerSet::EMPTY.with(from), epoch);
                Ok(Taken::New)
            }
            Ok(false) => Ok(Taken::Duplicate),
            Err(SeedError::NotNow) => Err(Refusal::Early),
            Err(SeedError::Changed | SeedError::Malformed | SeedError::Missing | SeedError::Spent) => {
                Err(Refusal::Malformed)
            }
        }
    }

    fn quantity_of(&self, message: &PeerMessage) -> Option<QuantityIndex> {
        let roster = &self.node.roster;
        let of_query = |query| self.node.sessions.get(query).map(|known| known.session.query().quantity);
        match message {
            PeerMessage::Endorsement(endorsement) => of_query(&endorsement.query),
            PeerMessage::Inventory(inventory) => roster.quantity_named(inventory.document.quantity.as_str()),
            PeerMessage::Partial(partial) => match &partial.of {
                Purpose::Check(quantity) => roster.quantity_named(quantity.as_str()),
                Purpose::Query(query) => of_query(query),
            },
            PeerMessage::Seeds(_) => None,
            PeerMessage::Vote(vote) => roster.quantity_named(vote.document.quantity.as_str()),
        }
    }
}
