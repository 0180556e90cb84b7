//! Sealed messages: what travels between nodes so that the broker carries nothing but ciphertext.
//!
//! A sender encapsulates once to a receiver's key of one epoch (HPKE, RFC 9180, Auth mode with
//! DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256, export-only) and takes a 256-bit key from the exporter. Each
//! message is AES-256-GCM under that key with its counter as nonce. The encapsulation rides in every message,
//! so that each can be opened by itself, and a receiver may keep the key that it derived.
//!
//! The associated data binds every field outside the ciphertext and, for inputs, the definition of what was
//! measured: a message can't be passed off under another name, window or definition. That it may be delivered
//! twice is for the receiver to mind.

mod aad;
mod kem;
mod opener;
mod read;
mod sealer;
mod write;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use opener::{MAX_EPOCHS, Opener};
pub use read::Envelope;
pub use sealer::{SealError, Sealer};

use crate::time::{Period, WindowIndex, exact};

/// The version of the protocol that every envelope names and is bound to.
pub const PROTOCOL_VERSION: u64 = 1;

/// The number of a receiver's sealing key; it grows with each new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyEpoch(#[serde(deserialize_with = "exact")] pub u64);

impl fmt::Display for KeyEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a message is, and what it is bound to besides its sender and receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binding {
    /// An agent's shares of one window.
    Input {
        /// The length of the window.
        period: Period,
        /// The window.
        window: WindowIndex,
        /// Which of the agent's messages of this period and window: 0, or the number of a part of a vector.
        part: u32,
        /// The digest of the definition of everything that is shared in it. Not sent: the receiver has its own.
        definition: [u8; 32],
    },
    /// A message between peers.
    Peer,
}

/// Why an envelope is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum EnvelopeError {
    /// It was not sealed by this sender, to this key, with these fields and this definition.
    #[error("not sealed by this sender for these fields and definition: compare keys and site files")]
    Forged,
    /// It is an input where a message between peers is expected, or the reverse.
    #[error("an input where a message between peers is expected, or the reverse")]
    Kind,
    /// It is not the JSON of an envelope.
    #[error("not an envelope")]
    Malformed,
    /// It is addressed to another node.
    #[error("addressed to another node")]
    Recipient,
    /// It is of another site.
    #[error("of another site")]
    Site,
    /// It is larger than the receiver reads.
    #[error("{have} bytes where at most {max} are read")]
    TooLarge {
        /// Its size in bytes.
        have: usize,
        /// The receiver's limit in bytes.
        max: usize,
    },
    /// It is sealed to a key that the receiver has not got, or has erased.
    #[error("sealed to the key of epoch {0}, which is not held")]
    UnknownEpoch(KeyEpoch),
    /// It is of another version of the protocol.
    #[error("of protocol version {0}; this is version {PROTOCOL_VERSION}")]
    Version(u64),
}
