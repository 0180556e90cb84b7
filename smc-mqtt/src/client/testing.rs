//! A small site with keys, for tests.

use std::sync::Arc;

use smc_core::document::Signed;
use smc_core::identity::NodeKeys;
use smc_core::request::{Admissible, Asked, Decision, Request, Verdict};
use smc_core::roster::document::{AgentTable, ClientTable, PeerTable, QueryTable, SiteTable, StreamTable};
use smc_core::roster::{Consent, Roster, SiteDocument, Span, Tolerate};
use smc_core::time::Timestamp;

use crate::entropy;

/// Three peers, six agents on two floors, the client `display`.
pub(super) struct Site {
    pub(super) roster: Arc<Roster>,
    pub(super) peers: Vec<NodeKeys>,
    pub(super) client: NodeKeys,
}

impl Site {
    pub(super) fn new() -> Self {
        let mut rng = entropy::rng().unwrap();
        let peers: Vec<_> = (0..3).map(|_| NodeKeys::generate(&mut rng)).collect();
        let client = NodeKeys::generate(&mut rng);
        let peer = (1..).zip(&peers).map(|(number, keys)| PeerTable {
            name: format!("peer-{number}").parse().unwrap(),
            identity: keys.signing.verifying_key(),
            sealing: *keys.sealing.public(),
        });
        let agent = (1..=6).map(|number| {
            let keys = NodeKeys::generate(&mut rng);
            AgentTable {
                name: format!("room-{number}").parse().unwrap(),
                identity: keys.signing.verifying_key(),
                sealing: *keys.sealing.public(),
                labels: [("floor".to_owned(), (number / 6).to_string())].into(),
                streams: vec![StreamTable::Plain("co2".parse().unwrap())],
            }
        });
        let document = SiteDocument {
            site: SiteTable {
                name: "hq".parse().unwrap(),
                threshold: 1,
                tolerate: Tolerate::Crash,
                consent: Consent::Unsaid,
                minimum_cohort: 5,
                period: Span::from_secs(10),
                grace: Span::from_secs(1),
                step: Span::from_secs(1),
                cohort_epoch: Span::from_secs(3600),
                key_epoch: Span::from_secs(86_400),
            },
            peer: peer.collect(),
            agent: agent.collect(),
            client: vec![ClientTable {
                name: "display".parse().unwrap(),
                identity: Some(client.signing.verifying_key()),
                sealing: *client.sealing.public(),
                groups: vec![],
            }],
            quantity: vec![],
            query: vec![],
        };
        let roster = Arc::new(Roster::try_from(document).unwrap());
        Self { roster, peers, client }
    }

    pub(super) fn request(&self, function: &str) -> Request {
        let query = QueryTable {
            purpose: "ventilation".to_owned(),
            ..QueryTable::new("air".parse().unwrap(), function, "co2".parse().unwrap())
        };
        Request {
            v: 1,
            site: "hq".parse().unwrap(),
            client: "display".parse().unwrap(),
            query,
            every: None,
            not_before: Timestamp::from_secs(0),
            until: Timestamp::from_secs(86_400),
            once: false,
        }
    }

    /// A request as it is published, and as peers read it.
    pub(super) fn asked(&self, request: Request) -> (Vec<u8>, Admissible) {
        let name = request.query.name.clone();
        let json = serde_json::to_vec(&request.signed(&self.client.signing)).unwrap();
        match Asked::open(&self.roster, &"display".parse().unwrap(), &name, &json).unwrap() {
            Asked::Request(admissible) => (json, *admissible),
            Asked::Cancellation(_) => unreachable!("it is a request"),
        }
    }

    /// What the peer with this number says about a request.
    pub(super) fn decision(&self, peer: usize, asked: &Admissible, verdict: Verdict, at: u64) -> Decision {
        Decision {
            v: 1,
            site: "hq".parse().unwrap(),
            peer: format!("peer-{peer}").parse().unwrap(),
            query: asked.request.query.name.clone(),
            client: Some(asked.request.client.clone()),
            request: Some(asked.digest),
            verdict,
            reason: String::new(),
            rule: None,
            at: Timestamp::from_secs(at),
        }
    }

    /// The same as it is published.
    pub(super) fn signed(&self, peer: usize, decision: &Decision) -> Vec<u8> {
        serde_json::to_vec(&Signed::new(decision.clone(), &self.peers[peer - 1].signing)).unwrap()
    }
}
