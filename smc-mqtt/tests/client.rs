//! The client library against a real broker, beside peers that decide with real keys.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod mosquitto;

use std::future::Future;
use std::path::Path;

use mosquitto::{Mosquitto, PATIENCE};
use smc_core::document::Signed;
use smc_core::identity::NodeKeys;
use smc_core::name::QueryName;
use smc_core::request::{Admissible, Asked, Decision, Request, Verdict};
use smc_core::roster::document::QueryTable;
use smc_core::time::Timestamp;
use smc_mqtt::client::{Access, Client, ClientError, Notice, Outlook};
use smc_mqtt::config::KeyFile;
use smc_mqtt::connection::{ConnectionSettings, Happening, Incoming, Publisher, connect};
use smc_mqtt::entropy;
use smc_mqtt::topic::{Topic, Topics};
use tempfile::TempDir;
use tokio::time::timeout;

/// A site file and the client's key file on disk, and the peers' keys.
struct Site {
    folder: TempDir,
    peers: Vec<NodeKeys>,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = entropy::rng().unwrap();
        let public = |name: &str, keys: &NodeKeys| {
            let (identity, sealing) = (keys.signing.verifying_key(), keys.sealing.public());
            format!("name = \"{name}\"\nidentity = \"{identity}\"\nsealing = \"{sealing}\"\n")
        };
        let mut text = "[site]\nname = \"hq\"\nthreshold = 1\n".to_owned();
        let peers: Vec<_> = (0..3).map(|_| NodeKeys::generate(&mut rng)).collect();
        for (number, keys) in (1..).zip(&peers) {
            text += &format!("[[peer]]\n{}", public(&format!("peer-{number}"), keys));
        }
        for number in 1..=5 {
            let agent = public(&format!("room-{number}"), &NodeKeys::generate(&mut rng));
            text += &format!("[[agent]]\n{agent}streams = [\"co2\"]\n");
        }
        let client = NodeKeys::generate(&mut rng);
        text += &format!("[[client]]\n{}", public("display", &client));
        std::fs::write(folder.path().join("site.toml"), text).unwrap();
        let node = "display".parse().unwrap();
        KeyFile::create(&folder.path().join("display.key"), &node, "a password", &client).unwrap();
        Self { folder, peers }
    }

    fn path(&self, file: &str) -> impl AsRef<Path> + use<> {
        self.folder.path().join(file)
    }

    fn access(&self) -> Access {
        Access::load(self.path("site.toml").as_ref(), self.path("display.key").as_ref()).unwrap()
    }

    fn request(name: &str) -> Request {
        let query = QueryTable {
            purpose: "a test".to_owned(),
            ..QueryTable::new(name.parse().unwrap(), "mean", "co2".parse().unwrap())
        };
        let (site, client) = ("hq".parse().unwrap(), "display".parse().unwrap());
        let (not_before, until) = (Timestamp::from_secs(0), Timestamp::from_secs(86_400));
        Request { v: 1, site, client, query, every: None, not_before, until, once: false }
    }
}

/// What a peer does, by hand: hears requests, says what it is told to say.
struct Desk {
    publisher: Publisher,
    incoming: Incoming,
    topics: Topics,
    access: Access,
}

impl Desk {
    fn open(site: &Site, broker: &Mosquitto) -> Self {
        let topics = Topics::new("hq".parse().unwrap());
        let settings = ConnectionSettings::new(broker.address().parse().unwrap(), "desk");
        let (publisher, incoming) = connect(settings, vec![topics.requests()]);
        Self { publisher, incoming, topics, access: site.access() }
    }

    async fn hears(&mut self) -> Asked {
        loop {
            let Happening::Message { topic, payload, .. } =
                soon("a request", self.incoming.next()).await.unwrap()
            else {
                continue;
            };
            let Topic::Request { client, query } = self.topics.parse(&topic).unwrap() else { continue };
            return Asked::open(self.access.roster(), &client, &query, &payload).unwrap();
        }
    }

    fn says(&self, keys: &NodeKeys, peer: usize, asked: &Admissible, verdict: Verdict) {
        let decision = Decision {
            v: 1,
            site: "hq".parse().unwrap(),
            peer: format!("peer-{peer}").parse().unwrap(),
            query: asked.request.query.name.clone(),
            client: Some(asked.request.client.clone()),
            request: Some(asked.digest),
            verdict,
            reason: "because".to_owned(),
            rule: None,
            at: Timestamp::from_secs(100),
        };
        let topic = Topic::Decision { peer: decision.peer.clone(), query: decision.query.clone() };
        let json = serde_json::to_vec(&Signed::new(decision, &keys.signing)).unwrap();
        self.publisher.publish(self.topics.spell(&topic), json, true).unwrap();
    }
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

fn client(site: &Site, broker: &Mosquitto) -> Client {
    Client::connect(site.access(), broker.address().parse().unwrap()).unwrap()
}

fn guarded() -> Mosquitto {
    Mosquitto::with("allow_anonymous true\n", &[("display", "a password")])
}

#[tokio::test]
async fn each_peer_answers_and_only_what_it_signed_counts() {
    let (site, broker) = (Site::new(), guarded());
    let mut desk = Desk::open(&site, &broker);
    let mut client = client(&site, &broker);
    let asked = client.ask(Site::request("air")).await.unwrap();
    let Asked::Request(heard) = desk.hears().await else { panic!("a cancellation") };
    assert_eq!(*heard, asked);

    // Signed with another peer's key: passed over.
    desk.says(&site.peers[0], 2, &heard, Verdict::Denied);
    desk.says(&site.peers[0], 1, &heard, Verdict::Allowed);
    desk.says(&site.peers[1], 2, &heard, Verdict::Allowed);
    let query: QueryName = "air".parse().unwrap();
    for peer in ["peer-1", "peer-2"] {
        let decision = soon("a decision", client.next_decision(&query)).await.unwrap();
        assert_eq!((decision.peer.as_str(), decision.verdict), (peer, Verdict::Allowed));
    }
    let standing = client.standing(&asked, 2);
    assert_eq!(standing.outlook(), Outlook::Running);
    assert_eq!(standing.silent().count(), 1);
    assert_eq!(client.refused().of("decision_forged"), 1);

    client.cancel(&query).await.unwrap();
    loop {
        if let Asked::Cancellation(cancellation) = desk.hears().await {
            assert_eq!((cancellation.cancel, cancellation.request), (query, asked.digest));
            break;
        }
    }
}

#[tokio::test]
async fn a_client_that_comes_back_finds_its_requests_and_what_was_decided() {
    let (site, broker) = (Site::new(), guarded());
    let mut first = client(&site, &broker);
    let asked = first.ask(Site::request("air")).await.unwrap();
    assert_eq!(first.close().await, 0);
    let desk = Desk::open(&site, &broker);
    desk.says(&site.peers[2], 3, &asked, Verdict::Asked);
    assert_eq!(desk.publisher.close().await, 0);

    let mut second = client(&site, &broker);
    let (mut request, mut decision) = (false, false);
    while !(request && decision) {
        match soon("what the broker has kept", second.next()).await.unwrap() {
            Notice::Decision(decided) => decision = decided.verdict == Verdict::Asked,
            Notice::Request(_, Asked::Request(found)) => request = *found == asked,
            _ => {}
        }
    }
    let standing = second.standing(&asked, 2);
    assert_eq!((standing.allowed(), standing.silent().count()), (0, 2));
}

#[tokio::test]
async fn who_can_not_ask_is_told_so_before_anything_is_sent() {
    let (site, broker) = (Site::new(), guarded());
    let mut client = client(&site, &broker);
    let nothing = client.cancel(&"never-asked".parse().unwrap()).await;
    assert!(matches!(nothing, Err(ClientError::NotAsked { .. })));
    let mut request = Site::request("air");
    request.query.purpose.clear();
    assert!(matches!(client.ask(request).await, Err(ClientError::Request(_))));
    // The site file knows another key by this name.
    let path = site.folder.path().join("site.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, after) = text.rsplit_once("identity = ").unwrap();
    let other = site.peers[0].signing.verifying_key();
    let rest = after.split_once('\n').unwrap().1;
    std::fs::write(&path, format!("{before}identity = \"{other}\"\n{rest}")).unwrap();
    let refused = site.access().sign(Site::request("air")).unwrap_err();
    assert!(matches!(refused, ClientError::NotAClient { .. }), "{refused}");
}
