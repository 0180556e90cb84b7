//! What clients ask, and what peers answer.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::Value;
use smc_core::desk::{Desk, DeskEvent, Judge, Judgement, Outcome, Running};
use smc_core::document::{Signable, Signed, canonical};
use smc_core::identity::SigningKey;
use smc_core::name::{NodeName, QueryName};
use smc_core::request::{Asked, Cancellation, Decision, Request, Verdict};
use smc_core::roster::Roster;
use smc_core::roster::document::QueryTable;
use smc_core::session::{Session, Sessions};
use smc_core::time::Timestamp;
use smc_sim::world::site::CLIENT;
use smc_sim::world::{NOON, client_key};

use crate::signed::signed;
use crate::site::{KEYS, site};

static ROSTER: LazyLock<Arc<Roster>> = LazyLock::new(|| Arc::new(site().client().roster()));
static KEY: LazyLock<SigningKey> = LazyLock::new(client_key);

/// Reads the bytes as a request, a cancellation and a decision: as they came, and as if their client had signed them; and lays
/// them on a peer's desk.
pub fn run(bytes: &[u8]) {
    signed::<Decision>(bytes);
    let Some((client, query)) = topic(bytes) else { return };
    open(&client, &query, bytes);
    for domain in [Request::DOMAIN, Cancellation::DOMAIN] {
        if let Some(json) = sign(bytes, domain) {
            open(&client, &query, &json);
        }
    }
}

/// The topic that bytes say they belong on.
fn topic(bytes: &[u8]) -> Option<(NodeName, QueryName)> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let query = value.get("cancel").or_else(|| value.get("query")?.get("name"))?;
    Some((value.get("client")?.as_str()?.parse().ok()?, query.as_str()?.parse().ok()?))
}

fn sign(bytes: &[u8], domain: &'static str) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    value.as_object_mut()?.remove("sig");
    let sig = KEY.sign(domain, &canonical(&value));
    value.as_object_mut()?.insert("sig".to_owned(), serde_json::to_value(sig).ok()?);
    serde_json::to_vec(&value).ok()
}

/// What opens is signed by its client, is of its topic, and is the same in every form with the same meaning.
fn open(client: &NodeName, query: &QueryName, json: &[u8]) {
    let Ok(asked) = Asked::open(&ROSTER, client, query, json) else {
        let told = desk(client, query, json);
        assert!(told.iter().all(|decision| decision.verdict == Verdict::Denied), "{told:?}");
        return;
    };
    let form = canonical(&serde_json::from_slice::<Value>(json).unwrap());
    assert_eq!(Asked::open(&ROSTER, client, query, &form), Ok(asked.clone()));
    let changed = form.iter().position(|&byte| byte == b'1').map(|at| {
        let mut form = form.clone();
        form[at] = b'2';
        form
    });
    if let Some(changed) = changed {
        assert!(Asked::open(&ROSTER, client, query, &changed).is_err());
    }
    match asked {
        Asked::Cancellation(cancellation) => {
            assert_eq!((&cancellation.client, &cancellation.cancel), (client, query));
        }
        Asked::Request(asked) => {
            assert_eq!((&asked.request.client, &asked.request.query.name), (client, query));
            let again: Request = serde_json::from_slice(&canonical(&asked.request)).unwrap();
            assert_eq!(again, asked.request);
            if let Ok(session) = Session::asked(&ROSTER, &asked) {
                let agents = session.agents(&ROSTER).len() as u32;
                assert!(agents >= session.query().minimum_cohort && session.query().minimum_cohort >= 3);
            }
        }
    }
    desk(client, query, json);
}

struct Everything;

impl Judge for Everything {
    fn judge(&mut self, _: &Request, _: &Session, _: Running, _: Timestamp) -> Judgement {
        Judgement { outcome: Outcome::Allow, reason: String::new(), rule: None }
    }
}

/// What a peer answers; what it allows it is told to compute, and it remembers how it decided.
fn desk(client: &NodeName, query: &QueryName, json: &[u8]) -> Vec<Decision> {
    let mut desk = Desk::new(ROSTER.clone(), "peer-1".parse().unwrap(), Vec::new(), NOON);
    let running = Sessions::standing(&ROSTER);
    while desk.poll_event().is_some() {}
    let _ = desk.handle_asked(NOON, (client, query), json, &running, &mut Everything);
    let (mut told, mut saved, mut computed) = (Vec::new(), Vec::new(), false);
    while let Some(event) = desk.poll_event() {
        match event {
            DeskEvent::Answered { decision } => told.push(decision),
            DeskEvent::Decided { saved: kept, decision } => {
                assert_eq!(kept.decision, decision);
                saved.push(*kept);
                told.push(decision);
            }
            DeskEvent::Start { computed: starts, .. } => computed |= starts,
            DeskEvent::Forget { .. } | DeskEvent::Withdraw { .. } => {}
        }
    }
    assert_eq!(told.iter().any(|decision| decision.verdict == Verdict::Allowed), computed);
    assert!(told.len() == 1 || json.is_empty(), "one answer: {told:?}");
    let again = Desk::new(ROSTER.clone(), "peer-1".parse().unwrap(), saved, NOON);
    let stands = |desk: &Desk| desk.entry(query).map(|entry| entry.verdict);
    assert_eq!(stands(&again), stands(&desk));
    told
}

/// Requests that the site computes and that it can't, their ends, and what a peer answers.
pub fn seeds() -> Vec<Vec<u8>> {
    let request = |name: &str, function: &str, change: fn(&mut Request)| {
        let query = QueryTable::new(name.parse().unwrap(), function, "level".parse().unwrap());
        let mut request = Request {
            v: 1,
            site: ROSTER.site().clone(),
            client: CLIENT.parse().unwrap(),
            query: QueryTable { purpose: "heating".to_owned(), ..query },
            every: None,
            not_before: NOON,
            until: NOON + Duration::from_secs(3600),
            once: false,
        };
        change(&mut request);
        request.signed(&KEY)
    };
    let requests = [
        request("mean", "mean", |_| {}),
        request("once", "max", |request| request.once = true),
        request("seldom", "count", |request| request.every = "5s".parse().ok()),
        request("above", "count_above", |request| request.query.above = Some(9.into())),
        request("floor", "sum", |request| {
            request.query.scope.insert("floor".to_owned(), "1".to_owned());
        }),
        request("nowhere", "sum", |request| {
            request.query.scope.insert("floor".to_owned(), "9".to_owned());
        }),
        request("late", "sum", |request| request.until = NOON - Duration::from_secs(1)),
    ];
    let first = &requests[0];
    let (site, client, request) = (ROSTER.site().clone(), CLIENT.parse().unwrap(), Request::digest(first));
    let cancellation =
        Cancellation { v: 1, site, client, cancel: first.document.query.name.clone(), request };
    let cancellation = canonical(&Signed::new(cancellation, &KEY));
    let topic = (&first.document.client, &first.document.query.name);
    let decisions = desk(topic.0, topic.1, &canonical(first)).into_iter();
    let decisions = decisions.map(|decision| canonical(&Signed::new(decision, &KEYS[0].signing)));
    requests.iter().map(canonical).chain([cancellation]).chain(decisions).collect()
}
