//! Peers and agents of one site in one process, under one clock that only the test moves. No envelopes: each
//! message arrives as what its sender would have been proven to have sent.

mod desk;
pub mod host;
pub mod log;
pub mod network;
pub mod plain;
pub mod site;
mod told;
pub mod wish;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::agent::{Agent, GapReason};
use smc_core::desk::Outcome;
use smc_core::digest::Digest;
use smc_core::identity::SigningKey;
use smc_core::message::PeerMessage;
use smc_core::name::QueryName;
use smc_core::peer::{Event, Message, Peer, Recovered, Refusal, Taken};
use smc_core::peers::PeerSet;
use smc_core::protocol::input::Input;
use smc_core::protocol::terms::Terms;
use smc_core::quantity::Quantity;
use smc_core::roster::{AgentIndex, Roster};
use smc_core::session::Session;
use smc_core::shamir::PeerIndex;
use smc_core::time::{Period, Timestamp, WindowIndex};
use zeroize::Zeroizing;

pub use self::desk::client_key;
use self::desk::{Policy, open_desk};
pub use self::host::{Disk, Host, InputKey, Loss, Skew};
pub use self::log::{Log, Told};
use self::network::Flights;
pub use self::network::{Content, Fate, LATENCY, Packet, Sender, Step};
use self::site::PERIOD;
pub use self::site::Site;
pub use self::wish::Wish;

/// Noon, the first instant of a cohort epoch and of the worlds' window 0.
pub const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);

/// One in so many messages arrives as it would from the wire: spelled out, read, its signature verified by all who get it.
/// The others arrive as they were made, for a signature that was made in this process need not be verified: reading and
/// verifying would be most of the work.
const AS_READ: usize = 32;

type Readings = Box<dyn Fn(usize, u64) -> Option<f64>>;
type Hook = Box<dyn FnMut(&mut Packet) -> Fate>;

/// A site at work.
pub struct World {
    /// The site file of all nodes, unless a host has another.
    pub roster: Arc<Roster>,
    /// The one clock; hosts may be off.
    pub now: Timestamp,
    /// The peers' machines, in the order of peers.
    pub peers: Vec<Host>,
    /// The agents.
    pub agents: Vec<Agent>,
    /// All that came to pass.
    pub log: Log,
    /// What each agent reads in each window, counted from noon.
    pub readings: Readings,
    /// Who does not follow the protocol: what they say of themselves proves nothing.
    pub liars: PeerSet,
    /// What agents draw from.
    pub rng: ChaCha20Rng,
    /// What was asked for at run time, by the digest of the request.
    pub asked: BTreeMap<Digest, Arc<Session>>,
    /// What the client's topics hold, for peers that come later.
    retained: BTreeMap<QueryName, (Digest, Vec<u8>)>,
    policy: Policy,
    /// What each agent's owner wants.
    wishes: Vec<Option<Wish>>,
    hook: Hook,
    flights: Flights,
    /// How far the agents' clocks are off.
    agent_skews: Vec<Skew>,
}

/// The vector that an agent reads where others read `value`.
pub fn vector(value: f64, quantity: &Quantity) -> Vec<f64> {
    let steps = quantity.maximum().to_f64() + 1.0;
    (0..quantity.elements()).map(|i| (value * f64::from(i + 1)) % steps).collect()
}

/// The peer with this number.
pub fn peer(i: u8) -> PeerIndex {
    PeerIndex::new(i).unwrap()
}

impl World {
    /// All up, a quarter of a second before noon; everybody reads something different in every window.
    pub fn new(site: Site) -> Self {
        let roster = Arc::new(site.roster());
        let now = NOON - PERIOD / 4;
        let hosts = roster.sharing().indices().zip(&site.keys).map(|(index, keys)| Host {
            index,
            peer: None,
            desk: None,
            disk: Disk::default(),
            skew: Skew::None,
            breath: None,
            key: *keys.signing.to_bytes(),
            lives: 0,
            roster: Arc::clone(&roster),
        });
        let agent = |i| Agent::new(AgentIndex(i), Arc::clone(&roster), Terms::default(), None, now);
        let mut world = Self {
            now,
            peers: hosts.collect(),
            agents: (0..roster.agents().len() as u32).map(agent).collect(),
            log: Log::default(),
            readings: Box::new(|agent, window| Some((400 + 37 * agent as u64 + 11 * window) as f64)),
            hook: Box::new(|_| Fate::Pass),
            flights: Flights::default(),
            agent_skews: vec![Skew::None; roster.agents().len()],
            liars: PeerSet::EMPTY,
            asked: BTreeMap::new(),
            retained: BTreeMap::new(),
            policy: Box::new(|_, _| Outcome::Allow),
            wishes: vec![None; roster.agents().len()],
            rng: ChaCha20Rng::seed_from_u64(site.seed.wrapping_add(1)),
            roster,
        };
        for index in world.roster.sharing().indices() {
            world.start(index, None);
        }
        world
    }

    /// What each agent reads in each window, counted from noon.
    pub fn read(&mut self, readings: impl Fn(usize, u64) -> Option<f64> + 'static) {
        self.readings = Box::new(readings);
    }

    /// Looks at every message as it is sent; may change it and decides what becomes of it.
    pub fn intercept(&mut self, hook: impl FnMut(&mut Packet) -> Fate + 'static) {
        self.hook = Box::new(hook);
    }

    /// The index of window `w` after noon.
    pub fn window(&self, w: u64) -> WindowIndex {
        WindowIndex(self.period().window_at(NOON).0 + w)
    }

    /// The window after noon with this index; 0 for those before.
    pub fn since_noon(&self, window: WindowIndex) -> u64 {
        window.0.saturating_sub(self.window(0).0)
    }

    /// The period of the worlds' sites.
    pub fn period(&self) -> Period {
        Period::from_millis(PERIOD.as_millis() as u64).unwrap()
    }

    /// An agent starts anew with other terms.
    pub fn demand_terms(&mut self, agent: usize, terms: Terms) {
        let (index, roster) = (AgentIndex(agent as u32), Arc::clone(&self.roster));
        self.agents[agent] = Agent::new(index, roster, terms, None, self.now);
    }

    /// An agent demands a larger cohort.
    pub fn demand(&mut self, agent: usize, minimum_cohort: u16) {
        self.demand_terms(agent, Terms::of_at_least(minimum_cohort));
    }

    /// Sets a node's clock that many milliseconds ahead of the world's; behind if negative.
    /// A peer keeps what it is; an agent starts anew.
    pub fn set_clock(&mut self, node: Sender, ahead: i64) {
        let by = Duration::from_millis(ahead.unsigned_abs());
        let skew = if ahead < 0 { Skew::Behind(by) } else { Skew::Ahead(by) };
        match node {
            Sender::Agent(agent) => {
                self.agent_skews[agent] = skew;
                let (index, roster) = (AgentIndex(agent as u32), Arc::clone(&self.roster));
                self.agents[agent] = Agent::new(index, roster, Terms::default(), None, self.clock(node));
            }
            Sender::Client => {}
            Sender::Peer(index) => self.host(index).skew = skew,
        }
    }

    /// What a node takes for the time.
    fn clock(&self, node: Sender) -> Timestamp {
        let skew = match node {
            Sender::Agent(agent) => self.agent_skews[agent],
            Sender::Client => Skew::None,
            Sender::Peer(index) => self.peers[index.offset()].skew,
        };
        skew.shown(self.now)
    }

    /// A peer stops, and all others are told.
    pub fn crash(&mut self, index: PeerIndex) {
        let host = self.host(index);
        (host.peer, host.desk) = (None, None);
        self.presence(index, false);
    }

    /// The same, and its disk may lose something.
    pub fn crash_and_lose(&mut self, index: PeerIndex, loss: Loss) {
        let disk = &mut self.host(index).disk;
        match loss {
            Loss::Everything => *disk = Disk::default(),
            Loss::Nothing => disk.unsafe_inputs.clear(),
            Loss::Unsynced => {
                for input in std::mem::take(&mut disk.unsafe_inputs) {
                    disk.inputs.remove(&input);
                }
            }
        }
        self.crash(index);
    }

    /// A peer comes back with what its disk holds.
    pub fn restart(&mut self, index: PeerIndex) {
        let host = self.host(index);
        let inputs = host.disk.inputs.iter().map(|(&(bundle, window), plaintext)| {
            (bundle, window, Input::read(host.roster.bundle(bundle), plaintext).unwrap())
        });
        let inputs = inputs.collect();
        let votes = host.disk.votes.clone().into_iter().collect();
        self.start(index, Some(Recovered { votes, inputs }));
    }

    /// A peer comes up and learns who else is; all others are told.
    pub fn start(&mut self, index: PeerIndex, recovered: Option<Recovered>) {
        let now = self.clock(Sender::Peer(index));
        let up: Vec<_> =
            self.peers.iter().filter(|host| host.peer.is_some()).map(|host| host.index).collect();
        let host = self.host(index);
        let key = SigningKey::from_bytes(&host.key);
        // Other secrets in each life.
        host.lives = host.lives.wrapping_add(1);
        let root = Zeroizing::new([host.index.get().wrapping_add(host.lives.wrapping_mul(16)); 32]);
        let mut peer = Peer::new(index, key, Arc::clone(&host.roster), recovered, root, now);
        for other in up {
            peer.handle_presence(now, other, true);
            peer.handle_reachable(now, other);
        }
        host.desk = Some(open_desk(host, now));
        (host.peer, host.breath) = (Some(peer), None);
        self.drain(index);
        self.hand_out_retained(index);
        self.presence(index, true);
    }

    /// Tells all other peers whether one is there, true or not.
    pub fn presence(&mut self, index: PeerIndex, up: bool) {
        for other in self.roster.sharing().indices() {
            self.presence_at(other, index, up);
        }
    }

    /// Tells one peer whether another is there, true or not.
    pub fn presence_at(&mut self, at: PeerIndex, index: PeerIndex, up: bool) {
        let now = self.clock(Sender::Peer(at));
        if let Some(peer) = self.host(at).peer.as_mut() {
            peer.handle_presence(now, index, up);
            if up {
                peer.handle_reachable(now, index);
            }
            self.drain(at);
        }
    }

    /// Until window `w` after noon is over and everything about it is said.
    pub fn run(&mut self, w: u64) {
        let end = self.period().end(self.window(w));
        self.run_until(end + PERIOD - PERIOD / 20);
    }

    /// Until an instant within window `w` after noon.
    pub fn run_into(&mut self, w: u64, millis: u64) {
        self.run_until(self.period().start(self.window(w)) + Duration::from_millis(millis));
    }

    /// Until an instant.
    pub fn run_until(&mut self, end: Timestamp) {
        while self.step_before(end) {
            assert_eq!(self.log.unpersisted, [], "a vote was sent that is not on disk");
        }
    }

    /// The next thing that happens, unless that is after `end`. Tells whether there was one.
    pub fn step_before(&mut self, end: Timestamp) -> bool {
        let next = self.next_event().filter(|&next| next <= end);
        self.now = self.now.max(next.unwrap_or(end));
        if next.is_some() {
            self.step();
        }
        next.is_some()
    }

    fn next_event(&self) -> Option<Timestamp> {
        let due = |host: &Host| Some(host.skew.reached(host.due()?));
        let peers = self.peers.iter().filter_map(due);
        let agents = self.agents.iter().zip(&self.agent_skews);
        let agents = agents.filter_map(|(agent, skew)| Some(skew.reached(agent.poll_timeout()?)));
        peers.chain(agents).chain(self.flights.next_arrival()).min()
    }

    fn step(&mut self) {
        let now = self.now;
        for agent in 0..self.agents.len() {
            let shown = self.clock(Sender::Agent(agent));
            if self.agents[agent].poll_timeout().is_some_and(|due| due <= shown) {
                self.speak(agent);
            }
        }
        while let Some(packet) = self.flights.arrived(now) {
            let to = packet.to;
            if let Err(refusal) = self.deliver(packet) {
                self.log.refused.push((to, refusal));
            }
        }
        for index in self.roster.sharing().indices() {
            let shown = self.clock(Sender::Peer(index));
            let host = self.host(index);
            if host.due().is_some_and(|due| due <= shown) {
                host.handle_timeout(shown);
                self.drain(index);
            }
        }
    }

    /// An agent reads its sensors and shares the window.
    fn speak(&mut self, agent: usize) {
        let (now, roster) = (self.clock(Sender::Agent(agent)), Arc::clone(&self.roster));
        let window = self.since_noon(self.period().window_at(now));
        let reading = (self.readings)(agent, window);
        let state = &mut self.agents[agent];
        let bundles = roster.agent(AgentIndex(agent as u32)).bundles.iter().map(|&b| roster.bundle(b));
        for bundle in bundles.filter(|bundle| bundle.begins()) {
            for stream in &bundle.streams {
                let quantity = &roster.quantity(stream.quantity).quantity;
                let noted = match reading {
                    Some(value) if quantity.is_vector() => {
                        state.handle_vector(now, &stream.name, now, &vector(value, quantity))
                    }
                    Some(value) => state.handle_reading(now, &stream.name, now, value),
                    None => state.handle_gap(now, &stream.name, now, GapReason::Missing),
                };
                noted.unwrap();
            }
        }
        state.handle_timeout(now, &mut self.rng);
        while self.agents[agent].poll_event().is_some() {}
        while let Some(dealt) = self.agents[agent].poll_transmit() {
            for (to, plaintext) in roster.sharing().indices().zip(&dealt.plaintexts) {
                let (bundle, window) = (dealt.bundle, dealt.window);
                if let Some(wish) = &self.wishes[agent] {
                    self.log.wished.entry((agent, window)).or_insert_with(|| wish.clone());
                }
                let content = Content::Input { bundle, window, plaintext: plaintext.as_bytes().to_vec() };
                self.send(Packet { from: Sender::Agent(agent), to, content });
            }
        }
    }

    /// Sends a message, which the network may change, lose or delay.
    pub fn send(&mut self, mut packet: Packet) {
        self.log.sent.push((self.now, packet.clone()));
        let fate = (self.hook)(&mut packet);
        if let Fate::Answered(answer) = &fate {
            self.flights.send(self.now, (**answer).clone(), Fate::Pass);
        }
        self.flights.send(self.now, packet, fate);
    }

    /// The broker hands over what nobody sends at present.
    pub fn inject(&mut self, packet: Packet) {
        self.flights.send(self.now, packet, Fate::Pass);
    }

    /// What is on its way and like this is lost.
    pub fn lose(&mut self, which: impl Fn(&Packet) -> bool) {
        self.flights.lose(which);
    }

    /// Hands a message to its receiver; it is lost on one that is down.
    #[allow(clippy::missing_errors_doc, reason = "those of the peer")]
    pub fn deliver(&mut self, packet: Packet) -> Result<Taken, Refusal> {
        let Packet { from, to, content } = packet;
        let now = self.clock(Sender::Peer(to));
        if let Content::Asked { query, json } = &content {
            return self.hear(now, to, query, json);
        }
        let host = self.host(to);
        let Some(peer) = host.peer.as_mut() else { return Ok(Taken::New) };
        let (message, stored) = match (from, content) {
            (_, Content::Input { bundle, window, plaintext }) => {
                let input = Input::read(host.roster.bundle(bundle), &plaintext)?;
                (Message::Input { bundle, window, input }, Some(((bundle, window), plaintext)))
            }
            (Sender::Peer(from), Content::Peer(message)) => {
                (Message::Peer { from, message: Box::new(message) }, None)
            }
            (Sender::Agent(_) | Sender::Client, Content::Peer(_)) | (_, Content::Asked { .. }) => {
                return Err(Refusal::Unknown);
            }
        };
        let taken = peer.handle_message(now, message);
        if let (Ok(Taken::New), Some((key, plaintext))) = (taken, stored) {
            host.disk.unsafe_inputs.insert(key);
            let before = host.disk.inputs.insert(key, plaintext);
            if before.is_some() && before.as_ref() != host.disk.inputs.get(&key) {
                self.log.overwritten.push((to, key));
            }
        }
        self.drain(to);
        taken
    }

    /// Does what a peer asks for: first what it tells, then what it sends.
    fn drain(&mut self, index: PeerIndex) {
        self.drain_desk(index);
        while let Some(event) = self.host(index).peer.as_mut().and_then(Peer::poll_event) {
            self.note(index, event);
        }
        // What was signed may be all that was asked for.
        self.drain_desk(index);
        while let Some(transmit) = self.host(index).peer.as_mut().and_then(Peer::poll_transmit) {
            self.note_unpersisted(index, &transmit.message);
            let mut message = PeerMessage::clone(&transmit.message);
            if self.log.sent.len().is_multiple_of(AS_READ) {
                message = PeerMessage::from_bytes(&message.to_bytes()).unwrap();
                assert_eq!(message, *transmit.message);
            }
            for to in transmit.to.iter() {
                match &mut self.host(index).breath {
                    Some(0) => return self.crash(index),
                    Some(breath) => *breath -= 1,
                    None => {}
                }
                let content = Content::Peer(message.clone());
                self.send(Packet { from: Sender::Peer(index), to, content });
            }
        }
    }

    fn note(&mut self, at: PeerIndex, event: Event) {
        let now = self.clock(Sender::Peer(at));
        let Host { desk, disk, .. } = &mut self.peers[at.offset()];
        match event {
            Event::Agreed { quantity, window, plan } => self.log.agreed.push((at, quantity, window, plan)),
            Event::Blamed(blame) => self.log.blamed.push((at, blame)),
            Event::Forget(inputs) => inputs.iter().for_each(|input| drop(disk.inputs.remove(input))),
            Event::Output { to, output } => self.log.outputs.push((at, to, *output)),
            Event::Planned { quantity, window } => self.log.planned.push((at, quantity, window)),
            Event::Persist { quantity, vote } => {
                disk.unsafe_inputs.clear();
                disk.votes.insert(quantity, vote);
            }
            Event::Result { result, parts, publish } => {
                if let Some(desk) = desk {
                    desk.handle_result(now, &result.result);
                }
                self.log.results.push(Told { peer: at, signed: *result, parts, publish });
            }
            Event::SatOut { window, .. } => self.log.sat_out.push((at, window)),
            Event::Skipped { windows } => self.log.skipped.push((at, windows)),
        }
    }

    /// A vote is on disk before it is sent.
    fn note_unpersisted(&mut self, index: PeerIndex, message: &PeerMessage) {
        if let PeerMessage::Vote(vote) = message {
            let stored = self.host(index).disk.votes.get(&vote.document.quantity);
            if stored.is_none_or(|stored| stored.window != vote.document.window) {
                self.log.unpersisted.push((index, vote.document.window));
            }
        }
    }

    /// The key that a peer signs with, for those who lie in its name.
    pub fn signing_key(&mut self, index: PeerIndex) -> SigningKey {
        SigningKey::from_bytes(&self.host(index).key)
    }

    /// The machine of a peer.
    pub fn host(&mut self, index: PeerIndex) -> &mut Host {
        &mut self.peers[index.offset()]
    }
}
