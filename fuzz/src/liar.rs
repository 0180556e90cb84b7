//! The peers' state machines under messages as data: what a lying peer sends, byte by byte, and what agents send.

use std::collections::BTreeSet;
use std::time::Duration;

use smc_core::document::Signed;
use smc_core::identity::SigningKey;
use smc_core::message::PeerMessage;
use smc_core::roster::BundleIndex;
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;
use smc_sim::Schedule;
use smc_sim::action::Shape;
use smc_sim::invariant::{self, Invariant, View};
use smc_sim::world::{Content, NOON, Packet, Sender, World, peer};

/// The windows in which messages are sent.
const TROUBLE: u64 = 2;
/// The peer that lies, of four.
const LIAR: u8 = 4;
/// The most messages of one input.
const MOST: usize = 16;
/// Instants are counted in this many milliseconds.
const TICK: u64 = 10;

/// A message and when it is sent. In the bytes: instant (1), to (1, its upper half what it is), length (2, little-endian),
/// content.
struct Sent<'a> {
    at: u64,
    kind: u8,
    to: PeerIndex,
    content: &'a [u8],
}

/// Plays three windows in which these messages are sent beside those that the protocol wants; the simulator's invariants
/// hold, and afterwards all is as it was.
pub fn run(bytes: &[u8]) {
    let schedule =
        Schedule { seed: 1, site: shape(), liars: vec![LIAR], trouble: TROUBLE, actions: Vec::new() };
    let mut play = Play::new(&schedule);
    let mut sent = read(bytes);
    sent.sort_by_key(|sent| sent.at);
    for sent in sent {
        play.run_to(sent.at * TICK);
        play.send(&sent);
    }
    play.run_to(TROUBLE * 1000);
    play.world.roster.clone().sharing().indices().for_each(|peer| play.world.presence(peer, true));
    play.run_to((schedule.calm().end() + 1) * 1000 + 950);
    play.hold(|invariant, view| invariant.finish(view));
}

fn shape() -> Shape {
    let function = "any_above".to_owned();
    Shape {
        peers: 4,
        threshold: 1,
        malicious: true,
        agents: 6,
        minimum: 3,
        epoch: 3,
        step: 200,
        function,
        sums: true,
        lone: false,
    }
}

fn read(mut bytes: &[u8]) -> Vec<Sent<'_>> {
    let mut all = Vec::new();
    while let (Some((&[at, to, low, high], rest)), true) = (bytes.split_first_chunk(), all.len() < MOST) {
        let len = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
        let at = u64::from(at).min(TROUBLE * 1000 / TICK - 1);
        all.push(Sent { at, kind: to >> 4, to: peer(1 + to % (LIAR - 1)), content: &rest[..len] });
        bytes = &rest[len..];
    }
    all
}

struct Play<'a> {
    schedule: &'a Schedule,
    world: World,
    key: SigningKey,
    invariants: Vec<Box<dyn Invariant>>,
    lied: BTreeSet<(usize, WindowIndex)>,
}

impl<'a> Play<'a> {
    fn new(schedule: &'a Schedule) -> Self {
        let mut world = World::new(schedule.site());
        let key = world.signing_key(peer(LIAR));
        world.liars = [peer(LIAR)].into_iter().collect();
        world.read(|agent, window| Some(((3 * agent as u64 + window) % 16) as f64));
        Self { schedule, world, key, invariants: invariant::all(), lied: BTreeSet::new() }
    }

    fn send(&mut self, sent: &Sent<'_>) {
        let Sent { kind, to, content, .. } = *sent;
        match kind {
            0..=9 => self.lie(to, content),
            10..=13 => self.input(to, content),
            _ => {
                let about = peer(1 + content.first().unwrap_or(&0) % LIAR);
                if about != to {
                    self.world.presence_at(to, about, kind == 14);
                }
            }
        }
    }

    /// The liar says what it likes; what it says of itself it signs.
    fn lie(&mut self, to: PeerIndex, content: &[u8]) {
        let Ok(mut message) = PeerMessage::from_bytes(content) else { return };
        match &mut message {
            PeerMessage::Inventory(inventory) => {
                *inventory = Signed::new(inventory.document.clone(), &self.key);
            }
            PeerMessage::Vote(vote) => *vote = Signed::new(vote.document.clone(), &self.key),
            PeerMessage::Endorsement(_) | PeerMessage::Partial(_) | PeerMessage::Seeds(_) => {}
        }
        let from = Sender::Peer(peer(LIAR));
        self.world.inject(Packet { from, to, content: Content::Peer(message) });
    }

    /// An agent sends what it likes: one byte says which bundle, one how many windows before or after the first.
    fn input(&mut self, to: PeerIndex, content: &[u8]) {
        let Some((&[bundle, ahead], plaintext)) = content.split_first_chunk() else { return };
        let roster = self.world.roster.clone();
        let at = usize::from(bundle) % roster.bundles().len();
        let agent = roster.bundles()[at].agent;
        let window = WindowIndex(self.world.window(0).0.wrapping_add_signed(i64::from(ahead as i8)));
        self.lied.insert((agent.at(), window));
        let bundle = roster.agent(agent).bundles.iter().copied().find(|&bundle| bundle.at() == at);
        let Some(bundle): Option<BundleIndex> = bundle else { return };
        let content = Content::Input { bundle, window, plaintext: plaintext.to_vec() };
        self.world.inject(Packet { from: Sender::Agent(agent.at()), to, content });
    }

    fn run_to(&mut self, millis: u64) {
        let end = NOON + Duration::from_millis(millis);
        while self.world.step_before(end) {
            self.hold(|invariant, view| invariant.check(view));
        }
        self.hold(|invariant, view| invariant.check(view));
    }

    fn hold(&mut self, look: impl Fn(&mut dyn Invariant, &View<'_>) -> Result<(), String>) {
        let view = View { world: &self.world, schedule: self.schedule, lied: &self.lied };
        for invariant in &mut self.invariants {
            if let Err(what) = look(&mut **invariant, &view) {
                panic!("{}: {what}", invariant.name());
            }
        }
    }
}

/// What the liar of an honest site would have sent, a tick before it was: with one message changed, that is a lie.
pub fn seeds() -> Vec<Vec<u8>> {
    let schedule =
        Schedule { seed: 1, site: shape(), liars: vec![LIAR], trouble: TROUBLE, actions: Vec::new() };
    let mut play = Play::new(&schedule);
    play.run_to(TROUBLE * 1000);
    let sent: Vec<Vec<u8>> =
        play.world.log.sent.iter().filter_map(|(at, packet)| spell(*at, packet)).collect();
    // Each alone, and some together.
    let alone = sent.iter().step_by(sent.len() / 16 + 1).cloned();
    alone.chain(sent.chunks(6).step_by(sent.len() / 96 + 1).map(<[_]>::concat)).collect()
}

fn spell(at: smc_core::time::Timestamp, packet: &Packet) -> Option<Vec<u8>> {
    let tick = (at.since(NOON).as_millis() as u64 / TICK).saturating_sub(1);
    let (kind, content) = match &packet.content {
        Content::Peer(message) if packet.from == Sender::Peer(peer(LIAR)) => (0, message.to_bytes().to_vec()),
        Content::Input { bundle, plaintext, .. } if packet.from == Sender::Agent(0) => {
            (10, [&[bundle.at() as u8, 0], &plaintext[..]].concat())
        }
        _ => return None,
    };
    let to = kind << 4 | (packet.to.get() - 1);
    let len = u16::try_from(content.len()).ok()?.to_le_bytes();
    Some([&[u8::try_from(tick).ok()?, to, len[0], len[1]], &content[..]].concat())
}
