//! Computing on shares (docs/protocol.md, 5), without I/O.
//!
//! A function is an `async` block that reads like the paper's steps. All that it can wait for is an **opening**: the
//! peers show each other their shares of masked values. What all its branches open at the same time goes out together,
//! as one round; [`join`] and [`join_all`] run branches side by side and so merge their rounds. A [`Session`] runs one
//! function at one peer, and hands over what is to be exchanged; in [`local`] all peers sit in one process.

mod bits;
mod compare;
mod descent;
mod join;
mod lanes;
pub mod local;
mod multiply;
mod opening;
mod reach;
mod session;
mod thermometer;
mod zero;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

pub(crate) use self::compare::{bits_above, bits_above_each, less_than};
pub(crate) use self::descent::{Descent, Rank};
pub(crate) use self::join::{join, join_all};
pub use self::lanes::{Lanes, Products, Shares};
pub(crate) use self::opening::Opening;
pub use self::session::{Batch, Opened, Progress, Session};
use crate::field::Fp;
use crate::prss::Randomness;
use crate::shamir::Sharing;

/// What a computation has cost one peer so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// How often the peers exchanged something.
    pub rounds: u32,
    /// How many shares this peer gave away, to each other peer.
    pub shares: u64,
    /// How many of these were of products: of degree 2t, masked.
    pub products: u64,
}

/// Why a function came to no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A random number was zero, which happens once in 2^61 times.
    #[error("a random number was zero; the next window will do")]
    Unlucky,
}

/// A peer's handle to the computation that it takes part in.
#[derive(Clone)]
pub struct Arithmetic {
    sharing: Sharing,
    desk: Arc<Mutex<Desk>>,
}

/// What lies on the table between two rounds.
struct Desk {
    randomness: Randomness,
    /// The number of the round that is being prepared.
    round: u32,
    /// Placed for this round: shares of degree t, and of degree 2t, the latter masked.
    single: Zeroizing<Vec<Fp>>,
    double: Zeroizing<Vec<Fp>>,
    /// What the round before opened, in the order in which it was placed.
    opened: Opened,
    cost: Cost,
}

impl Arithmetic {
    fn new(sharing: Sharing, randomness: Randomness) -> Self {
        let desk = Desk {
            randomness,
            round: 0,
            single: Zeroizing::default(),
            double: Zeroizing::default(),
            opened: Opened::default(),
            cost: Cost::default(),
        };
        Self { sharing, desk: Arc::new(Mutex::new(desk)) }
    }

    /// Opens values shared with degree t.
    pub(crate) fn open(&self, shares: Shares) -> Opening {
        Opening::single(self.clone(), shares)
    }

    /// Opens products and sums of products, after adding to each a sharing of zero that hides its factors.
    pub(crate) fn open_products(&self, products: Products) -> Opening {
        Opening::double(self.clone(), products)
    }

    /// Hides the factors of products from whoever gets to see all peers' shares.
    pub(crate) fn mask(&self, mut products: Products) -> Products {
        self.desk().randomness.add_zeros(products.as_mut_slice());
        products
    }

    /// Shares of `count` random numbers that nobody knows.
    pub(crate) fn random(&self, count: usize) -> Shares {
        let mut shares = Shares::zeros(count);
        self.desk().randomness.add_random(shares.as_mut_slice());
        shares
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // One thread runs a session; a panic in it would have ended the process.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Arithmetic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arithmetic {{ {:?}, <redacted> }}", self.sharing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::compare::{Masks, at_least};
    use super::local::{Outcome, run, share_bits};
    use super::*;
    use crate::shamir::PeerIndex;
    use crate::testing::rng;

    /// All (n, t) up to seven peers.
    fn sharings() -> impl Strategy<Value = Sharing> {
        let all: Vec<_> =
            (3..=7).flat_map(|n| (1..=(n - 1) / 2).filter_map(move |t| Sharing::new(n, t).ok())).collect();
        prop::sample::select(all)
    }

    /// Runs `function` on shares of `numbers` and checks that all peers come to the same.
    fn compute<T, F>(
        sharing: Sharing,
        numbers: &[u64],
        bits: u32,
        function: impl Fn(Arithmetic, Vec<Shares>) -> F,
    ) -> (T, Cost)
    where
        T: PartialEq + std::fmt::Debug,
        F: Future<Output = T> + Send + 'static,
    {
        let mut columns: Vec<Option<_>> =
            share_bits(sharing, numbers, bits, &mut rng(5)).unwrap().into_iter().map(Some).collect();
        let Outcome { mut outputs, cost, .. } = run(sharing, &mut rng(6), |peer: PeerIndex, arithmetic| {
            function(arithmetic, columns[peer.offset()].take().unwrap())
        })
        .unwrap();
        let first = outputs.remove(0);
        assert!(outputs.iter().all(|other| *other == first));
        (first, cost)
    }

    fn bits_of(values: &[Fp]) -> Vec<bool> {
        assert!(values.iter().all(|&bit| bit == Fp::ONE || bit == Fp::ZERO));
        values.iter().map(|&bit| bit == Fp::ONE).collect()
    }

    #[test]
    fn random_bits_are_bits_and_of_both_kinds() {
        let sharing = Sharing::new(5, 2).unwrap();
        let (bits, cost) = compute(sharing, &[], 1, async |arithmetic, _| {
            let bits = arithmetic.random_bits(1000).await.unwrap();
            arithmetic.open(bits).await
        });
        let ones = bits_of(&bits).into_iter().filter(|&bit| bit).count();
        assert!((400..600).contains(&ones), "{ones}");
        assert_eq!(cost, Cost { rounds: 2, shares: 2000, products: 1000 });
    }

    #[test]
    fn one_round_multiplies_any_number() {
        let sharing = Sharing::new(3, 1).unwrap();
        let (products, cost) = compute(sharing, &[3; 50], 2, async |arithmetic, bits| {
            let value = bits[1].duplicate().times_public(Fp::from(2)).plus(&bits[0]);
            let squares = arithmetic.multiply(&value, &value).await;
            arithmetic.open(squares).await
        });
        assert_eq!(products, vec![Fp::from(9); 50]);
        assert_eq!(cost, Cost { rounds: 2, shares: 100, products: 50 });
    }

    #[test]
    fn branches_share_their_rounds() {
        let sharing = Sharing::new(3, 1).unwrap();
        let (_, cost) = compute(sharing, &[], 1, async |arithmetic, _| {
            let long = async {
                arithmetic.random_bits(2).await.unwrap();
                arithmetic.random_bits(2).await.unwrap();
            };
            join(long, join_all((0..40).map(|_| arithmetic.random_bits(1)))).await;
        });
        assert_eq!(cost.rounds, 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn shared_bits_compare_with_constants(
            sharing in sharings(),
            bits in 1u32..=20,
            seed in prop::collection::vec((any::<u32>(), any::<u32>()), 1..12),
        ) {
            let cut = |x: u32| u64::from(x) & ((1 << bits) - 1);
            let numbers: Vec<u64> = seed.iter().map(|&(x, _)| cut(x)).collect();
            // Equal ones, too.
            let constants: Vec<u64> = seed.iter().map(|&(x, y)| if y % 3 == 0 { cut(x) } else { cut(y) }).collect();
            let public = constants.clone();
            let (above, cost) = compute(sharing, &numbers, bits, move |arithmetic, bits| {
                let public = public.clone();
                async move {
                    let bits: Vec<&Shares> = bits.iter().collect();
                    let above = bits_above_each(&arithmetic, &bits, &public).await;
                    arithmetic.open_products(above).await
                }
            });
            let expected: Vec<bool> = numbers.iter().zip(&constants).map(|(x, c)| x > c).collect();
            prop_assert_eq!(bits_of(&above), expected);
            prop_assert_eq!(cost.rounds, bits.next_power_of_two().ilog2().max(1));
        }

        #[test]
        fn shared_bits_compare_with_shared_bits(
            sharing in sharings(),
            numbers in prop::collection::vec(0u64..64, 2..20),
        ) {
            let count = numbers.len() / 2;
            let (above, _) = compute(sharing, &numbers[..2 * count], 6, move |arithmetic, bits| async move {
                let half = |i: usize| bits.iter().map(|bit| bit.chunks(count).swap_remove(i)).collect::<Vec<_>>();
                let above = less_than(&arithmetic, &half(0), &half(1)).await;
                arithmetic.open_products(above).await
            });
            let expected: Vec<bool> = (0..count).map(|i| numbers[count + i] > numbers[i]).collect();
            prop_assert_eq!(bits_of(&above), expected);
        }

        #[test]
        fn sums_compare_with_thresholds(
            sharing in sharings(),
            width in 1u32..=40,
            seed in prop::collection::vec((any::<u64>(), any::<u64>()), 1..6),
        ) {
            let top = 1u64 << width;
            let numbers: Vec<u64> = seed.iter().map(|(x, _)| x % top).collect();
            let thresholds: Vec<u64> =
                seed.iter().map(|(x, y)| if y % 3 == 0 { x % top } else { y % (top + 1) }).collect();
            let public = thresholds.clone();
            let (reached, _) = compute(sharing, &numbers, width, move |arithmetic, bits| {
                let public = public.clone();
                async move {
                    let sum = |sum: Shares, bit: &Shares| sum.times_public(Fp::from(2)).plus(bit);
                    let numbers = bits.iter().rev().fold(Shares::zeros(public.len()), sum).as_products();
                    let masks = Masks::new(&arithmetic, public.len()).await.unwrap();
                    let reached = at_least(&arithmetic, &numbers, &public, width, masks).await.unwrap();
                    arithmetic.open_products(reached).await
                }
            });
            let expected: Vec<bool> = numbers.iter().zip(&thresholds).map(|(x, t)| x >= t).collect();
            prop_assert_eq!(bits_of(&reached), expected);
        }

        #[test]
        fn thermometers_mark_every_value(sharing in sharings(), width in 1u32..=5, seed in any::<u64>()) {
            let numbers: Vec<u64> = (0..8).map(|i| (seed >> (8 * i)) % (1 << width)).collect();
            let (marks, cost) = compute(sharing, &numbers, width, async |arithmetic, bits| {
                let marks = thermometer::thermometer(&arithmetic, &bits).await;
                arithmetic.open(Shares::concat(&marks)).await
            });
            let marked = |v: usize| numbers.iter().map(move |&x| x as usize >= v);
            let expected: Vec<bool> = (1..1 << width).flat_map(marked).collect();
            prop_assert_eq!(bits_of(&marks), expected);
            prop_assert_eq!(cost.rounds, 1 + width.next_power_of_two().ilog2());
        }

        #[test]
        fn a_descent_finds_every_rank(
            sharing in sharings(),
            bits in 1u32..=9,
            seed in prop::collection::vec(any::<u64>(), 1..24),
            all_equal in any::<bool>(),
            rank in any::<prop::sample::Index>(),
        ) {
            let number = |x: &u64| if all_equal { seed[0] } else { *x } % (1 << bits);
            let numbers: Vec<u64> = seed.iter().map(number).collect();
            let rank = rank.index(numbers.len());
            let ((value, equal, above), _) = compute(sharing, &numbers, bits, move |arithmetic, bits| async move {
                let found = Descent::find(&arithmetic, &bits, Rank(rank as u64 + 1)).await.unwrap();
                let flags = join(arithmetic.open(found.equal), arithmetic.open(found.above)).await;
                (found.value, flags.0, flags.1)
            });
            let mut sorted = numbers.clone();
            sorted.sort_by_key(|&x| std::cmp::Reverse(x));
            prop_assert_eq!(value, sorted[rank]);
            prop_assert_eq!(bits_of(&equal), numbers.iter().map(|&x| x == value).collect::<Vec<_>>());
            prop_assert_eq!(bits_of(&above), numbers.iter().map(|&x| x > value).collect::<Vec<_>>());
        }
    }
}
