//! The network, the broker and all who lie: what becomes of each message while actions last.

use std::collections::BTreeSet;
use std::time::Duration;

use smc_core::digest::Digest;
use smc_core::document::Signed;
use smc_core::field::Fp;
use smc_core::identity::SigningKey;
use smc_core::message::PeerMessage;
use smc_core::protocol::inventory::{Held, HeldList, Inventory};
use smc_core::protocol::standing::{Members, Standing};
use smc_core::protocol::terms::{TERMS_BYTES, Terms};
use smc_core::protocol::vote::Vote;
use smc_core::prss::Contribution;
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;

use crate::action::{Action, AgentLie, PeerLie, Shape, Timed};
use crate::noise::noise;
use crate::world::{Content, Fate, Packet, Sender, Step};

/// Where the first share of an input's first stream lies: after the terms and the presence byte.
const FIRST_SHARE: std::ops::Range<usize> = 3..11;
const PRESENCE: usize = TERMS_BYTES;

/// Everybody who is not to be trusted.
pub struct Adversary {
    seed: u64,
    shape: Shape,
    /// The keys of the liars among the peers.
    keys: Vec<(PeerIndex, SigningKey)>,
    active: Vec<Timed>,
    messages: u64,
    /// The agents, with the windows whose inputs are not what they read.
    pub lied: BTreeSet<(usize, WindowIndex)>,
    /// How many messages met with what.
    pub met: std::collections::BTreeMap<&'static str, u64>,
}

impl Adversary {
    /// Nobody does anything yet.
    pub fn new(seed: u64, shape: Shape, keys: Vec<(PeerIndex, SigningKey)>) -> Self {
        let (active, lied, met) = (Vec::new(), BTreeSet::new(), Default::default());
        Self { seed, shape, keys, active, messages: 0, lied, met }
    }

    /// An action begins.
    pub fn begin(&mut self, timed: Timed) {
        self.active.push(timed);
    }

    /// An action ends.
    pub fn end(&mut self, timed: &Timed) {
        if let Some(at) = self.active.iter().position(|active| active == timed) {
            self.active.remove(at);
        }
    }

    /// What becomes of a message, which may be changed.
    pub fn meets(&mut self, packet: &mut Packet) -> Fate {
        self.messages += 1;
        let mut fate = Fate::Pass;
        for at in 0..self.active.len() {
            let timed = self.active[at].clone();
            let (name, met) = match timed.action {
                Action::Agent { agent, lie } => ("an agent's lie", self.agent_lies(packet, agent, lie)),
                Action::Peer { peer, lie } => ("a peer's lie", self.peer_lies(packet, peer, lie)),
                ref action => self.carries(packet, action, noise(timed.at, &[timed.lasts])),
            };
            if let Some(met) = met {
                *self.met.entry(name).or_default() += 1;
                if !matches!(met, Fate::Pass) {
                    fate = met;
                }
            }
        }
        fate
    }

    /// What the network and the broker do; none if nothing.
    fn carries(&self, packet: &Packet, action: &Action, salt: u64) -> (&'static str, Option<Fate>) {
        let dice = |what: u64| noise(self.seed, &[salt, what, self.identity(packet)]);
        match action {
            Action::Partition { side } => {
                let here = |sender: Sender| match sender {
                    Sender::Peer(peer) => Some(side.contains(&peer.get())),
                    Sender::Agent(_) | Sender::Client => None,
                };
                let apart = here(packet.from).is_some_and(|from| from != side.contains(&packet.to.get()));
                ("a partition", apart.then_some(Fate::Drop))
            }
            Action::Weather { lost, delay, late, twice } => {
                let after = Duration::from_millis(dice(1) % (delay + 1));
                match dice(0) % 1000 {
                    dice if dice < *lost => ("loss", Some(Fate::Drop)),
                    dice if dice < lost + late => ("delay", Some(Fate::Delay(after))),
                    dice if dice < lost + late + twice => ("duplication", Some(Fate::Twice(after))),
                    _ => ("nothing", None),
                }
            }
            Action::Withhold { from, step, to } => {
                let sent = from.is_none_or(|from| packet.from.is_peer(from));
                let hit = sent && packet.to.get() == *to && packet.content.step() == *step;
                ("the broker withholding it", hit.then_some(Fate::Drop))
            }
            _ => ("nothing", None),
        }
    }

    /// The same for a message however many were sent before it.
    fn identity(&self, packet: &Packet) -> u64 {
        let from = match packet.from {
            Sender::Agent(agent) => 100 + agent as u64,
            Sender::Client => 99,
            Sender::Peer(peer) => peer.get().into(),
        };
        let of = match &packet.content {
            Content::Peer(PeerMessage::Partial(partial)) => {
                format!("{:?}{}{}", partial.of, partial.round, partial.part)
            }
            Content::Peer(PeerMessage::Endorsement(endorsement)) => endorsement.query.to_string(),
            Content::Peer(PeerMessage::Inventory(inventory)) => inventory.document.quantity.to_string(),
            Content::Peer(PeerMessage::Vote(vote)) => vote.document.quantity.to_string(),
            Content::Asked { json, .. } => String::from_utf8_lossy(json).into_owned(),
            Content::Input { bundle, .. } => bundle.at().to_string(),
            Content::Peer(PeerMessage::Seeds(_)) => String::new(),
        };
        let of = of.bytes().fold(0, |hash, byte| noise(hash, &[byte.into()]));
        noise(of, &[from, packet.to.get().into(), packet.content.step() as u64, packet.content.window().0])
    }

    fn agent_lies(&mut self, packet: &mut Packet, agent: u8, lie: AgentLie) -> Option<Fate> {
        let Content::Input { window, plaintext, .. } = &mut packet.content else { return None };
        if packet.from != Sender::Agent(agent.into()) || plaintext.get(PRESENCE) != Some(&1) {
            return None;
        }
        let window = *window;
        let fate = match lie {
            AgentLie::Demands { minimum, from } => {
                if packet.to.get() >= from {
                    plaintext[..PRESENCE].copy_from_slice(&Terms::of_at_least(minimum).to_bytes());
                    // The broker may still have what it would have said.
                    self.lied.insert((agent.into(), window));
                }
                return Some(Fate::Pass);
            }
            AgentLie::NoBit => {
                add(plaintext, 5);
                Fate::Pass
            }
            AgentLie::Torn { to } if packet.to.get() == to => {
                add(plaintext, 1);
                Fate::Pass
            }
            AgentLie::Twice { to } if packet.to.get() == to => {
                let mut second = packet.clone();
                if let Content::Input { plaintext, .. } = &mut second.content {
                    add(plaintext, 1);
                }
                Fate::Answered(Box::new(second))
            }
            AgentLie::Torn { .. } | AgentLie::Twice { .. } => return None,
        };
        self.lied.insert((agent.into(), window));
        Some(fate)
    }

    fn peer_lies(&mut self, packet: &mut Packet, liar: u8, lie: PeerLie) -> Option<Fate> {
        let us = self.keys.iter().find(|(index, _)| index.get() == liar)?;
        let (me, key) = (Sender::Peer(us.0), SigningKey::from_bytes(&us.1.to_bytes()));
        if let (PeerLie::VoteAlong, Content::Peer(PeerMessage::Vote(vote)), Sender::Peer(from)) =
            (lie, &packet.content, packet.from)
            && packet.to == us.0
        {
            return Some(echo(me, from, vote, &key));
        }
        if packet.from != me {
            return None;
        }
        let whim = noise(self.seed, &[self.identity(packet)]);
        let Content::Peer(message) = &mut packet.content else { return None };
        match (lie, message) {
            (PeerLie::Silence, _) | (PeerLie::VoteAlong, PeerMessage::Vote(_)) => return Some(Fate::Drop),
            (PeerLie::Endorsement, PeerMessage::Endorsement(endorsement)) => {
                endorsement.sig = key.sign("murmuration/1/result", b"another result");
            }
            (PeerLie::FalseCheck, PeerMessage::Partial(partial)) => {
                if !matches!(partial.of, smc_core::message::Purpose::Check(_)) {
                    return None;
                }
                partial.shares.0.iter_mut().for_each(|share| *share += Fp::ONE);
            }
            (PeerLie::FalseShares, PeerMessage::Partial(partial)) => {
                if !matches!(partial.of, smc_core::message::Purpose::Query(_)) {
                    return None;
                }
                partial.shares.0.iter_mut().for_each(|share| *share += Fp::from(1 + whim as u32 % 9));
            }
            (PeerLie::Inventories, PeerMessage::Inventory(inventory)) => {
                distort(&mut inventory.document, &self.shape, us.0, whim);
                *inventory = Signed::new(inventory.document.clone(), &key);
            }
            (PeerLie::Seeds, PeerMessage::Seeds(batch)) => {
                for contribution in &mut batch.contributions {
                    let other = Digest(*other_bytes(whim).first_chunk()?);
                    *contribution = Contribution::try_from(String::from(other)).ok()?;
                }
            }
            (PeerLie::Votes, PeerMessage::Vote(vote)) => {
                if whim.is_multiple_of(2) {
                    return None;
                }
                vote.document.digest.0[0] ^= 1;
                *vote = Signed::new(vote.document.clone(), &key);
            }
            _ => return None,
        }
        Some(Fate::Pass)
    }
}

impl Sender {
    fn is_peer(self, number: u8) -> bool {
        matches!(self, Self::Peer(peer) if peer.get() == number)
    }
}

fn echo(me: Sender, from: PeerIndex, vote: &Signed<Vote>, key: &SigningKey) -> Fate {
    let vote = PeerMessage::Vote(Signed::new(vote.document.clone(), key));
    Fate::Answered(Box::new(Packet { from: me, to: from, content: Content::Peer(vote) }))
}

/// Adds to the first share, which stays a number of the field.
fn add(plaintext: &mut [u8], what: u32) {
    let Some(share) = plaintext.get_mut(FIRST_SHARE) else { return };
    let known = share.first_chunk().and_then(|bytes| Fp::from_bytes(*bytes));
    if let Some(known) = known {
        share.copy_from_slice(&(known + Fp::from(what)).to_bytes());
    }
}

fn other_bytes(whim: u64) -> Vec<u8> {
    (0..4).flat_map(|i| noise(whim, &[i]).to_be_bytes()).collect()
}

/// Hides readings, and makes up a last vote that an honest peer could have cast.
fn distort(inventory: &mut Inventory, shape: &Shape, me: PeerIndex, whim: u64) {
    let mut drawn = 0;
    let mut dice = |sides: u64| {
        drawn += 1;
        noise(whim, &[drawn]) % sides
    };
    let mut held = inventory.held.as_slice().to_vec();
    for held in &mut held {
        if dice(4) == 0 {
            *held = Held::NOTHING;
        }
    }
    let window = WindowIndex(inventory.window.0 - 1 - dice(3));
    let places: Vec<_> = (0..held.len()).filter(|_| dice(6) > 0).collect();
    let absent = 1 + dice(shape.peers.into()) as u8;
    let peers = (1..=shape.peers).filter(|&i| i == me.get() || i != absent);
    let vote = Standing {
        epoch: window.0 / shape.epoch,
        window,
        peers: peers.filter_map(|i| PeerIndex::new(i).ok()).collect(),
        members: Members::new(held.len(), places),
        frozen: dice(2) == 0,
        roster: inventory.roster,
    };
    inventory.held = HeldList::new(held);
    inventory.standing = (dice(3) > 0).then_some(vote);
}

/// What a message about another time looks like: a flood is made of them.
pub fn astray(packet: &Packet, whim: u64) -> Packet {
    let mut packet = packet.clone();
    let elsewhere = |window: &mut WindowIndex| window.0 = (window.0 + whim % 2000).saturating_sub(200);
    match &mut packet.content {
        Content::Input { window, .. } => elsewhere(window),
        Content::Peer(PeerMessage::Endorsement(endorsement)) => elsewhere(&mut endorsement.window),
        Content::Peer(PeerMessage::Partial(partial)) => {
            elsewhere(&mut partial.window);
            partial.round = (whim >> 32) as u32 % 4;
        }
        Content::Asked { .. } | Content::Peer(_) => {}
    }
    packet
}

/// The step that a flood is of.
pub fn floods(step: Step) -> bool {
    matches!(step, Step::Input | Step::Partial | Step::Endorsement | Step::Check)
}
