//! A network that does what the test says, in a fixed order.

use std::collections::BTreeMap;
use std::time::Duration;

use smc_core::message::{Partial, PeerMessage, Purpose};
use smc_core::name::QueryName;
use smc_core::roster::BundleIndex;
use smc_core::shamir::PeerIndex;
use smc_core::time::{Timestamp, WindowIndex};

/// How long a message takes if the test does not say otherwise.
pub const LATENCY: Duration = Duration::from_millis(2);

/// A message on its way to a peer.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Who sent it.
    pub from: Sender,
    /// Who gets it.
    pub to: PeerIndex,
    /// What it says.
    pub content: Content,
}

/// Who sent it, as the envelope would prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    /// An agent, by its place in the site file.
    Agent(usize),
    /// The client.
    Client,
    /// A peer.
    Peer(PeerIndex),
}

/// What was sent.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "few are kept at a time")]
pub enum Content {
    /// What the client says of one of its queries.
    Asked {
        /// Which query.
        query: QueryName,
        /// The request or cancellation, signed.
        json: Vec<u8>,
    },
    /// An agent's shares.
    Input {
        /// Of which bundle.
        bundle: BundleIndex,
        /// Of which window.
        window: WindowIndex,
        /// The shares.
        plaintext: Vec<u8>,
    },
    /// A message from peer to peer.
    Peer(PeerMessage),
}

impl Content {
    /// The window it belongs to; 0 if to none.
    pub fn window(&self) -> WindowIndex {
        match self {
            Self::Asked { .. } => WindowIndex::default(),
            Self::Input { window, .. } => *window,
            Self::Peer(message) => message.window().unwrap_or_default(),
        }
    }

    /// Which step of a window it belongs to.
    pub fn step(&self) -> Step {
        match self {
            Self::Asked { .. } => Step::Asked,
            Self::Input { .. } => Step::Input,
            Self::Peer(PeerMessage::Inventory(_)) => Step::Inventory,
            Self::Peer(PeerMessage::Vote(_)) => Step::Vote,
            Self::Peer(PeerMessage::Partial(Partial { of: Purpose::Check(_), .. })) => Step::Check,
            Self::Peer(PeerMessage::Partial(_)) => Step::Partial,
            Self::Peer(PeerMessage::Seeds(_)) => Step::Seeds,
            Self::Peer(PeerMessage::Endorsement(_)) => Step::Endorsement,
        }
    }
}

/// The steps of a window, in order; and what is asked in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the protocol's page says what they are")]
pub enum Step {
    Seeds,
    Input,
    Inventory,
    Check,
    Vote,
    Partial,
    Endorsement,
    Asked,
}

/// What becomes of a message.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It arrives, and at the same time another message is sent.
    Answered(Box<Packet>),
    /// It arrives so much later.
    Delay(Duration),
    /// It is lost.
    Drop,
    /// It arrives.
    Pass,
    /// It arrives, and once more so much later.
    Twice(Duration),
}

/// Messages in flight, by arrival.
#[derive(Debug, Default)]
pub struct Flights {
    packets: BTreeMap<(Timestamp, u64), Box<Packet>>,
    sent: u64,
}

impl Flights {
    /// Sends a message on its way.
    pub fn send(&mut self, now: Timestamp, packet: Packet, fate: Fate) {
        let (first, again) = match fate {
            Fate::Drop => return,
            Fate::Answered(_) | Fate::Pass => (LATENCY, None),
            Fate::Delay(delay) => (LATENCY + delay, None),
            Fate::Twice(later) => (LATENCY, Some(LATENCY + later)),
        };
        if let Some(latency) = again {
            self.launch(now + latency, packet.clone());
        }
        self.launch(now + first, packet);
    }

    fn launch(&mut self, arrives: Timestamp, packet: Packet) {
        self.sent += 1;
        self.packets.insert((arrives, self.sent), Box::new(packet));
    }

    /// What is on its way and like this is lost.
    pub fn lose(&mut self, which: impl Fn(&Packet) -> bool) {
        self.packets.retain(|_, packet| !which(packet));
    }

    /// When the next one arrives.
    pub fn next_arrival(&self) -> Option<Timestamp> {
        self.packets.keys().next().map(|&(at, _)| at)
    }

    /// One that has arrived by now.
    pub fn arrived(&mut self, now: Timestamp) -> Option<Packet> {
        let (&(at, _), _) = self.packets.first_key_value()?;
        if at > now { None } else { self.packets.pop_first().map(|(_, packet)| *packet) }
    }
}
