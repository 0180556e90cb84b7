//! Histories as data: a site, and what happens to it when.

use serde::{Deserialize, Serialize};

use crate::world::{Loss, Step, Wish};
use smc_core::order::Verb;

/// One history. It is replayed exactly, for everything else follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// What keys, shares, readings and the network's whims are drawn from.
    pub seed: u64,
    /// The site.
    pub site: Shape,
    /// The peers that may do anything, where peers may; no more than the threshold.
    pub liars: Vec<u8>,
    /// How many windows are disturbed, from window 0 on.
    pub trouble: u64,
    /// What happens.
    pub actions: Vec<Timed>,
}

/// What a site is like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// n.
    pub peers: u8,
    /// t.
    pub threshold: u8,
    /// Whether peers may lie.
    pub malicious: bool,
    /// How many agents.
    pub agents: u8,
    /// The fewest agents of a result.
    pub minimum: u32,
    /// How many windows to a cohort epoch.
    pub epoch: u64,
    /// How long peers wait for each other, in milliseconds.
    pub step: u64,
    /// The function that is asked for in the site file.
    pub function: String,
    /// Whether the site file asks for the sums of all and of floor 1 besides.
    pub sums: bool,
    /// Whether the last agent is alone on its floor.
    pub lone: bool,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timed {
    /// When it begins, in milliseconds after the start of window 0.
    pub at: u64,
    /// How long it lasts, in milliseconds.
    pub lasts: u64,
    /// What it is.
    pub action: Action,
}

/// What can happen. Agents and peers are numbers: agents from 0, peers from 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// An agent lies.
    Agent {
        /// Who.
        agent: u8,
        /// How.
        lie: AgentLie,
    },
    /// The client asks for something until this ends.
    Ask(Ask),
    /// The client needs a query no longer.
    Cancel {
        /// The query's number.
        query: u8,
    },
    /// A peer's clock is off by so many milliseconds.
    Clock {
        /// Whose.
        peer: u8,
        /// By how much.
        by: i64,
    },
    /// A peer stops and comes back when this ends.
    Crash {
        /// Who.
        peer: u8,
        /// What is lost.
        loss: Loss,
        /// After how many more messages; at once if none.
        after: Option<u32>,
    },
    /// Of a thousand readings so many are missing.
    Gaps {
        /// How many.
        of_1000: u64,
    },
    /// An agent, or a lying peer, sends so many messages about windows far and near.
    Flood {
        /// Which lying peer; an agent if none.
        peer: Option<u8>,
        /// How many messages.
        messages: u32,
    },
    /// A peer's operator says what to do about a query.
    Order {
        /// Whose.
        peer: u8,
        /// The query's number.
        query: u8,
        /// What.
        verb: Verb,
    },
    /// Peers on one side don't hear those on the other.
    Partition {
        /// One side.
        side: Vec<u8>,
    },
    /// A lying peer lies.
    Peer {
        /// Who.
        peer: u8,
        /// How.
        lie: PeerLie,
    },
    /// The broker carries again what it carried up to so many milliseconds ago.
    Replay {
        /// How far back.
        back: u64,
        /// How many messages.
        messages: u32,
    },
    /// A peer is told that another is there, or is not.
    Rumour {
        /// Who is told.
        at: u8,
        /// About whom.
        about: u8,
        /// What.
        up: bool,
    },
    /// Of a thousand messages so many are lost, late, or come twice.
    Weather {
        /// Lost.
        lost: u64,
        /// Late, or twice, by up to so many milliseconds.
        delay: u64,
        /// Late.
        late: u64,
        /// Twice.
        twice: u64,
    },
    /// An agent's owner wants something.
    Wish {
        /// Whose.
        agent: u8,
        /// What.
        wish: Wish,
    },
    /// The broker withholds from one peer what belongs to one step, from all or from one sender: others see it.
    Withhold {
        /// Whose messages; everybody's if none.
        from: Option<u8>,
        /// Which step.
        step: Step,
        /// From whom.
        to: u8,
    },
}

/// What the client asks for, and what each peer's policy says to that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// The query's number. Of two with one number each peer takes the first.
    pub query: u8,
    /// A function that takes no parameters.
    pub function: String,
    /// The floor that it is about; all of them if none.
    pub floor: Option<u8>,
    /// The fewest agents.
    pub minimum: u32,
    /// Every how many windows.
    pub every: u64,
    /// Whether one value is enough.
    pub once: bool,
    /// What for.
    pub purpose: String,
    /// The peers that allow it.
    pub allow: Vec<u8>,
    /// The peers that leave it to their operators; all others deny it.
    pub leave: Vec<u8>,
}

/// How agents lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "lie")]
pub enum AgentLie {
    /// It demands different things of different peers.
    Demands {
        /// The fewest agents of a result.
        minimum: u16,
        /// The first peer that is told.
        from: u8,
    },
    /// What it shares is no bit.
    NoBit,
    /// One peer's share belongs to no one number.
    Torn {
        /// Which peer's.
        to: u8,
    },
    /// It sends one peer a second input after the first.
    Twice {
        /// Which peer.
        to: u8,
    },
}

/// How peers lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PeerLie {
    /// Signs another result.
    Endorsement,
    /// Shows false shares in the check of inputs.
    FalseCheck,
    /// Shows false shares of outputs.
    FalseShares,
    /// Tells each of the others another inventory, with another last vote.
    Inventories,
    /// Says nothing.
    Silence,
    /// Sends each of the others contributions that others don't have under the same name.
    Seeds,
    /// Votes along with everybody, whatever they vote for.
    VoteAlong,
    /// Votes for one plan here and for another there.
    Votes,
}
