//! Arithmetic in F_p.
#![allow(missing_docs, clippy::unwrap_used, reason = "Criterion's macros; a bench says no by panicking")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::field::Fp;
use smc_core::polynomial::decode;

fn field(criterion: &mut Criterion) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (a, b) = (Fp::random(&mut rng), Fp::random(&mut rng));
    let mut group = criterion.benchmark_group("field");
    group.bench_function("add", |bencher| bencher.iter(|| black_box(a) + black_box(b)));
    group.bench_function("multiply", |bencher| bencher.iter(|| black_box(a) * black_box(b)));
    group.bench_function("inverse", |bencher| bencher.iter(|| black_box(a).inverse()));
    group.bench_function("random", |bencher| bencher.iter(|| Fp::random(&mut rng)));
    group.finish();
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    let honest: Vec<(Fp, Fp)> = (1..=9).map(|x| (Fp::from(x), Fp::from(7 * x + 5))).collect();
    let mut lying = honest.clone();
    lying[3].1 += Fp::ONE;
    lying[8].1 += Fp::ONE;
    for (name, points) in [("9 points", &honest), ("9 points, 2 wrong", &lying)] {
        group.bench_function(name, |bencher| bencher.iter(|| decode(black_box(points), 3).unwrap()));
    }
    group.finish();
}

criterion_group!(benches, field, decoding);
criterion_main!(benches);
