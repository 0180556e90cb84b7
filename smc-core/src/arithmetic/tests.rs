use proptest::prelude::*;

use super::compare::{Masks, at_least, bits_above_each};
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
    fn counts_above_constants_are_exact(
        sharing in sharings(),
        bits in 1u32..=14,
        numbers in prop::collection::vec(any::<u64>(), 1..12),
        constants in prop::collection::vec((any::<u64>(), any::<prop::sample::Index>(), any::<bool>()), 1..12),
    ) {
        let cut = |x: u64| x & ((1 << bits) - 1);
        let numbers: Vec<u64> = numbers.into_iter().map(cut).collect();
        // Equal ones, too.
        let constant = |(x, i, equal): (u64, prop::sample::Index, bool)| if equal { *i.get(&numbers) } else { cut(x) };
        let constants: Vec<u64> = constants.into_iter().map(constant).collect();
        let public = constants.clone();
        let (counts, cost) = compute(sharing, &numbers, bits, move |arithmetic, bits| {
            let public = public.clone();
            async move {
                let counts = count_above_each(&arithmetic, &bits, &public).await;
                arithmetic.open_products(counts).await
            }
        });
        let above = |c: &u64| Fp::reduce(numbers.iter().filter(|&x| x > c).count() as u64);
        prop_assert_eq!(counts, constants.iter().map(above).collect::<Vec<_>>());
        let products = products_above_each(bits, &constants) * numbers.len() as u64;
        prop_assert_eq!(cost.products, products + constants.len() as u64);
        prop_assert!(cost.rounds <= bits.next_power_of_two().ilog2().max(2));
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
        ranks in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let number = |x: &u64| if all_equal { seed[0] } else { *x } % (1 << bits);
        let numbers: Vec<u64> = seed.iter().map(number).collect();
        let ranks: Vec<u64> = ranks.iter().map(|rank| rank.index(numbers.len()) as u64 + 1).collect();
        let targets: Vec<Target> =
            ranks.iter().map(|&rank| Target::ascending(rank, numbers.len() as u64)).collect();
        let sides = targets.clone();
        let (found, _) = compute(sharing, &numbers, bits, move |arithmetic, bits| {
            let targets = targets.clone();
            async move {
                let found = Descent::find(&arithmetic, &bits, &targets).await.unwrap();
                join_all(found.into_iter().map(async |found| {
                    let flags = join(arithmetic.open(found.equal), arithmetic.open(found.beyond)).await;
                    (found.value, flags.0, flags.1)
                }))
                .await
            }
        });
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        for (((value, equal, beyond), rank), side) in found.into_iter().zip(ranks).zip(sides) {
            prop_assert_eq!(value, sorted[rank as usize - 1]);
            prop_assert_eq!(bits_of(&equal), numbers.iter().map(|&x| x == value).collect::<Vec<_>>());
            let is_beyond = |&x: &u64| if matches!(side, Target::FromAbove(_)) { x > value } else { x < value };
            prop_assert_eq!(bits_of(&beyond), numbers.iter().map(is_beyond).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_hidden_descent_finds_every_rank(
        sharing in sharings(),
        bits in 1u32..=9,
        seed in prop::collection::vec(any::<u64>(), 1..24),
        all_equal in any::<bool>(),
        rank in any::<prop::sample::Index>(),
    ) {
        let number = |x: &u64| if all_equal { seed[0] } else { *x } % (1 << bits);
        let numbers: Vec<u64> = seed.iter().map(number).collect();
        let rank = rank.index(numbers.len());
        let target = Target::ascending(rank as u64 + 1, numbers.len() as u64);
        let ((value, equal), _) = compute(sharing, &numbers, bits, move |arithmetic, bits| async move {
            let found = HiddenDescent::find(&arithmetic, &bits, &[target]).await.unwrap().remove(0);
            join(arithmetic.open(found.value), arithmetic.open_products(found.equal)).await
        });
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        prop_assert_eq!(value, [Fp::reduce(sorted[rank])]);
        prop_assert_eq!(bits_of(&equal), numbers.iter().map(|&x| x == sorted[rank]).collect::<Vec<_>>());
    }

    #[test]
    fn numbers_are_looked_up(
        sharing in sharings(),
        width in 1u32..=7,
        seed in prop::collection::vec(any::<u64>(), 1..6),
    ) {
        let numbers: Vec<u64> = seed.iter().map(|x| x % (1 << width)).collect();
        let lanes = numbers.len();
        let (found, cost) = compute(sharing, &numbers, width, move |arithmetic, bits| async move {
            let double_and_add = |sum: Shares, bit: &Shares| sum.times_public(Fp::from(2)).plus(bit);
            let numbers = bits.iter().rev().fold(Shares::zeros(lanes), double_and_add).as_products();
            let lookup = Lookup::new(&arithmetic, lanes, width).await.unwrap();
            let squares: Vec<Fp> = (0..1 << width).map(|x| Fp::reduce(x * x)).collect();
            let found = lookup.of(&arithmetic, &numbers, &squares).await.unwrap();
            arithmetic.open_products(found).await
        });
        prop_assert_eq!(found, numbers.iter().map(|x| Fp::reduce(x * x)).collect::<Vec<_>>());
        prop_assert_eq!(cost.rounds, 1 + width.div_ceil(2).next_power_of_two().ilog2() + 2);
        prop_assert_eq!(cost.products, lanes as u64 * (Lookup::products(width) + 1));
    }

    #[test]
    fn numbers_reach_thresholds_whichever_way(
        sharing in sharings(),
        (numbers, threshold) in (1u64..=70_000).prop_flat_map(|top| {
            let number = prop_oneof![0..=top, Just(0), Just(top)];
            (prop::collection::vec(number, 1..4), 0..=top + 1)
        }),
        near in any::<bool>(),
    ) {
        let largest = *numbers.iter().max().unwrap();
        let threshold = if near { numbers[0] } else { threshold };
        let (reached, cost) = compute(sharing, &numbers, 17, move |arithmetic, bits| async move {
            let lanes = bits[0].len();
            let double_and_add = |sum: Shares, bit: &Shares| sum.times_public(Fp::from(2)).plus(bit);
            let numbers = bits.iter().rev().fold(Shares::zeros(lanes), double_and_add).as_products();
            let reach = Reach::new(&arithmetic, largest, lanes).await.unwrap();
            let reached = reach.reached(&arithmetic, &numbers, threshold).await.unwrap();
            arithmetic.open_products(reached).await
        });
        prop_assert_eq!(bits_of(&reached), numbers.iter().map(|&x| x >= threshold).collect::<Vec<_>>());
        prop_assert!(cost.products <= numbers.len() as u64 * (Reach::products(largest) + 1));
    }
}
