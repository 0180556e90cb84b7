//! What goes into a peer and what comes out.

use std::sync::Arc;

use crate::message::PeerMessage;
use crate::name::{NodeName, QuantityName, QueryName};
use crate::output::SealedOutput;
use crate::peers::PeerSet;
use crate::protocol::input::{Input, InputError};
use crate::protocol::plan::Plan;
use crate::protocol::standing::Standing;
use crate::result::SignedResult;
use crate::roster::{BundleIndex, QuantityIndex};
use crate::shamir::PeerIndex;
use crate::time::WindowIndex;

/// A message with the sender that its envelope proved.
#[derive(Debug)]
pub enum Message {
    /// An agent's shares.
    Input {
        /// Which bundle; the sender is its agent.
        bundle: BundleIndex,
        /// Which window.
        window: WindowIndex,
        /// The shares.
        input: Input,
    },
    /// A message of another peer.
    Peer {
        /// Who sealed it.
        from: PeerIndex,
        /// What it says.
        message: Box<PeerMessage>,
    },
}

/// A message to be sealed for each of `to`.
#[derive(Debug, Clone, PartialEq)]
pub struct Transmit {
    /// To whom.
    pub to: PeerSet,
    /// What.
    pub message: Arc<PeerMessage>,
}

/// Something that the surroundings must do or may want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The peers agreed on a window.
    Agreed {
        /// Of what.
        quantity: QuantityIndex,
        /// Which.
        window: WindowIndex,
        /// Who computes on what.
        plan: Arc<Plan>,
    },
    /// Somebody did what an honest node doesn't.
    Blamed(Blame),
    /// These inputs serve no plan any more: erase them.
    Forget(Vec<(BundleIndex, WindowIndex)>),
    /// This peer's shares of an output for one client's eyes alone: to be sealed to it.
    Output {
        /// For whom.
        to: NodeName,
        /// The shares.
        output: Box<SealedOutput>,
    },
    /// A vote. It must be on disk before anything is transmitted that was polled after it.
    Persist {
        /// Of what.
        quantity: QuantityName,
        /// The vote.
        vote: Standing,
    },
    /// The inventories are in and it is known who would compute on what; the inputs are checked next.
    Planned {
        /// Of what.
        quantity: QuantityIndex,
        /// Which window.
        window: WindowIndex,
    },
    /// A window of a query came to its end.
    Result {
        /// What it came to.
        result: Box<SignedResult>,
        /// The parts of a value that is too long for the result, to be published after it.
        parts: Vec<Arc<[u8]>>,
        /// Whether this peer is the one to publish it.
        publish: bool,
    },
    /// The others go on without this peer, which lacks readings that they hold.
    SatOut {
        /// Of what.
        quantity: QuantityName,
        /// Which window.
        window: WindowIndex,
    },
    /// Windows that nobody computed, because the clock jumped or the machine slept.
    Skipped {
        /// How many.
        windows: u64,
    },
}

/// Somebody did what an honest node doesn't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// An agent sent two different inputs for one window; the first one stays.
    Equivocation {
        /// Who.
        agent: NodeName,
        /// Which window.
        window: WindowIndex,
    },
    /// A peer's share of an output did not fit those of the others and was corrected; the peer, or an agent's
    /// share to it, is false.
    FalsePartial {
        /// Who.
        peer: NodeName,
        /// Of which query.
        query: QueryName,
        /// Which window.
        window: WindowIndex,
    },
    /// An agent's input is not what it claims to be: something that is no bit, or shares of no one number. The agent is
    /// left out until the cohort epoch ends.
    InvalidInput {
        /// Who.
        agent: NodeName,
        /// Which window.
        window: WindowIndex,
    },
    /// A peer's signature is not under the result that its own partial led to.
    OtherResult {
        /// Who.
        peer: NodeName,
        /// Of which query.
        query: QueryName,
        /// Which window.
        window: WindowIndex,
    },
    /// A peer said two different things in one step; the first one stays.
    TwoFaced {
        /// Who.
        peer: NodeName,
        /// Which window.
        window: WindowIndex,
    },
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It had been taken before.
    Duplicate,
    /// It counts.
    New,
}

/// Why a message was refused; nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Refusal {
    /// It differs from what the same sender said before.
    #[error("contradicts an earlier message of the same sender")]
    Contradicts,
    /// The window has not begun.
    #[error("too early")]
    Early,
    /// The sender's site file is not ours.
    #[error("the sender has another site file")]
    ForeignRoster,
    /// The window is closed.
    #[error("too late")]
    Late,
    /// The content does not fit the window's quantity.
    #[error("malformed for its quantity")]
    Malformed,
    /// No signature of the sender.
    #[error("not signed by its sender")]
    Unsigned,
    /// No such quantity or query here.
    #[error("about a quantity or query that is not computed here")]
    Unknown,
}

/// Lets the reader of an input tell garbage from a refusal.
impl From<InputError> for Refusal {
    fn from(_: InputError) -> Self {
        Self::Malformed
    }
}
