//! What clients ask, and what is wrong with what they send.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::time::Duration;

use serde_json::{Value, json};
use smc_core::document::{Signable, canonical};
use smc_core::identity::SigningKey;
use smc_core::request::{Asked, Cancellation, MAX_BYTES, Request, RequestError};
use smc_core::roster::Roster;
use smc_core::roster::document::ClientTable;
use smc_core::time::Timestamp;
use smc_sim::world::Site;

/// A site with the client `display`, and its key.
fn site() -> (Roster, SigningKey) {
    let mut site = Site::of(3, 1).agents(7);
    let key = SigningKey::from_bytes(&[7; 32]);
    site.document.client.push(ClientTable {
        name: "display".parse().unwrap(),
        identity: Some(key.verifying_key()),
        sealing: *site.keys[0].sealing.public(),
        groups: vec!["facility".into()],
    });
    (Roster::try_from(site.document).unwrap(), key)
}

/// As little as a client has to write.
fn least(roster: &Roster) -> Value {
    json!({
        "v": 1,
        "site": roster.site(),
        "client": "display",
        "query": { "name": "air", "function": "mean", "quantity": "co2", "purpose": "ventilation" },
        "not_before": "2026-01-01T00:00:00Z",
        "until": "2026-02-01T00:00:00+01:00",
    })
}

/// Signed as any program can: all but `sig`, in RFC 8785 form.
fn signed(key: &SigningKey, mut value: Value) -> Vec<u8> {
    let domain = if value.get("cancel").is_some() { Cancellation::DOMAIN } else { Request::DOMAIN };
    value["sig"] = serde_json::to_value(key.sign(domain, &canonical(&value))).unwrap();
    serde_json::to_vec_pretty(&value).unwrap()
}

fn open(roster: &Roster, json: &[u8]) -> Result<Asked, RequestError> {
    Asked::open(roster, &"display".parse().unwrap(), &"air".parse().unwrap(), json)
}

fn request(asked: Asked) -> smc_core::request::Admissible {
    let Asked::Request(request) = asked else { panic!("a cancellation") };
    *request
}

#[test]
fn a_request_may_leave_out_what_it_does_not_need_and_is_signed_as_it_was_sent() {
    let (roster, key) = site();
    let read = request(open(&roster, &signed(&key, least(&roster))).unwrap());
    assert_eq!(read.request.query.purpose, "ventilation");
    assert_eq!(read.request.until.to_string(), "2026-01-31T23:00:00Z");
    assert!(!read.request.once && read.request.every.is_none());
}

#[test]
fn a_request_that_this_library_signs_reads_back_as_itself_with_the_digest_that_it_has_for_its_client() {
    let (roster, key) = site();
    let first = request(open(&roster, &signed(&key, least(&roster))).unwrap()).request;
    let signed = first.clone().signed(&key);
    let read = request(open(&roster, &serde_json::to_vec(&signed).unwrap()).unwrap());
    assert_eq!(read.request, first);
    assert_eq!(read.digest, Request::digest(&signed));
}

#[test]
fn a_cancellation_names_the_request_and_cannot_be_made_of_one() {
    let (roster, key) = site();
    let digest = request(open(&roster, &signed(&key, least(&roster))).unwrap()).digest;
    let cancel =
        json!({"v": 1, "site": roster.site(), "client": "display", "cancel": "air", "request": digest});
    let Ok(Asked::Cancellation(read)) = open(&roster, &signed(&key, cancel.clone())) else { panic!() };
    assert_eq!(read.request, digest);
    let mut moved = cancel;
    moved["sig"] = serde_json::to_value(key.sign(Request::DOMAIN, &canonical(&moved))).unwrap();
    assert_eq!(open(&roster, &serde_json::to_vec(&moved).unwrap()), Err(RequestError::Unsigned));
}

#[test]
fn nothing_that_is_changed_after_signing_is_believed() {
    let (roster, key) = site();
    let honest: Value = serde_json::from_slice(&signed(&key, least(&roster))).unwrap();
    let changes: [(&str, Value); 5] = [
        ("/until", json!("2026-03-01T00:00:00Z")),
        ("/query/function", json!("max")),
        ("/query/purpose", json!("curiosity")),
        ("/site", json!("elsewhere")),
        ("/client", json!("other")),
    ];
    for (at, value) in changes {
        let mut forged = honest.clone();
        *forged.pointer_mut(at).unwrap() = value;
        let refused = open(&roster, &serde_json::to_vec(&forged).unwrap());
        assert_eq!(refused, Err(RequestError::Unsigned), "{at}");
    }
    let mut added = honest;
    added["once"] = json!(true);
    assert_eq!(open(&roster, &serde_json::to_vec(&added).unwrap()), Err(RequestError::Unsigned));
    let stranger = SigningKey::from_bytes(&[8; 32]);
    assert_eq!(open(&roster, &signed(&stranger, least(&roster))), Err(RequestError::Unsigned));
}

#[test]
fn what_is_wrong_is_told() {
    let (roster, key) = site();
    let changed = |at: &str, value: Value| {
        let mut request = least(&roster);
        match at.strip_prefix("query.") {
            Some(key) => request["query"][key] = value,
            None => request[at] = value,
        }
        open(&roster, &signed(&key, request)).unwrap_err()
    };
    assert_eq!(changed("v", json!(2)), RequestError::Version { have: 2 });
    assert_eq!(changed("site", json!("other")).code(), "request_elsewhere");
    assert_eq!(changed("query.name", json!("water")).code(), "request_elsewhere");
    assert_eq!(changed("query.purpose", json!(" ")), RequestError::NoPurpose);
    assert_eq!(changed("query.purpose", json!("a\nb")), RequestError::NoPurpose);
    assert_eq!(changed("query.purpose", json!("a".repeat(201))), RequestError::NoPurpose);
    assert_eq!(changed("query.scope", json!({"a": "b".repeat(65)})), RequestError::ScopeTooLong);
    assert_eq!(changed("query.k", json!(1_u64 << 53)), RequestError::InexactNumber);
    assert_eq!(changed("until", json!("2026-01-01T00:00:00Z")), RequestError::NeverDue);
    assert!(changed("until", json!("tomorrow")).to_string().contains("2027-01-01T00:00:00Z"));
    assert!(changed("surprise", json!(1)).to_string().contains("surprise"));
    let client = &"stranger".parse().unwrap();
    let unknown = Asked::open(&roster, client, &"air".parse().unwrap(), b"{}").unwrap_err();
    assert_eq!(unknown, RequestError::UnknownClient { client: client.clone() });
    assert_eq!(open(&roster, &vec![b' '; MAX_BYTES + 1]).unwrap_err().code(), "request_malformed");
    for garbage in [&b"\xff"[..], b"", b"[]", b"{}", b"nul", b"{\"sig\":1}"] {
        open(&roster, garbage).unwrap_err();
    }
}

#[test]
fn a_request_is_due_until_it_ends_and_may_not_end_in_years() {
    let (roster, key) = site();
    let read = request(open(&roster, &signed(&key, least(&roster))).unwrap());
    let until = read.request.until;
    assert_eq!(read.is_due(until - Duration::from_micros(1)), Ok(()));
    assert_eq!(read.is_due(until), Err(RequestError::Expired { until }));
    assert_eq!(read.is_due(Timestamp::from_secs(0)), Err(RequestError::TooFar { until }));
}
