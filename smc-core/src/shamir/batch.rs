//! Opening many values at once, of degree t or of degree 2t.

use serde::{Deserialize, Serialize};

use super::opening::{OpenError, Opened};
use super::{PeerIndex, Sharing};
use crate::field::Fp;
use crate::peers::PeerSet;
use crate::polynomial::lagrange_at;

/// The degree of the polynomials behind a batch of shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Degree {
    /// 2t: products of two sharings, and whatever is added to them.
    Double,
    /// t: what agents deal and what multiplications yield.
    Single,
}

/// Values that were opened together.
#[derive(Debug, PartialEq, Eq)]
pub struct OpenedBatch {
    /// The values.
    pub values: Vec<Fp>,
    /// The peers of whom at least one share was wrong and did not count.
    pub corrected: PeerSet,
}

impl Sharing {
    /// How many shares determine a value of this degree: t + 1 or 2t + 1.
    pub const fn needed(&self, degree: Degree) -> usize {
        match degree {
            Degree::Double => 2 * self.degree() + 1,
            Degree::Single => self.need(),
        }
    }

    /// Opens the values whose shares `partials` are: of each peer as many, in the same order.
    ///
    /// # Errors
    /// As [`Sharing::open`]; and if the lists are not of one length.
    pub fn open_batch(
        &self,
        degree: Degree,
        partials: &[(PeerIndex, &[Fp])],
    ) -> Result<OpenedBatch, OpenError> {
        let (have, need) = (partials.len(), self.needed(degree));
        if have < need {
            return Err(OpenError::TooFew { have, need });
        }
        let len = partials[0].1.len();
        if let Some(&(peer, _)) = partials.iter().find(|(_, shares)| shares.len() != len) {
            return Err(OpenError::OtherLength(peer));
        }
        let xs: Vec<Fp> = partials.iter().map(|(peer, _)| peer.point()).collect();
        // Two of one peer are refused here: they have one point. Interpolate through the first, check the others.
        let (first, rest) = partials.split_at(need);
        let at = |x| lagrange_at(&xs[..need], x).ok_or(OpenError::DuplicatePeer(partials[0].0));
        let at_zero = at(Fp::ZERO)?;
        let checks: Vec<_> = rest
            .iter()
            .zip(&xs[need..])
            .map(|(other, &x)| Ok((at(x)?, other.1)))
            .collect::<Result<_, _>>()?;
        let mut batch = OpenedBatch { values: Vec::with_capacity(len), corrected: PeerSet::EMPTY };
        for i in 0..len {
            let through = |coefficients: &[Fp]| dot(coefficients, first, i);
            if checks.iter().all(|(coefficients, shares)| through(coefficients) == shares[i]) {
                batch.values.push(through(&at_zero));
            } else {
                let points: Vec<_> = partials.iter().map(|&(peer, shares)| (peer, shares[i])).collect();
                let Opened { value, corrected, .. } = self.open_degree(degree, &points)?;
                batch.values.push(value);
                batch.corrected = corrected.into_iter().fold(batch.corrected, PeerSet::with);
            }
        }
        Ok(batch)
    }
}

/// The combination of the i-th shares, reduced once.
fn dot(coefficients: &[Fp], partials: &[(PeerIndex, &[Fp])], i: usize) -> Fp {
    let products = coefficients.iter().zip(partials).map(|(&c, (_, shares))| c.widening_mul(shares[i]));
    // At most nine.
    Fp::reduce_wide(products.sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shamir::Share;

    fn dealt(sharing: Sharing) -> Vec<(PeerIndex, Vec<Fp>)> {
        let mut rng = crate::testing::rng(3);
        let mut lists: Vec<_> = sharing.indices().map(|peer| (peer, Vec::new())).collect();
        for secret in 0..20u32 {
            let mut shares: Vec<Share> = sharing.indices().map(|_| Share::default()).collect();
            sharing.share(Fp::from(secret), &mut rng, &mut shares).unwrap();
            lists.iter_mut().zip(shares).for_each(|((_, list), share)| list.push(share.reveal()));
        }
        lists
    }

    fn slices(lists: &[(PeerIndex, Vec<Fp>)]) -> Vec<(PeerIndex, &[Fp])> {
        lists.iter().map(|(peer, list)| (*peer, list.as_slice())).collect()
    }

    #[test]
    fn a_batch_opens_like_its_values_one_by_one() {
        for (n, t) in [(3, 1), (4, 1), (5, 2), (7, 3), (9, 4)] {
            let sharing = Sharing::new(n, t).unwrap();
            let lists = dealt(sharing);
            let batch = sharing.open_batch(Degree::Single, &slices(&lists)).unwrap();
            assert_eq!(batch.values, (0..20u32).map(Fp::from).collect::<Vec<_>>());
            let squares: Vec<_> =
                lists.iter().map(|(peer, list)| (*peer, list.iter().map(|&x| x * x).collect())).collect();
            let batch = sharing.open_batch(Degree::Double, &slices(&squares)).unwrap();
            assert_eq!(batch.values, (0..20u32).map(|x| Fp::from(x * x)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_wrong_share_is_found_and_corrected_where_it_can_be() {
        for (n, t, single, double) in [(3, 1, false, true), (4, 1, true, true), (7, 2, true, true)] {
            let sharing = Sharing::new(n, t).unwrap();
            let mut lists = dealt(sharing);
            lists[1].1[7] += Fp::ONE;
            let opened = sharing.open_batch(Degree::Single, &slices(&lists));
            assert_eq!(opened.is_ok(), single, "({n}, {t})");
            if let Ok(batch) = opened {
                assert_eq!(batch.values[7], Fp::from(7));
                assert!(batch.corrected.contains(lists[1].0) && batch.corrected.len() == 1);
            }
            // Three of three points fit every parabola: nothing is left to notice it by.
            let opened = sharing.open_batch(Degree::Double, &slices(&lists));
            assert_eq!(opened.is_ok_and(|batch| batch.values[7] != Fp::from(7)), double && n == 3);
        }
    }

    #[test]
    fn lists_that_do_not_match_are_refused() {
        let sharing = Sharing::new(3, 1).unwrap();
        let mut lists = dealt(sharing);
        let open = |lists: &[(PeerIndex, Vec<Fp>)]| sharing.open_batch(Degree::Single, &slices(lists));
        assert_eq!(open(&lists[..1]), Err(OpenError::TooFew { have: 1, need: 2 }));
        lists[2].1.pop();
        assert_eq!(open(&lists), Err(OpenError::OtherLength(lists[2].0)));
        lists.truncate(2);
        lists[1].0 = lists[0].0;
        assert_eq!(open(&lists), Err(OpenError::DuplicatePeer(lists[0].0)));
    }
}
