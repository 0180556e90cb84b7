//! What peers say to each other. It travels sealed (docs/protocol.md, 2.6); who said it is what the envelope
//! proved, never a field in here.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::document::Signed;
use crate::field::Fp;
use crate::identity::Signature;
use crate::name::{QuantityName, QueryName};
use crate::protocol::inventory::Inventory;
use crate::protocol::vote::Vote;
use crate::prss::SeedBatch;
use crate::time::WindowIndex;

/// The most shares that one message carries: 192 KiB, a quarter of a mebibyte in base64.
pub const MAX_SHARES: usize = 24 * 1024;
/// The most messages of one round.
pub const MAX_PARTS: u16 = 128;

/// A message from peer to peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "lowercase")]
#[allow(clippy::large_enum_variant, reason = "messages that wait lie behind an `Arc`")]
pub enum PeerMessage {
    /// 4.8: the sender's signature under a result.
    Endorsement(Endorsement),
    /// 4.2: what the sender holds.
    Inventory(Signed<Inventory>),
    /// 4.5, 4.7 and 5: the sender's shares of what is opened in one round.
    Partial(Partial),
    /// 3.2: what the sender contributes to common keys.
    Seeds(SeedBatch),
    /// 4.6: the plan that the sender goes along with.
    Vote(Signed<Vote>),
}

/// A text that is no message of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a peer message of this version")]
pub struct MessageError;

impl PeerMessage {
    /// The text form, to be sealed: one line of JSON. Shares follow it as they are, 8 bytes each and little-endian, for
    /// there may be thousands.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let header = serde_json::to_vec(self).unwrap_or_default();
        let Self::Partial(Partial { shares, .. }) = self else { return Zeroizing::new(header) };
        let mut bytes = Zeroizing::new(Vec::with_capacity(header.len() + 1 + shares.0.len() * Fp::BYTES));
        bytes.extend_from_slice(&header);
        bytes.push(b'\n');
        shares.append_to(&mut bytes);
        bytes
    }

    /// The message that `bytes` spell.
    ///
    /// # Errors
    /// For anything else: unknown steps and fields, wrong types, non-canonical elements, leftover bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MessageError> {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let (header, rest) = end.map_or((bytes, None), |end| (&bytes[..end], Some(&bytes[end + 1..])));
        let mut message = serde_json::from_slice(header).map_err(|_| MessageError)?;
        match (&mut message, rest) {
            (Self::Partial(partial), Some(rest)) => partial.shares = OutputShares::read(rest)?,
            (Self::Partial(_), None) | (_, Some(_)) => return Err(MessageError),
            (_, None) => {}
        }
        Ok(message)
    }
}

impl PeerMessage {
    /// The window it belongs to, if it belongs to one.
    pub fn window(&self) -> Option<WindowIndex> {
        match self {
            Self::Endorsement(endorsement) => Some(endorsement.window),
            Self::Inventory(inventory) => Some(inventory.document.window),
            Self::Partial(partial) => Some(partial.window),
            Self::Seeds(_) => None,
            Self::Vote(vote) => Some(vote.document.window),
        }
    }
}

/// Shares that a peer shows the others in one round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// Of which computation.
    pub of: Purpose,
    /// In which window.
    pub window: WindowIndex,
    /// In which round, from 0.
    pub round: u32,
    /// Which message of the round, from 0.
    pub part: u16,
    /// Of how many.
    pub parts: u16,
    /// The shares.
    #[serde(skip)]
    pub shares: OutputShares,
}

/// What a computation is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// The inputs of a quantity are checked.
    Check(QuantityName),
    /// A query is answered.
    Query(QueryName),
}

/// A peer's shares of what is opened. They leave the peer once, towards the peers that compute the same.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct OutputShares(pub Zeroizing<Vec<Fp>>);

impl OutputShares {
    /// Appends them as they are: 8 bytes each, little-endian.
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        self.0.iter().for_each(|share| bytes.extend_from_slice(&share.to_bytes()));
    }

    /// At most [`MAX_SHARES`], canonical, and nothing left over.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, MessageError> {
        let (elements, rest) = bytes.as_chunks::<{ Fp::BYTES }>();
        if !rest.is_empty() || elements.len() > MAX_SHARES {
            return Err(MessageError);
        }
        let shares: Option<Vec<Fp>> = elements.iter().map(|&element| Fp::from_bytes(element)).collect();
        Ok(Self(Zeroizing::new(shares.ok_or(MessageError)?)))
    }
}

impl fmt::Debug for OutputShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} redacted>", self.0.len())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn partial(shares: &[u32]) -> PeerMessage {
        PeerMessage::Partial(Partial {
            of: Purpose::Query("co2-max".parse().unwrap()),
            window: WindowIndex(7),
            round: 3,
            part: 0,
            parts: 1,
            // Ten is the byte that ends the header.
            shares: OutputShares(Zeroizing::new(shares.iter().map(|&share| Fp::from(share)).collect())),
        })
    }

    #[test]
    fn shares_follow_the_header_as_they_are() {
        let message = partial(&[10, 0x0a0a_0a0a, 0]);
        let bytes = message.to_bytes();
        assert_eq!(PeerMessage::from_bytes(&bytes), Ok(message));
        let header =
            br#"{"step":"partial","of":{"query":"co2-max"},"window":7,"round":3,"part":0,"parts":1}"#;
        assert_eq!(&bytes[..header.len()], header);
        assert_eq!(bytes.len(), header.len() + 1 + 3 * 8);
        assert!(!format!("{:?}", partial(&[77])).contains("77"));
    }

    #[test]
    fn garbage_is_refused() {
        let bytes = partial(&[1, 2]).to_bytes();
        for cut in [bytes.len() - 1, bytes.len() - 17, 10, 0] {
            assert_eq!(PeerMessage::from_bytes(&bytes[..cut]), Err(MessageError), "{cut}");
        }
        let mut garbled = bytes.to_vec();
        let end = garbled.len();
        garbled[end - 8..].fill(0xff);
        assert_eq!(PeerMessage::from_bytes(&garbled), Err(MessageError), "not canonical");
        let many = vec![0; MAX_SHARES + 1];
        assert_eq!(PeerMessage::from_bytes(&partial(&many).to_bytes()), Err(MessageError));
        let seeds = br#"{"step":"seeds","epoch":1,"name":"","contributions":[]}"#;
        assert_eq!(PeerMessage::from_bytes(seeds), Err(MessageError));
    }
}
