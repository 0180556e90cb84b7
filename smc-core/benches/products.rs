//! What one peer computes for a batch of products: local products, shared randomness, and opening what all peers showed.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "Criterion's macros; a bench says no by panicking"
)]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::arithmetic::local::{sessions, share_numbers};
use smc_core::arithmetic::{Batch, Progress, Session, Shares};
use smc_core::field::Fp;
use smc_core::shamir::{PeerIndex, Sharing};

const SHARINGS: [(u8, u8); 4] = [(3, 1), (5, 2), (7, 3), (9, 4)];
const PRODUCTS: usize = 100_000;

/// All peers' sessions, on the same shares and keys each time.
fn squares(sharing: Sharing) -> Vec<Session<Shares>> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let numbers: Vec<Fp> = (0..PRODUCTS as u32).map(Fp::from).collect();
    let mut shares: Vec<_> =
        share_numbers(sharing, &numbers, &mut rng).unwrap().into_iter().map(Some).collect();
    sessions(sharing, &mut rng, |peer, arithmetic| {
        let numbers = shares[peer.offset()].take().unwrap();
        async move { arithmetic.multiply(&numbers, &numbers).await }
    })
}

fn shown(session: &mut Session<Shares>) -> Batch {
    match session.advance() {
        Progress::Open(batch) => batch,
        Progress::Done(_) => panic!("the products are not opened yet"),
    }
}

fn products(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("100000 products");
    group.throughput(Throughput::Elements(PRODUCTS as u64)).sample_size(20);
    for (n, t) in SHARINGS {
        let sharing = Sharing::new(n, t).unwrap();
        let batches: Vec<(PeerIndex, Batch)> =
            sharing.indices().zip(squares(sharing).iter_mut().map(shown)).collect();
        let partials: Vec<_> = batches.iter().map(|(peer, batch)| (*peer, batch.shares.as_slice())).collect();
        group.bench_function(BenchmarkId::from_parameter(format!("n={n} t={t}")), |bencher| {
            let setup = || squares(sharing).swap_remove(0);
            let run = |mut session: Session<Shares>| {
                let batch = shown(&mut session);
                session.answer(Batch::open(batch.single, sharing, &partials).unwrap());
                assert!(matches!(session.advance(), Progress::Done(_)));
            };
            bencher.iter_batched(setup, run, BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, products);
criterion_main!(benches);
