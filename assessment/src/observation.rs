//! What was measured, one number at a time, so that a table of them is tidy.

use serde::{Deserialize, Serialize};

/// One number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// What was measured: this system, or one that it is held against.
    pub subject: Subject,
    /// Whose number this is.
    pub role: Role,
    /// Which of them; empty where it is of all.
    pub node: String,
    /// What it was doing.
    pub phase: Phase,
    /// In which of the measured windows, from 0; none: over all of them, and what adds up (CPU time, bytes, packets) is divided
    /// by their number.
    pub window: Option<u32>,
    /// What the number says.
    pub measure: Measure,
    /// The number, in the unit that the measure's name ends with.
    pub value: f64,
}

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// This system.
    Murmuration,
    /// The same readings in the clear, through the same broker: the price of privacy.
    PlainMqtt,
    /// MPyC, the alternative that a user would pick.
    Mpyc,
}

/// Whose number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// All agents of a host.
    Agents,
    /// The broker.
    Broker,
    /// One peer; of a baseline, one party or subscriber.
    Peer,
    /// All together.
    Site,
}

/// What a node is doing, in the order of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// An agent splits and seals its readings.
    Sharing,
    /// Shares travel to the peers, which open and keep them.
    Transport,
    /// Peers agree on the cohort: inventories, votes.
    Agreement,
    /// They check that inputs are what they claim to be.
    Validity,
    /// The function's rounds but the last.
    Computation,
    /// The last round, in which the output is opened.
    Opening,
    /// The result is signed and published.
    Publication,
    /// From the window's due instant (its end and the grace) to the published result; of resources: everything.
    Whole,
}

/// What a number says. Names end with the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Wall time.
    WallMs,
    /// CPU time, user and system.
    CpuMs,
    /// CPU cycles, where the kernel counts them.
    CpuCycles,
    /// Instructions, where the kernel counts them.
    CpuInstructions,
    /// The most memory that a process held.
    RssPeakBytes,
    /// The most that was allocated at once.
    HeapPeakBytes,
    /// What was allocated at the end.
    HeapLiveBytes,
    /// How far the deepest thread's stack reached.
    StackPeakBytes,
    /// Bytes that left a host, as its interface counts them.
    WireSentBytes,
    /// Packets that left a host.
    WireSentPackets,
    /// Of these, bytes of TCP and IP headers and of packets without payload.
    NetworkOverheadBytes,
    /// Of these, what TLS adds.
    TlsOverheadBytes,
    /// Of these, what MQTT adds to the payloads.
    MqttOverheadBytes,
    /// Payloads of messages: what this system says, with its own overhead.
    PayloadBytes,
    /// Of payloads, what is not the shares themselves: JSON, base64, envelopes, signatures.
    OwnOverheadBytes,
    /// Messages that a node published.
    MessagesCount,
    /// Rounds among the peers.
    RoundsCount,
    /// Products of shares.
    ProductsCount,
    /// Readings that the result covers, in percent of those that there were.
    CoveredPercent,
    /// Windows without a value.
    LostCount,
}
