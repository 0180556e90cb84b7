//! Opening a shared value from the peers' partial results.

use super::{Degree, PeerIndex, Sharing};
use crate::field::Fp;
use crate::polynomial::{Decoded, decode};

/// A value that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The value.
    pub value: Fp,
    /// Whether there was redundancy to check it: at least t + 2 partials.
    pub verified: bool,
    /// The peers whose partials were wrong and did not count, ascending.
    pub corrected: Vec<PeerIndex>,
}

/// Why a value was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A peer is there twice.
    #[error("peer {0} contributed twice to one opening")]
    DuplicatePeer(PeerIndex),
    /// The partials do not agree, and there are too few of them to tell which are wrong.
    #[error("{have} partial results disagree, too few to tell which are wrong: let more peers take part")]
    Inconsistent {
        /// How many partials there were.
        have: usize,
    },
    /// A peer gave more or fewer shares than the others.
    #[error("peer {0} gave more or fewer shares than the others")]
    OtherLength(PeerIndex),
    /// There are fewer partials than determine the value.
    #[error("{have} partial results can not open a value that needs {need}: wait for more peers")]
    TooFew {
        /// How many partials there were.
        have: usize,
        /// How many are needed: t + 1, or 2t + 1 for products.
        need: usize,
    },
    /// A contributor is not among the n peers.
    #[error("peer {0} is not among the peers of this sharing")]
    UnknownPeer(PeerIndex),
}

impl Sharing {
    /// Opens a value shared with degree t from m partials, each a peer and its share of the value, in any
    /// order.
    ///
    /// With m = t + 1 the value is whatever the partials say: `verified` is false. With more, up to m - t - 1
    /// wrong partials are detected. Of these, [`Sharing::correctable`] are corrected and their senders named.
    ///
    /// # Errors
    /// [`OpenError`]: never a value that disagrees with more partials than may be corrected.
    pub fn open(&self, partials: &[(PeerIndex, Fp)]) -> Result<Opened, OpenError> {
        self.open_degree(Degree::Single, partials)
    }

    /// Opens a value shared with degree t or 2t.
    pub(super) fn open_degree(
        &self,
        degree: Degree,
        partials: &[(PeerIndex, Fp)],
    ) -> Result<Opened, OpenError> {
        let mut sorted = partials.to_vec();
        sorted.sort_unstable_by_key(|&(peer, _)| peer);
        let need = self.needed(degree);
        self.check_contributors(&sorted, need)?;
        let have = sorted.len();
        let points: Vec<(Fp, Fp)> = sorted.iter().map(|&(peer, y)| (peer.point(), y)).collect();
        let Some(Decoded { polynomial, errors }) = decode(&points, need - 1) else {
            return Err(OpenError::Inconsistent { have });
        };
        if errors.len() > self.correctable_of(degree, have) {
            return Err(OpenError::Inconsistent { have });
        }
        Ok(Opened {
            value: polynomial.evaluate(Fp::ZERO),
            verified: have > need,
            corrected: errors.into_iter().map(|i| sorted[i].0).collect(),
        })
    }

    /// How many wrong ones among m partials are corrected: min(floor((m - t - 1) / 2), m - 2t - 1), at least 0.
    ///
    /// The first term is what a code of distance m - t can correct. The second keeps t liars who act together
    /// from moving the value and having an honest peer named in their stead: another polynomial of degree t
    /// differs from the true one at m - t points or more; if t of these are theirs, m - 2t are honest, and so
    /// many would have to be "corrected". For m = 2t + 1 every lie is found, and none is believed to be one
    /// peer's.
    pub const fn correctable(&self, m: usize) -> usize {
        self.correctable_of(Degree::Single, m)
    }

    const fn correctable_of(&self, degree: Degree, m: usize) -> usize {
        let need = self.needed(degree);
        let by_distance = m.saturating_sub(need) / 2;
        let by_liars = m.saturating_sub(need + self.degree());
        if by_distance < by_liars { by_distance } else { by_liars }
    }

    fn check_contributors(&self, sorted: &[(PeerIndex, Fp)], need: usize) -> Result<(), OpenError> {
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(OpenError::DuplicatePeer(pair[0].0));
        }
        if let Some(&(peer, _)) = sorted.iter().find(|&&(peer, _)| !self.contains(peer)) {
            return Err(OpenError::UnknownPeer(peer));
        }
        let have = sorted.len();
        if have < need { Err(OpenError::TooFew { have, need }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shamir::Share;

    fn shared(sharing: Sharing, secret: u32) -> Vec<(PeerIndex, Fp)> {
        let mut shares: Vec<Share> = sharing.indices().map(|_| Share::default()).collect();
        sharing.share(Fp::from(secret), &mut crate::testing::rng(7), &mut shares).unwrap();
        sharing.indices().zip(&shares).map(|(peer, share)| (peer, share.reveal())).collect()
    }

    #[test]
    fn one_more_than_needed_finds_a_liar_but_can_not_name_it() {
        let sharing = Sharing::new(3, 1).unwrap();
        let mut partials = shared(sharing, 42);
        let honest = sharing.open(&partials).unwrap();
        assert_eq!((honest.value, honest.verified, honest.corrected.len()), (Fp::from(42), true, 0));
        assert!(!sharing.open(&partials[1..]).unwrap().verified);
        partials[2].1 += Fp::ONE;
        assert_eq!(sharing.open(&partials), Err(OpenError::Inconsistent { have: 3 }));
    }

    #[test]
    fn with_enough_peers_the_liar_is_named_and_the_value_stands() {
        let sharing = Sharing::new(7, 2).unwrap();
        let mut partials = shared(sharing, 42);
        partials.reverse();
        partials[0].1 = Fp::ZERO;
        partials[5].1 += Fp::ONE;
        let opened = sharing.open(&partials).unwrap();
        assert_eq!(opened.value, Fp::from(42));
        assert_eq!(opened.corrected, [PeerIndex::new(2).unwrap(), PeerIndex::new(7).unwrap()]);
    }

    #[test]
    fn two_liars_acting_together_can_not_frame_an_honest_peer() {
        // Peers 4 and 5 add d (x - 1) (x - 2): the points of 1, 2, 4 and 5 then lie on a parabola, and a
        // decoder that corrects one error of five would blame peer 3 and believe the shifted value.
        let sharing = Sharing::new(5, 2).unwrap();
        let mut partials = shared(sharing, 42);
        for (peer, y) in &mut partials[3..] {
            *y += (peer.point() - Fp::ONE) * (peer.point() - Fp::from(2));
        }
        let points: Vec<(Fp, Fp)> = partials.iter().map(|&(peer, y)| (peer.point(), y)).collect();
        assert_eq!(decode(&points, 2).unwrap().errors, [2]);
        assert_eq!(sharing.open(&partials), Err(OpenError::Inconsistent { have: 5 }));
    }

    #[test]
    fn strangers_duplicates_and_too_few_are_refused() {
        let sharing = Sharing::new(5, 2).unwrap();
        let mut partials = shared(sharing, 42);
        assert_eq!(sharing.open(&partials[..2]), Err(OpenError::TooFew { have: 2, need: 3 }));
        assert_eq!(sharing.open(&[]), Err(OpenError::TooFew { have: 0, need: 3 }));
        let stranger = PeerIndex::new(6).unwrap();
        partials[4].0 = stranger;
        assert_eq!(sharing.open(&partials), Err(OpenError::UnknownPeer(stranger)));
        partials[4] = partials[0];
        assert_eq!(sharing.open(&partials), Err(OpenError::DuplicatePeer(partials[0].0)));
    }
}
