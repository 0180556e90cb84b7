//! What a role's process tells the measuring one on its standard output, a line at a time, after the first one.

use serde::{Deserialize, Serialize};
use smc_core::time::WindowIndex;
use smc_mqtt::traffic::Traffic;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// Agents shared their readings of a window.
    Shared(Shared),
    /// A query's window came to its end at a peer.
    Window(Box<Window>),
    /// So many nodes are connected, as an onlooker sees.
    Online(usize),
    /// An onlooker saw a result.
    Result(Seen),
    /// What was asked for by a line on standard input.
    Look(Look),
}

/// What the process holds and has carried.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Look {
    /// What its connections carried.
    pub(crate) traffic: Traffic,
    /// Bytes that are allocated, and the most that ever were; none where that is not counted.
    pub(crate) heap: Option<Heap>,
}

/// What is allocated.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Heap {
    pub(crate) live_bytes: u64,
    pub(crate) peak_bytes: u64,
}

/// What all agents of a process did for one window.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Shared {
    pub(crate) window: WindowIndex,
    /// The longest that one of them took.
    pub(crate) longest_us: u64,
    pub(crate) cpu_us: u64,
    pub(crate) messages: u64,
    pub(crate) plain_bytes: u64,
    pub(crate) sealed_bytes: u64,
    /// When the last of them was done.
    pub(crate) last_us: u64,
}

/// A result as it came by.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) window: WindowIndex,
    pub(crate) at_us: u64,
    pub(crate) readings: u64,
    /// Whether it had a value.
    pub(crate) ok: bool,
}

/// One window of one query at one peer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) window: u64,
    /// When the last input came.
    pub(crate) last_input_us: Option<u64>,
    /// Its inventory is said.
    pub(crate) gathered: Option<Mark>,
    /// The cohort is planned; the inputs are checked next.
    pub(crate) planned: Option<Mark>,
    /// They are checked, and it votes.
    pub(crate) voted: Option<Mark>,
    /// All voted alike; the function runs.
    pub(crate) agreed: Option<Mark>,
    /// Its shares of what is opened last are said.
    pub(crate) opening: Option<Mark>,
    /// The result is stated and signed.
    pub(crate) stated: Option<Mark>,
    /// All signed.
    pub(crate) done: Option<Mark>,
    /// Rounds of the function.
    pub(crate) rounds: u32,
    /// The result's value; nothing if there is none.
    pub(crate) value: Option<String>,
    /// Why there is none.
    pub(crate) reason: Option<String>,
}

/// An instant in a window, and what the peer had spent and said until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) at_us: u64,
    pub(crate) cpu_us: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) shares: u64,
}

impl Window {
    /// Microseconds from one mark to another; 0 if one is missing.
    pub(crate) fn between(from: Option<Mark>, to: Option<Mark>) -> u64 {
        from.zip(to).map_or(0, |(from, to)| to.at_us.saturating_sub(from.at_us))
    }

    /// Bytes of messages to other peers from the votes of all on, as published.
    pub(crate) fn sent(&self) -> u64 {
        self.agreed.zip(self.done).map_or(0, |(agreed, done)| done.bytes - agreed.bytes)
    }
}

/// Says a line.
pub(crate) fn say(said: &Said) {
    println!("{}", serde_json::to_string(said).unwrap_or_default());
}
