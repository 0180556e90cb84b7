//! What sorts of messages there are.

use clap::ValueEnum;
use serde::Serialize;
use smc_mqtt::topic::Topic;

/// What a message is, by its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// What a peer's log came to
    Audit,
    /// A peer's sealing key
    Card,
    /// Changes of the member list that hold
    Charter,
    /// What an agent's owner does not want it to share
    Control,
    /// What a peer says to a request
    Decision,
    /// Home Assistant's discovery
    Discovery,
    /// Who an agent or a client is
    Introduction,
    /// What an operator tells a peer
    Order,
    /// A share of an output for one client alone
    Output,
    /// What is said when a node joins by a code
    Pairing,
    /// A part of a value that is too long for its result
    Part,
    /// A step of the protocol between two peers
    Peer,
    /// A change of the member list that waits for signatures
    Proposal,
    /// What a client asks
    Request,
    /// What a window has come to
    Result,
    /// An agent's shares of its readings
    Share,
    /// A value and nothing else
    State,
    /// Whether a node is there
    Status,
    /// On a topic that is none of the site's
    Unknown,
}

impl Kind {
    /// What comes on a topic of the site.
    pub(crate) fn of(topic: &Topic) -> Self {
        match topic {
            Topic::Audit { .. } => Self::Audit,
            Topic::Card { .. } => Self::Card,
            Topic::Charter => Self::Charter,
            Topic::CharterProposed { .. } => Self::Proposal,
            Topic::Control { .. } => Self::Control,
            Topic::Decision { .. } => Self::Decision,
            Topic::Discovery { .. } => Self::Discovery,
            Topic::Introduction { .. } => Self::Introduction,
            Topic::Operator { .. } => Self::Order,
            Topic::Output { .. } => Self::Output,
            Topic::PairAnswer { .. } | Topic::PairAsk { .. } | Topic::PairOffer { .. } => Self::Pairing,
            Topic::Peer { .. } => Self::Peer,
            Topic::Request { .. } => Self::Request,
            Topic::Result { .. } => Self::Result,
            Topic::ResultPart { .. } => Self::Part,
            Topic::ResultState { .. } => Self::State,
            Topic::Share { .. } => Self::Share,
            Topic::Status { .. } => Self::Status,
        }
    }

    /// Who sends it, where the topic names nobody.
    pub(crate) fn usual_sender(self) -> &'static str {
        match self {
            Self::Charter | Self::Discovery | Self::Part | Self::Result | Self::State => "a peer",
            Self::Pairing => "newcomer",
            _ => "?",
        }
    }

    /// Its word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Card => "card",
            Self::Charter => "charter",
            Self::Control => "control",
            Self::Decision => "decision",
            Self::Discovery => "discovery",
            Self::Introduction => "introduction",
            Self::Order => "order",
            Self::Output => "output",
            Self::Pairing => "pairing",
            Self::Part => "part",
            Self::Peer => "peer",
            Self::Proposal => "proposal",
            Self::Request => "request",
            Self::Result => "result",
            Self::Share => "share",
            Self::State => "state",
            Self::Status => "status",
            Self::Unknown => "unknown",
        }
    }
}
