//! Sealing and opening: one stream of 16 bits, and a hundred streams in one message.
#![allow(missing_docs, clippy::unwrap_used, reason = "Criterion's macros; a bench says no by panicking")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::envelope::{Binding, Envelope, KeyEpoch, Opener, Sealer};
use smc_core::identity::{SealingSecret, SigningKey};
use smc_core::name::{NodeName, SiteName};
use smc_core::time::{Period, WindowIndex};

const SIZES: [usize; 2] = [16 * 8, 100 * 16 * 8];
const EPOCH: KeyEpoch = KeyEpoch(20_780);

struct Nodes {
    site: SiteName,
    agent: NodeName,
    peer: NodeName,
    agent_secret: SealingSecret,
    peer_secret: SealingSecret,
    rng: ChaCha20Rng,
}

impl Nodes {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        Self {
            site: "hq".parse().unwrap(),
            agent: "room-101".parse().unwrap(),
            peer: "tenant".parse().unwrap(),
            agent_secret: SealingSecret::generate(&mut rng),
            peer_secret: SealingSecret::generate(&mut rng),
            rng,
        }
    }

    fn sealer(&mut self) -> Sealer {
        let recipient = self.peer_secret.public();
        Sealer::new(&self.site, &self.agent, &self.peer, &self.agent_secret, recipient, EPOCH, &mut self.rng)
            .unwrap()
    }

    fn opener(&self) -> Opener {
        let mut opener = Opener::new(&self.site, &self.peer);
        opener.add_key(EPOCH, SealingSecret::from_bytes(&self.peer_secret.to_bytes()));
        opener
    }
}

fn sealing(criterion: &mut Criterion) {
    let mut nodes = Nodes::new();
    let definition = [7; 32];
    let period = Period::from_millis(60_000).unwrap();
    let binding = Binding::Input { period, window: WindowIndex(29_743_201), part: 0, definition };
    criterion.bench_function("new channel", |bencher| bencher.iter(|| nodes.sealer()));
    let mut sealer = nodes.sealer();
    for size in SIZES {
        let plaintext = vec![7; size];
        let sealed = sealer.seal(&binding, &plaintext).unwrap();
        let mut opener = nodes.opener();
        let mut group = criterion.benchmark_group("envelope");
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("seal", size), |bencher| {
            bencher.iter(|| sealer.seal(&binding, black_box(&plaintext)).unwrap());
        });
        group.bench_function(BenchmarkId::new("parse", size), |bencher| {
            bencher.iter(|| Envelope::parse(black_box(&sealed), 1 << 20).unwrap());
        });
        group.bench_function(BenchmarkId::new("parse and open", size), |bencher| {
            bencher.iter(|| {
                let envelope = Envelope::parse(black_box(&sealed), 1 << 20).unwrap();
                opener.open(nodes.agent_secret.public(), &envelope, Some(&definition)).unwrap()
            });
        });
        group.bench_function(BenchmarkId::new("parse, derive and open", size), |bencher| {
            bencher.iter(|| {
                let envelope = Envelope::parse(black_box(&sealed), 1 << 20).unwrap();
                opener.forget(nodes.agent_secret.public());
                opener.open(nodes.agent_secret.public(), &envelope, Some(&definition)).unwrap()
            });
        });
        group.finish();
    }
}

fn signing(criterion: &mut Criterion) {
    let key = SigningKey::generate(&mut ChaCha20Rng::seed_from_u64(1));
    let message = [7; 256];
    let signature = key.sign("bench", &message);
    let public = key.verifying_key();
    criterion
        .bench_function("sign 256 bytes", |bencher| bencher.iter(|| key.sign("bench", black_box(&message))));
    criterion.bench_function("verify 256 bytes", |bencher| {
        bencher.iter(|| public.verify("bench", black_box(&message), &signature).unwrap());
    });
}

criterion_group!(benches, sealing, signing);
criterion_main!(benches);
