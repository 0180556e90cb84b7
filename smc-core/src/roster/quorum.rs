//! How many peers must agree (docs/protocol.md, 1).

use super::Tolerate;
use crate::mutation::{Rule, disabled};
use crate::shamir::Sharing;

/// q, how many peers may not know of an agreement, how many contradictions it takes to refute a claim, and how many partial results to verify a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorum {
    q: usize,
    dissenting: usize,
    refuting: usize,
    verifying: usize,
}

impl Quorum {
    /// The quorum of a site.
    pub fn new(sharing: Sharing, tolerate: Tolerate) -> Self {
        let (n, t) = (usize::from(sharing.peers()), usize::from(sharing.threshold().get()));
        let (q, liars) = match tolerate {
            Tolerate::Crash => (n / 2 + 1, 0),
            Tolerate::Malicious => ((n + t + 1).div_ceil(2), t),
        };
        let q = if disabled(Rule::Quorum) { q - 1 } else { q };
        Self { q, dissenting: n - q + liars, refuting: liars + 1, verifying: (t + liars + 1).max(t + 2) }
    }

    /// q: the fewest peers that may agree on a window. Any two sets of q peers share one that follows the protocol.
    pub fn size(self) -> usize {
        self.q
    }

    /// The most peers that may report no vote for a cohort that was agreed: those that took no part, and the liars.
    pub fn dissenting(self) -> usize {
        self.dissenting
    }

    /// How many peers must contradict a claim about a vote before it counts as refuted: one of them at least is
    /// honest then.
    pub fn refuting(self) -> usize {
        self.refuting
    }

    /// How many partial results must fit together before a value counts as verified: one more than determine it
    /// where peers only stop, or so many that t liars together can't move it unnoticed.
    pub fn verifying(self) -> usize {
        self.verifying
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_quorums_share_an_honest_peer() {
        for n in 3..=9u8 {
            for t in 1..=(n - 1) / 2 {
                let sharing = Sharing::new(n, t).unwrap();
                let (n, t) = (usize::from(n), usize::from(t));
                let crash = Quorum::new(sharing, Tolerate::Crash).size();
                let malicious = Quorum::new(sharing, Tolerate::Malicious).size();
                assert!(2 * crash > n && crash <= n);
                assert!(2 * malicious > n + t && malicious <= n, "n={n} t={t} q={malicious}");
            }
        }
    }

    #[test]
    fn verified_means_that_the_expected_liars_would_have_been_found() {
        let verifying = |n, t, tolerate| Quorum::new(Sharing::new(n, t).unwrap(), tolerate).verifying();
        assert_eq!((verifying(3, 1, Tolerate::Crash), verifying(3, 1, Tolerate::Malicious)), (3, 3));
        assert_eq!((verifying(5, 2, Tolerate::Crash), verifying(5, 2, Tolerate::Malicious)), (4, 5));
        assert_eq!((verifying(9, 4, Tolerate::Crash), verifying(9, 4, Tolerate::Malicious)), (6, 9));
    }

    #[test]
    fn the_quorums_of_the_protocol_page() {
        let q = |n, t, tolerate| Quorum::new(Sharing::new(n, t).unwrap(), tolerate).size();
        assert_eq!((q(3, 1, Tolerate::Crash), q(3, 1, Tolerate::Malicious)), (2, 3));
        assert_eq!((q(4, 1, Tolerate::Crash), q(4, 1, Tolerate::Malicious)), (3, 3));
        assert_eq!((q(5, 2, Tolerate::Crash), q(5, 2, Tolerate::Malicious)), (3, 4));
        assert_eq!((q(7, 3, Tolerate::Crash), q(7, 3, Tolerate::Malicious)), (4, 6));
    }
}
