//! Shamir's secret sharing among 3 to 9 peers.
//!
//! A secret s is shared by a random polynomial f of degree t with f(0) = s; peer i holds f(i). Any t shares
//! are independent of s, any t + 1 determine it, and each further one finds or corrects wrong ones.

mod batch;
mod bits;
mod opening;
mod share;

use std::fmt;
use std::num::NonZeroU8;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use batch::{Degree, OpenedBatch};
pub use bits::{MAX_BITS, SHARE_BYTES, parse_bits, recompose};
pub use opening::{OpenError, Opened};
pub use share::Share;

use crate::field::Fp;
use crate::polynomial::evaluate;

/// The fewest peers: with two, the threshold would have to be both.
pub const MIN_PEERS: u8 = 3;
/// The most peers.
pub const MAX_PEERS: u8 = 9;
/// The highest threshold, that of nine peers.
const MAX_THRESHOLD: usize = 4;

/// A peer's number, 1..=9; also the point at which the peer's shares are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct PeerIndex(NonZeroU8);

impl PeerIndex {
    /// The first peer.
    pub const FIRST: Self = Self(NonZeroU8::MIN);

    /// The peer number `index`.
    ///
    /// # Errors
    /// [`SharingError::IndexOutOfRange`] outside 1..=9.
    pub const fn new(index: u8) -> Result<Self, SharingError> {
        match NonZeroU8::new(index) {
            Some(index) if index.get() <= MAX_PEERS => Ok(Self(index)),
            _ => Err(SharingError::IndexOutOfRange(index)),
        }
    }

    /// The number, 1..=9.
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// The point of F_p at which this peer's shares are evaluated; never zero, where the secret lies.
    pub fn point(self) -> Fp {
        Fp::from(u32::from(self.get()))
    }

    /// The peer's place, 0..=8, in a slice that has one element per peer.
    pub const fn offset(self) -> usize {
        self.get() as usize - 1
    }
}

impl TryFrom<u8> for PeerIndex {
    type Error = SharingError;
    fn try_from(index: u8) -> Result<Self, SharingError> {
        Self::new(index)
    }
}

impl From<PeerIndex> for u8 {
    fn from(index: PeerIndex) -> u8 {
        index.get()
    }
}

impl fmt::Display for PeerIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// How many peers together learn nothing: the degree t of a sharing, 1..=4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(NonZeroU8);

impl Threshold {
    /// The number t.
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Why numbers of peers do not describe a sharing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SharingError {
    /// A peer's number is not in 1..=9.
    #[error("peer {0} does not exist: peers are numbered 1 to {MAX_PEERS}")]
    IndexOutOfRange(u8),
    /// There are too few or too many peers.
    #[error("{0} peers can not share a reading: choose {MIN_PEERS} to {MAX_PEERS}")]
    PeersOutOfRange(u8),
    /// The threshold is zero or not below half the peers.
    #[error("a threshold of {threshold} does not fit {peers} peers: choose 1 to {}", (peers - 1) / 2)]
    ThresholdOutOfRange {
        /// The number of peers.
        peers: u8,
        /// The threshold that was asked for.
        threshold: u8,
    },
}

/// Why a secret was not shared, or a peer's bits not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// More bits were asked for than a reading can have, or none.
    #[error("a value of {0} bits can not be shared: choose 1 to {MAX_BITS}")]
    BitsOutOfRange(u32),
    /// A share is not the canonical encoding of an element.
    #[error("the share of bit {bit} is not a field element")]
    NotCanonical {
        /// Which bit, the least significant being 0.
        bit: usize,
    },
    /// The value has more bits than it is to be shared with. (The value is a secret and not told.)
    #[error("the value to be shared does not fit into {bits} bits")]
    ValueTooWide {
        /// The number of bits asked for.
        bits: u32,
    },
    /// The caller's slice or buffer has not the right length.
    #[error("{have} given where {need} are needed")]
    WrongLength {
        /// The length it has.
        have: usize,
        /// The length it needs.
        need: usize,
    },
}

/// Among how many peers secrets are shared, and how many of them together learn nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sharing {
    peers: u8,
    threshold: Threshold,
}

impl Sharing {
    /// Sharing among `peers` (n), of whom any `threshold` (t) together learn nothing.
    ///
    /// # Errors
    /// Unless 3 <= n <= 9 and 1 <= t <= (n - 1) / 2.
    pub const fn new(peers: u8, threshold: u8) -> Result<Self, SharingError> {
        if peers < MIN_PEERS || peers > MAX_PEERS {
            return Err(SharingError::PeersOutOfRange(peers));
        }
        match NonZeroU8::new(threshold) {
            Some(t) if t.get() <= (peers - 1) / 2 => Ok(Self { peers, threshold: Threshold(t) }),
            _ => Err(SharingError::ThresholdOutOfRange { peers, threshold }),
        }
    }

    /// The number of peers n, 3..=9.
    pub const fn peers(&self) -> u8 {
        self.peers
    }

    /// The threshold t, 1..=(n - 1) / 2.
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// How many shares determine a secret: t + 1.
    pub const fn need(&self) -> usize {
        self.degree() + 1
    }

    /// All peers, ascending.
    pub fn indices(&self) -> impl DoubleEndedIterator<Item = PeerIndex> + use<> {
        (1..=self.peers).filter_map(NonZeroU8::new).map(PeerIndex)
    }

    /// Whether `peer` is one of the n.
    pub const fn contains(&self, peer: PeerIndex) -> bool {
        peer.get() <= self.peers
    }

    /// Shares `secret`: `shares[i]` becomes the share of peer i + 1.
    ///
    /// # Errors
    /// [`ShareError::WrongLength`] unless there are n `shares`.
    pub fn share(
        &self,
        secret: Fp,
        rng: &mut impl CryptoRng,
        shares: &mut [Share],
    ) -> Result<(), ShareError> {
        self.check_count(shares.len())?;
        let mut coefficients = Zeroizing::new([Fp::ZERO; MAX_THRESHOLD + 1]);
        let coefficients = &mut coefficients[..self.need()];
        coefficients[0] = secret;
        coefficients[1..].fill_with(|| Fp::random(rng));
        for (share, peer) in shares.iter_mut().zip(self.indices()) {
            *share = Share::new(evaluate(coefficients, peer.point()));
        }
        Ok(())
    }

    const fn degree(&self) -> usize {
        self.threshold.get() as usize
    }

    fn check_count(&self, have: usize) -> Result<(), ShareError> {
        let need = usize::from(self.peers);
        if have == need { Ok(()) } else { Err(ShareError::WrongLength { have, need }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_and_threshold_are_validated() {
        assert_eq!(Sharing::new(2, 1), Err(SharingError::PeersOutOfRange(2)));
        assert_eq!(Sharing::new(10, 1), Err(SharingError::PeersOutOfRange(10)));
        for peers in MIN_PEERS..=MAX_PEERS {
            for threshold in 0..=MAX_PEERS {
                let valid = threshold >= 1 && 2 * threshold < peers;
                assert_eq!(Sharing::new(peers, threshold).is_ok(), valid, "({peers}, {threshold})");
            }
        }
        let refused = Sharing::new(5, 3).unwrap_err();
        assert_eq!(refused.to_string(), "a threshold of 3 does not fit 5 peers: choose 1 to 2");
    }

    #[test]
    fn a_peer_index_can_not_be_smuggled_in_through_serde() {
        assert_eq!(serde_json::from_str::<PeerIndex>("9").unwrap().get(), 9);
        for refused in ["0", "10", "256", "-1", "\"1\""] {
            assert!(serde_json::from_str::<PeerIndex>(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_wrong_number_of_shares_is_refused() {
        let mut rng = crate::testing::rng(1);
        let mut shares = [Share::default(), Share::default()];
        let refused = Sharing::new(3, 1).unwrap().share(Fp::ONE, &mut rng, &mut shares);
        assert_eq!(refused, Err(ShareError::WrongLength { have: 2, need: 3 }));
    }
}
