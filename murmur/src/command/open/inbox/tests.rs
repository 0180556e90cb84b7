use std::fmt::Write as _;

use rand_chacha::ChaCha20Rng;
use smc_core::card::Recipients;
use smc_core::digest::Digest;
use smc_core::field::Fp;
use smc_core::identity::NodeKeys;
use smc_core::message::{MAX_SHARES, OutputShares};
use smc_core::peers::PeerSet;
use smc_core::roster::SiteDocument;
use smc_core::shamir::Degree;
use smc_core::time::WindowIndex;
use zeroize::Zeroizing;

use super::*;

/// Two full parts and a short one.
const ELEMENTS: usize = 2 * MAX_SHARES + 5;

/// A site of three peers whose sums are for `display`, but for one that is for `room-1`; and a client that listens.
struct Site {
    roster: Arc<Roster>,
    keys: Vec<NodeKeys>,
    inbox: Inbox,
    rng: ChaCha20Rng,
}

impl Site {
    fn new() -> Self {
        let mut rng = smc_mqtt::entropy::rng().unwrap();
        let mut text =
            "[site]\nname = \"hq\"\nthreshold = 1\ntolerate = \"crash\"\nminimum_cohort = 3\n".to_owned();
        let mut keys = Vec::new();
        for (table, name) in [
            ("peer", "peer-1"),
            ("peer", "peer-2"),
            ("peer", "peer-3"),
            ("client", "display"),
            ("agent", "room-1"),
            ("agent", "room-2"),
            ("agent", "room-3"),
        ] {
            let node = NodeKeys::generate(&mut rng);
            writeln!(text, "[[{table}]]\nname = \"{name}\"\nsealing = \"{}\"", node.sealing.public())
                .unwrap();
            if table != "client" {
                writeln!(text, "identity = \"{}\"", node.signing.verifying_key()).unwrap();
            }
            if table == "agent" {
                text += "streams = [\"gradient\"]\n";
            }
            keys.push(node);
        }
        let range = "minimum = 0\nmaximum = 1\nresolution = 1";
        writeln!(text, "[[quantity]]\nname = \"gradient\"\n{range}\nelements = {ELEMENTS}").unwrap();
        for (name, audience) in [("ours", "display"), ("theirs", "room-1")] {
            let asked = "function = \"vector_sum\"\nquantity = \"gradient\"";
            writeln!(text, "[[query]]\nname = \"{name}\"\n{asked}\naudience = \"{audience}\"").unwrap();
        }
        let document: SiteDocument = toml::from_str(&text).unwrap();
        let roster = Arc::new(Roster::try_from(document).unwrap());
        let topics = Topics::new(roster.site().clone());
        let secret = SealingSecret::from_bytes(&keys[3].sealing.to_bytes());
        let me = "display".parse().unwrap();
        let queries: Vec<_> = roster.queries().map(|(_, query)| query.clone()).collect();
        let inbox = Inbox::new(Arc::clone(&roster), topics, me, secret, queries, Duration::from_secs(3600));
        Self { roster, keys, inbox, rng }
    }

    /// What peer `i` says that its shares of `query` are.
    fn output(&self, i: usize, query: &str) -> SealedOutput {
        let known = self.roster.query(self.roster.query_named(&query.parse().unwrap()).unwrap());
        SealedOutput {
            from: format!("peer-{i}").parse().unwrap(),
            query: known.name.clone(),
            definition: known.digest,
            window: WindowIndex(7),
            peers: self.roster.sharing().indices().fold(PeerSet::EMPTY, PeerSet::with),
            readings: 3,
            agents: Vec::new(),
            degree: Degree::Single,
            part: 0,
            parts: 1,
            // Of a constant, which is what they open to.
            shares: OutputShares(Zeroizing::new(vec![Fp::from(2); ELEMENTS])),
        }
    }

    /// Peer `i` seals something, and it comes on the topic of peer `on`.
    fn send(&mut self, i: usize, on: usize, part: &SealedOutput) {
        let sealing = SealingSecret::from_bytes(&self.keys[i - 1].sealing.to_bytes());
        let name = format!("peer-{i}").parse().unwrap();
        let mut recipients = Recipients::new(Arc::clone(&self.roster), name, sealing);
        let to = "display".parse().unwrap();
        let sealed = recipients.seal_for_client(&to, &part.to_bytes(), &mut self.rng).unwrap().unwrap();
        self.deliver(on, part.query.as_str(), &sealed);
    }

    fn deliver(&mut self, on: usize, query: &str, payload: &[u8]) {
        self.inbox.take(Instant::now(), &format!("murmur/hq/output/display/peer-{on}/{query}"), payload);
    }

    fn refused(&self) -> (u64, u64) {
        let of = |reason| self.inbox.refused.of(reason);
        (of("not_sealed_for_us_by_this_peer"), of("contradiction"))
    }
}

#[test]
fn garbage_is_counted_and_the_value_opens_all_the_same() {
    let mut site = Site::new();
    site.deliver(1, "ours", b"{}");
    site.deliver(1, "ours", &vec![b'x'; MAX_ENVELOPE + 1]);
    let good = site.output(1, "ours");
    let first = good.cut().next().unwrap();
    site.send(2, 1, &first);
    site.send(1, 2, &first);
    site.send(2, 2, &first);
    site.send(1, 1, &SealedOutput { definition: Digest([0; 32]), ..first.clone() });
    site.send(1, 1, &SealedOutput { part: 3, ..first.clone() });
    let theirs = site.output(1, "theirs").cut().next().unwrap();
    assert_eq!(site.refused(), (7, 0));
    // Of a query that is not to be opened here nothing is looked at.
    site.send(1, 1, &theirs);
    assert_eq!(site.refused(), (7, 0));

    for i in 1..=3 {
        for part in site.output(i, "ours").cut() {
            assert!(site.inbox.pop(Instant::now()).is_none(), "all parts of all peers");
            site.send(i, i, &part);
        }
        if i == 1 {
            let mut changed = first.clone();
            changed.shares.0[0] += Fp::ONE;
            site.send(1, 1, &changed);
        }
    }
    assert_eq!(site.refused(), (7, 1));
    let opened = site.inbox.pop(Instant::now()).unwrap();
    let line: serde_json::Value = serde_json::from_str(&opened.json()).unwrap();
    assert_eq!(line["value"], json!(vec![2; ELEMENTS]));
    assert_eq!((&line["verified"], &line["silent"]), (&json!(true), &json!([])));
    let told = opened.to_string();
    assert!(told.contains("(49157 in all)") && told.contains("3 of 3 peers answered, verified"), "{told}");
}
