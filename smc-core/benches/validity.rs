//! What it costs one peer to check inputs: all shared bits of a window weighed with the coefficients of one coin, beside
//! what any sum costs it, recomposing the readings from the same bits.
#![allow(missing_docs, clippy::unwrap_used, reason = "Criterion's macros; a bench says no by panicking")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::field::Fp;
use smc_core::protocol::validity::{Challenge, Evidence};
use smc_core::shamir::{Share, Sharing, parse_bits, recompose};

const BITS: u32 = 16;
const AGENTS: [u64; 2] = [100, 1_000];

/// One peer's shares of so many readings.
fn inputs(agents: u64) -> Vec<Box<[Share]>> {
    let sharing = Sharing::new(3, 1).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let input = |reading: u64| {
        let mut outputs = vec![Vec::new(); 3];
        sharing.share_bits(reading, BITS, &mut rng, &mut outputs).unwrap();
        parse_bits(&outputs[0], BITS).unwrap().into()
    };
    (0..agents).map(input).collect()
}

fn validity(criterion: &mut Criterion) {
    let coin = [Fp::from(812), Fp::from(4_711)];
    let mut group = criterion.benchmark_group("one peer, 16-bit readings");
    for agents in AGENTS {
        let inputs = inputs(agents);
        group.throughput(Throughput::Elements(agents));
        group.bench_function(BenchmarkId::new("check", agents), |bencher| {
            bencher.iter(|| {
                let mut challenge = Challenge::new(black_box(&coin));
                let weighed = inputs.iter().map(|bits| challenge.weigh(bits));
                weighed.fold(Evidence::default(), Evidence::plus)
            });
        });
        group.bench_function(BenchmarkId::new("sum", agents), |bencher| {
            bencher.iter(|| {
                let mut sum = Share::default();
                black_box(&inputs).iter().for_each(|bits| sum += &recompose(bits));
                sum
            });
        });
    }
    group.finish();
}

criterion_group!(benches, validity);
criterion_main!(benches);
