//! What peers say to each other. It travels sealed (docs/protocol.md, 2.6); who said it is what the envelope
//! proved, never a field in here.

use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::document::Signed;
use crate::field::Fp;
use crate::identity::Signature;
use crate::name::QueryName;
use crate::protocol::inventory::Inventory;
use crate::protocol::vote::Vote;
use crate::time::WindowIndex;

/// A message from peer to peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub enum PeerMessage {
    /// 4.8: the sender's signature under a result.
    Endorsement(Endorsement),
    /// 4.2: what the sender holds.
    Inventory(Signed<Inventory>),
    /// 4.7: the sender's share of an output.
    Partial(Partial),
    /// 4.6: the plan that the sender goes along with.
    Vote(Signed<Vote>),
}

/// A text that is no message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a peer message of this version")]
pub struct MessageError;

impl PeerMessage {
    /// The text form, to be sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The message that `bytes` spell.
    ///
    /// # Errors
    /// For anything else: unknown steps and fields, wrong types, non-canonical elements.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        serde_json::from_slice(bytes).map_err(|_| MessageError)
    }

    /// The window it belongs to.
    pub fn window(&self) -> WindowIndex {
        match self {
            Self::Endorsement(endorsement) => endorsement.window,
            Self::Inventory(inventory) => inventory.document.window,
            Self::Partial(partial) => partial.window,
            Self::Vote(vote) => vote.document.window,
        }
    }
}

/// A share of a session's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// Of which query.
    pub query: QueryName,
    /// In which window.
    pub window: WindowIndex,
    /// The share.
    pub share: OutputShare,
}

/// A peer's share of an output. It leaves the peer once, towards the peers that compute the same.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OutputShare(pub Fp);

impl std::fmt::Debug for OutputShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

impl From<OutputShare> for String {
    fn from(share: OutputShare) -> String {
        base64url::encode(&share.0.to_bytes())
    }
}

impl TryFrom<String> for OutputShare {
    type Error = MessageError;
    fn try_from(text: String) -> Result<Self, MessageError> {
        let bytes = base64url::decode(&text);
        bytes.and_then(Fp::from_bytes).map(Self).ok_or(MessageError)
    }
}

/// A signature under a result that the sender computed, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endorsement {
    /// Of which query.
    pub query: QueryName,
    /// In which window.
    pub window: WindowIndex,
    /// The signature.
    pub sig: Signature,
}
