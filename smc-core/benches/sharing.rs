//! Sharing a 16-bit reading at an agent, and what a peer does with its shares.
#![allow(missing_docs, clippy::unwrap_used, reason = "Criterion's macros; a bench says no by panicking")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::field::Fp;
use smc_core::quantity::Quantity;
use smc_core::shamir::{PeerIndex, Share, Sharing, parse_bits, recompose};
use smc_core::time::Period;

const SHARINGS: [(u8, u8); 4] = [(3, 1), (5, 2), (7, 3), (9, 4)];

fn agent(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("share 16 bits");
    for (n, t) in SHARINGS {
        let sharing = Sharing::new(n, t).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut outputs = vec![Vec::with_capacity(16 * 8); usize::from(n)];
        group.bench_function(BenchmarkId::from_parameter(format!("n={n} t={t}")), |bencher| {
            bencher.iter(|| {
                outputs.iter_mut().for_each(Vec::clear);
                sharing.share_bits(black_box(40_600), 16, &mut rng, &mut outputs).unwrap();
            });
        });
    }
    group.finish();
    let temperature = Quantity::known("temperature", Period::from_millis(1_000).unwrap()).unwrap();
    criterion.bench_function("encode a reading", |bencher| {
        bencher.iter(|| temperature.encode(black_box(21.37)).unwrap());
    });
}

fn peer(criterion: &mut Criterion) {
    let mut outputs = vec![Vec::new(); 3];
    let sharing = Sharing::new(3, 1).unwrap();
    sharing.share_bits(40_600, 16, &mut ChaCha20Rng::seed_from_u64(1), &mut outputs).unwrap();
    let mut sum = Share::default();
    criterion.bench_function("parse, recompose and add 16 bits", |bencher| {
        bencher.iter(|| sum += &recompose(&parse_bits(black_box(&outputs[0]), 16).unwrap()));
    });
    let mut group = criterion.benchmark_group("open");
    for (n, t) in SHARINGS {
        let sharing = Sharing::new(n, t).unwrap();
        let partials: Vec<(PeerIndex, Fp)> =
            sharing.indices().map(|peer| (peer, Fp::from(812) + peer.point())).collect();
        group.bench_function(BenchmarkId::from_parameter(format!("n={n} t={t}")), |bencher| {
            bencher.iter(|| sharing.open(black_box(&partials)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, agent, peer);
criterion_main!(benches);
