//! What one window costs one peer of three, beyond opening the envelopes: 10,000 agents with one stream each, and
//! 100 agents with 100 streams each.
#![allow(clippy::unwrap_used, reason = "a bench says no by panicking")]
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::identity::NodeKeys;
use smc_core::message::{Partial, PeerMessage, Purpose};
use smc_core::peer::{Event, Message, Peer};
use smc_core::protocol::input::{Input, Steps, deal};
use smc_core::protocol::terms::Terms;
use smc_core::roster::document::{AgentTable, PeerTable, QueryTable, SiteTable, StreamTable};
use smc_core::roster::{BundleIndex, Roster, SiteDocument, Span, Tolerate};
use smc_core::shamir::PeerIndex;
use smc_core::time::{Period, Timestamp, WindowIndex};
use zeroize::Zeroizing;

const PERIOD: Duration = Duration::from_secs(1);

/// Three peers; the first one is measured.
struct Site {
    roster: Arc<Roster>,
    peers: Vec<Peer>,
    /// By agent and peer; the same readings are shared in every window.
    plaintexts: Vec<Vec<Vec<u8>>>,
    window: WindowIndex,
}

/// How long the first peer took for each part of a window.
#[derive(Default)]
struct Spent {
    keep: Duration,
    close: Duration,
    agree: Duration,
    check: Duration,
    open: Duration,
}

/// One of them, or their sum.
type Part = fn(&Spent) -> Duration;

fn document(agents: usize, streams: usize, rng: &mut ChaCha20Rng) -> (SiteDocument, Vec<NodeKeys>) {
    let keys: Vec<_> = (0..3).map(|_| NodeKeys::generate(rng)).collect();
    let peer = |(i, keys): (usize, &NodeKeys)| PeerTable {
        name: format!("peer-{i}").parse().unwrap(),
        identity: keys.signing.verifying_key(),
        sealing: *keys.sealing.public(),
    };
    let stream =
        |i| StreamTable::Named { name: format!("s{i}").parse().unwrap(), quantity: "co2".parse().unwrap() };
    let agent = NodeKeys::generate(rng);
    let agent = |i: usize| AgentTable {
        name: format!("room-{i}").parse().unwrap(),
        identity: agent.signing.verifying_key(),
        sealing: *agent.sealing.public(),
        labels: [("floor".to_owned(), (i % 10).to_string())].into(),
        streams: (0..streams).map(stream).collect(),
    };
    let query = |(name, floor): (&str, Option<&str>)| QueryTable {
        scope: floor.map(|floor| ("floor".to_owned(), floor.to_owned())).into_iter().collect(),
        ..QueryTable::new(name.parse().unwrap(), "mean", "co2".parse().unwrap())
    };
    let site = SiteTable {
        name: "bench".parse().unwrap(),
        threshold: 1,
        consent: smc_core::roster::Consent::default(),
        tolerate: Tolerate::Crash,
        minimum_cohort: 5,
        period: Span::new(PERIOD),
        grace: Span::new(PERIOD / 10),
        step: Span::new(PERIOD / 5),
        cohort_epoch: Span::from_secs(3600),
        key_epoch: Span::from_secs(86_400),
    };
    let document = SiteDocument {
        site,
        peer: keys.iter().enumerate().map(peer).collect(),
        agent: (0..agents).map(agent).collect(),
        client: vec![],
        quantity: vec![],
        query: [("all", None), ("floor-3", Some("3"))].map(query).into(),
    };
    (document, keys)
}

impl Site {
    fn new(agents: usize, streams: usize) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (document, keys) = document(agents, streams, &mut rng);
        let roster = Arc::new(Roster::try_from(document).unwrap());
        let now = Timestamp::from_secs(1_767_268_800);
        let peers = roster.sharing().indices().zip(keys).map(|(me, keys)| {
            let root = Zeroizing::new([me.get(); 32]);
            let mut peer = Peer::new(me, keys.signing, Arc::clone(&roster), None, root, now);
            for other in roster.sharing().indices() {
                peer.handle_presence(now, other, true);
                peer.handle_reachable(now, other);
            }
            peer
        });
        let peers = peers.collect();
        let readings: Vec<_> = (0..streams).map(|i| Some(Steps::One(400 + i as u32))).collect();
        let dealt = |bundle| {
            let dealt = deal(bundle, Terms::default(), &readings, roster.sharing(), &mut rng).unwrap();
            dealt.into_iter().map(|plaintext| plaintext.to_vec()).collect()
        };
        let plaintexts = roster.bundles().iter().map(dealt).collect();
        let window = WindowIndex(now.as_micros() / PERIOD.as_micros() as u64 + 1);
        Self { roster, peers, plaintexts, window }
    }

    /// One window from the first input to the signed results.
    fn run(&mut self) -> Spent {
        let mut spent = Spent::default();
        let period = Period::from_millis(PERIOD.as_millis() as u64).unwrap();
        let (window, now) = (self.window, period.start(self.window) + PERIOD / 2);
        self.window = window.next();
        for at in 0..self.peers.len() {
            let inputs: Vec<_> = (0..).map(BundleIndex).zip(&self.plaintexts).collect();
            let read = |(bundle, plaintexts): (BundleIndex, &Vec<Vec<u8>>)| {
                let input = Input::read(self.roster.bundle(bundle), &plaintexts[at]).unwrap();
                Message::Input { bundle, window, input }
            };
            let inputs: Vec<_> = inputs.into_iter().map(read).collect();
            let kept = timed(|| {
                for input in inputs {
                    black_box(self.peers[at].handle_message(now, input).unwrap());
                }
            });
            spent.keep += if at == 0 { kept } else { Duration::ZERO };
        }
        let now = period.end(window) + PERIOD / 10;
        for at in 0..self.peers.len() {
            let closed = timed(|| self.peers[at].handle_timeout(now));
            spent.close += if at == 0 { closed } else { Duration::ZERO };
        }
        self.talk(now, &mut spent);
        spent
    }

    /// Delivers messages until nobody has anything to say.
    fn talk(&mut self, now: Timestamp, spent: &mut Spent) {
        let mut queue: VecDeque<(PeerIndex, PeerIndex, Arc<PeerMessage>)> = VecDeque::new();
        let mut values = 0;
        loop {
            for (from, peer) in self.roster.sharing().indices().zip(&mut self.peers) {
                while let Some(event) = peer.poll_event() {
                    let Event::Result { result, .. } = event else { continue };
                    values += usize::from(result.result.value.is_some());
                }
                while let Some(transmit) = peer.poll_transmit() {
                    queue.extend(transmit.to.iter().map(|to| (from, to, Arc::clone(&transmit.message))));
                }
            }
            let Some((from, to, message)) = queue.pop_front() else { break };
            let part = match &*message {
                PeerMessage::Inventory(_) | PeerMessage::Seeds(_) | PeerMessage::Vote(_) => &mut spent.agree,
                PeerMessage::Partial(Partial { of: Purpose::Check(_), .. }) => &mut spent.check,
                PeerMessage::Partial(_) | PeerMessage::Endorsement(_) => &mut spent.open,
            };
            let message = Message::Peer { from, message: Box::new((*message).clone()) };
            let peer = &mut self.peers[to.offset()];
            let took = timed(|| {
                black_box(peer.handle_message(now, message)).unwrap();
            });
            *part += if to.offset() == 0 { took } else { Duration::ZERO };
        }
        assert_eq!(values, 2 * self.peers.len(), "two queries came to a value at every peer");
    }
}

#[allow(clippy::disallowed_methods, reason = "a bench measures time")]
fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

fn window(c: &mut Criterion) {
    let mut group = c.benchmark_group("window");
    group.sample_size(20);
    for (agents, streams) in [(10_000, 1), (100, 100)] {
        let mut site = Site::new(agents, streams);
        let parts: [(&str, Part); 6] = [
            ("keep", |spent| spent.keep),
            ("close", |spent| spent.close),
            ("agree", |spent| spent.agree),
            ("check", |spent| spent.check),
            ("open", |spent| spent.open),
            ("all", |spent| spent.keep + spent.close + spent.agree + spent.check + spent.open),
        ];
        for (name, part) in parts {
            group.bench_function(BenchmarkId::new(name, format!("{agents}x{streams}")), |b| {
                b.iter_custom(|windows| (0..windows).map(|_| part(&site.run())).sum());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, window);
criterion_main!(benches);
