//! Sharing and opening, for every number of peers and threshold.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::field::Fp;
use smc_core::shamir::{OpenError, PeerIndex, Share, Sharing, parse_bits, recompose};

use crate::field::element;

fn all_sharings() -> Vec<Sharing> {
    (3..=9).flat_map(|n| (1..=(n - 1) / 2).map(move |t| Sharing::new(n, t).unwrap())).collect()
}

fn any_sharing() -> impl Strategy<Value = Sharing> {
    prop::sample::select(all_sharings())
}

fn partials(sharing: Sharing, secret: Fp, seed: u64) -> Vec<(PeerIndex, Fp)> {
    let mut shares: Vec<Share> = sharing.indices().map(|_| Share::default()).collect();
    sharing.share(secret, &mut ChaCha20Rng::seed_from_u64(seed), &mut shares).unwrap();
    sharing.indices().zip(&shares).map(|(peer, share)| (peer, share.reveal())).collect()
}

/// A sharing, a permutation of its peers, how many of them take part and how many of these lie.
fn opening() -> impl Strategy<Value = (Sharing, Vec<PeerIndex>, usize, usize)> {
    any_sharing().prop_flat_map(|sharing| {
        let need = sharing.need();
        let peers: Vec<PeerIndex> = sharing.indices().collect();
        (Just(sharing), Just(peers.clone()).prop_shuffle(), need..=peers.len())
            .prop_flat_map(move |(s, order, m)| (Just(s), Just(order), Just(m), 0..=m - need))
    })
}

#[test]
fn any_t_plus_one_shares_open_to_the_secret() {
    let secret = Fp::from(812);
    for sharing in all_sharings() {
        let all = partials(sharing, secret, 1);
        for subset in 0..1_u32 << sharing.peers() {
            let chosen: Vec<_> =
                all.iter().copied().filter(|(peer, _)| subset >> peer.offset() & 1 == 1).collect();
            let (have, need) = (chosen.len(), sharing.need());
            match sharing.open(&chosen) {
                Ok(opened) => {
                    assert_eq!((opened.value, opened.verified), (secret, have > need));
                    assert!(opened.corrected.is_empty() && have >= need);
                }
                Err(error) => assert_eq!(error, OpenError::TooFew { have, need }),
            }
        }
    }
}

#[test]
fn t_shares_tell_nothing() {
    // For t shares and any other secret there is a polynomial of degree t through both: no secret is excluded.
    for sharing in all_sharings() {
        let t = usize::from(sharing.threshold().get());
        let mut points: Vec<(Fp, Fp)> =
            partials(sharing, Fp::from(812), 2)[..t].iter().map(|&(peer, y)| (peer.point(), y)).collect();
        points.push((Fp::ZERO, Fp::from(4)));
        let f = smc_core::polynomial::interpolate(&points).unwrap();
        assert!(f.degree() <= Some(t));
    }
}

proptest! {
    #[test]
    fn liars_are_found_and_corrected_up_to_the_bounds(
        (sharing, order, m, liars) in opening(),
        secret in element(),
        seed: u64,
    ) {
        let all = partials(sharing, secret, seed);
        let mut given: Vec<(PeerIndex, Fp)> = order[..m].iter().map(|peer| all[peer.offset()]).collect();
        let mut named: Vec<PeerIndex> = Vec::new();
        // Each by itself: more than t that shift alike could have another value taken for true.
        let mut rng = ChaCha20Rng::seed_from_u64(!seed);
        for partial in given.iter_mut().take(liars) {
            partial.1 += Fp::random(&mut rng);
            named.push(partial.0);
        }
        named.sort();
        match sharing.open(&given) {
            Ok(opened) => {
                prop_assert!(liars <= sharing.correctable(m));
                prop_assert_eq!((opened.value, opened.corrected), (secret, named));
                prop_assert_eq!(opened.verified, m > sharing.need());
            }
            Err(error) => {
                prop_assert!(liars > sharing.correctable(m));
                prop_assert_eq!(error, OpenError::Inconsistent { have: m });
            }
        }
    }

    #[test]
    fn up_to_t_liars_acting_together_change_neither_value_nor_blame(
        (sharing, order, m, _) in opening(),
        secret in element(),
        roots in prop::collection::vec(any::<prop::sample::Index>(), 4),
        scale in element(),
        seed: u64,
    ) {
        // They add a polynomial of degree t that vanishes at as many honest peers as it has roots.
        let t = usize::from(sharing.threshold().get());
        prop_assume!(m >= sharing.need() + t && scale != Fp::ZERO);
        let all = partials(sharing, secret, seed);
        let mut given: Vec<(PeerIndex, Fp)> = order[..m].iter().map(|peer| all[peer.offset()]).collect();
        let honest: Vec<Fp> = given[t..].iter().map(|(peer, _)| peer.point()).collect();
        for (peer, y) in &mut given[..t] {
            *y += roots[..t].iter().fold(scale, |d, root| d * (peer.point() - *root.get(&honest)));
        }
        match sharing.open(&given) {
            Ok(opened) => {
                prop_assert_eq!(opened.value, secret);
                prop_assert!(opened.corrected.iter().all(|peer| order[..t].contains(peer)));
            }
            Err(error) => prop_assert_eq!(error, OpenError::Inconsistent { have: m }),
        }
    }

    #[test]
    fn readings_add_up(
        sharing in any_sharing(),
        readings in prop::collection::vec((any::<u32>(), 1..=32_u32), 1..20),
        seed: u64,
    ) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut sums: Vec<Share> = sharing.indices().map(|_| Share::default()).collect();
        let mut expected = 0;
        for (value, bits) in readings {
            let value = u64::from(value) & ((1 << bits) - 1);
            expected += value;
            let mut outputs = vec![Vec::new(); usize::from(sharing.peers())];
            sharing.share_bits(value, bits, &mut rng, &mut outputs).unwrap();
            for (sum, bytes) in sums.iter_mut().zip(&outputs) {
                *sum += &recompose(&parse_bits(bytes, bits).unwrap());
            }
        }
        let partials: Vec<_> = sharing.indices().zip(&sums).map(|(peer, sum)| (peer, sum.reveal())).collect();
        prop_assert_eq!(sharing.open(&partials).unwrap().value.to_u64(), expected);
    }

    #[test]
    fn garbage_is_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), bits in 0..40_u32) {
        let canonical = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().unwrap()) < Fp::P;
        let valid = (1..=32).contains(&bits)
            && bytes.len() == bits as usize * 8
            && bytes.chunks(8).all(canonical);
        prop_assert_eq!(parse_bits(&bytes, bits).is_ok(), valid);
    }
}
