//! A site with twelve rooms, and requests of its clients.
#![allow(
    dead_code,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "shared by tests and a bench, none of which uses all of it"
)]

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use smc_core::identity::NodeKeys;
use smc_core::request::Request;
use smc_core::roster::document::{
    AgentTable, ClientTable, PeerTable, QuantityTable, QueryTable, StreamTable,
};
use smc_core::roster::{Roster, SiteDocument};
use smc_core::time::Timestamp;
use smc_policy::{Case, CaseError, Circumstances, Judgement, Outcome, Policy, Running, Zone};

/// A Thursday noon.
pub fn noon() -> Timestamp {
    at("2026-11-26T12:00:00Z")
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Three peers, twelve rooms on three floors, a client of the group `facility` and one of none.
pub fn site() -> Roster {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut keys = || NodeKeys::generate(&mut rng);
    let quantities = ["co2", "humidity", "motion", "power", "temperature"];
    let site = toml::from_str("name = \"hq\"\nthreshold = 1\nperiod = \"60s\"").unwrap();
    let quantity: QuantityTable =
        toml::from_str("name = \"noise\"\nminimum = 0\nmaximum = 100\nresolution = 1\nperiod = \"500ms\"")
            .unwrap();
    let document = SiteDocument {
        site,
        peer: (1..=3)
            .map(|peer| (format!("peer-{peer}"), keys()))
            .map(|(name, keys)| PeerTable {
                name: name.parse().unwrap(),
                identity: keys.signing.verifying_key(),
                sealing: *keys.sealing.public(),
            })
            .collect(),
        agent: (1..=12)
            .map(|room| (room, keys()))
            .map(|(room, keys)| AgentTable {
                name: format!("room-{room}").parse().unwrap(),
                identity: keys.signing.verifying_key(),
                sealing: *keys.sealing.public(),
                labels: [
                    ("floor".to_owned(), (room % 3).to_string()),
                    ("team".to_owned(), "blue".to_owned()),
                ]
                .into(),
                streams: quantities
                    .iter()
                    .chain(&["noise"])
                    .map(|quantity| StreamTable::Plain(quantity.parse().unwrap()))
                    .collect(),
            })
            .collect(),
        client: [("display", vec!["facility".to_owned(), "people".to_owned()]), ("guest", vec![])]
            .map(|(name, groups)| (name, groups, keys()))
            .map(|(name, groups, keys)| ClientTable {
                name: name.parse().unwrap(),
                identity: Some(keys.signing.verifying_key()),
                sealing: *keys.sealing.public(),
                groups,
            })
            .into(),
        quantity: vec![quantity],
        query: Vec::new(),
    };
    document.try_into().unwrap()
}

/// What `client` asks: `function` of `quantity` over all rooms, for a day.
pub fn request(client: &str, function: &str, quantity: &str) -> Request {
    let query = QueryTable {
        purpose: "ventilation display".to_owned(),
        ..QueryTable::new("asked".parse().unwrap(), function, quantity.parse().unwrap())
    };
    Request {
        v: 1,
        site: "hq".parse().unwrap(),
        client: client.parse().unwrap(),
        query,
        every: None,
        not_before: noon(),
        until: at("2026-11-27T12:00:00Z"),
        once: false,
    }
}

/// The case that a request makes at noon while nothing runs.
pub fn case(request: &Request) -> Case {
    try_case(request).unwrap()
}

pub fn try_case(request: &Request) -> Result<Case, CaseError> {
    let zone = Zone::default();
    Case::new(&site(), request, &Circumstances { at: noon(), zone: &zone, running: Running::default() })
}

/// A policy that is right.
pub fn policy(text: &str) -> Policy {
    Policy::parse(text, "test.cedar").unwrap_or_else(|error| panic!("{error}"))
}

/// What is wrong with a policy that is not.
pub fn wrong(text: &str) -> String {
    Policy::parse(text, "test.cedar").unwrap_err().to_string()
}

/// One of the samples for people.
pub fn sample(name: &str) -> Policy {
    let path = format!("{}/../configs/policy/{name}", env!("CARGO_MANIFEST_DIR"));
    Policy::parse(&std::fs::read_to_string(&path).unwrap(), &path).unwrap_or_else(|error| panic!("{error}"))
}

/// The outcome and the rule that made it.
pub fn outcome(judgement: &Judgement) -> (Outcome, Option<&str>) {
    (judgement.outcome, judgement.rule.as_deref())
}
