use smc_core::request::Verdict;

use super::super::testing::Site;
use super::*;

fn names() -> (NodeName, QueryName) {
    ("display".parse().unwrap(), "air".parse().unwrap())
}

/// A ledger that knows a request.
fn ledger(site: &Site) -> (Ledger, Admissible) {
    let (json, asked) = site.asked(site.request("mean"));
    let mut ledger = Ledger::new(Arc::clone(&site.roster));
    let (client, query) = names();
    assert!(ledger.request(&client, &query, &json).unwrap().is_some());
    assert!(ledger.request(&client, &query, &json).unwrap().is_none(), "nothing new");
    (ledger, asked)
}

#[test]
fn a_decision_counts_by_the_signature_of_its_peer() {
    let site = Site::new();
    let (mut ledger, asked) = ledger(&site);
    let (client, query) = names();
    let decision = site.decision(2, &asked, Verdict::Allowed, 10);
    let mut take = |peer: &str, json: &[u8]| ledger.decision(&peer.parse().unwrap(), &query, json);
    assert_eq!(take("peer-2", &site.signed(1, &decision)), Err("decision_forged"));
    assert_eq!(take("peer-1", &site.signed(1, &decision)), Err("decision_elsewhere"));
    assert_eq!(take("room-1", &site.signed(1, &decision)), Err("decision_of_a_stranger"));
    assert_eq!(take("peer-2", b"{}"), Err("decision_malformed"));
    assert_eq!(take("peer-2", &vec![b' '; MAX_DECISION + 1]), Err("decision_malformed"));
    assert_eq!(take("peer-2", &site.signed(2, &decision)), Ok(Some(decision.clone())));
    let entry = ledger.get(&client, &query).unwrap();
    assert_eq!(entry.decisions_about(asked.digest).collect::<Vec<_>>(), [&decision]);
}

#[test]
fn an_older_decision_that_is_brought_back_changes_nothing() {
    let site = Site::new();
    let (mut ledger, asked) = ledger(&site);
    let (client, query) = names();
    let peer: NodeName = "peer-1".parse().unwrap();
    let allowed = site.signed(1, &site.decision(1, &asked, Verdict::Allowed, 10));
    let denied = site.decision(1, &asked, Verdict::Denied, 11);
    assert!(ledger.decision(&peer, &query, &allowed).unwrap().is_some());
    assert_eq!(ledger.decision(&peer, &query, &allowed), Ok(None), "the same again");
    assert!(ledger.decision(&peer, &query, &site.signed(1, &denied)).unwrap().is_some());
    assert_eq!(ledger.decision(&peer, &query, &allowed), Err("decision_outdated"));
    assert_eq!(ledger.get(&client, &query).unwrap().decisions[&peer], denied);
}

#[test]
fn a_decision_about_another_request_of_the_same_name_is_not_about_this_one() {
    let site = Site::new();
    let (mut ledger, _) = ledger(&site);
    let (client, query) = names();
    let (_, other) = site.asked(site.request("max"));
    let decision = site.decision(1, &other, Verdict::Allowed, 10);
    ledger.decision(&"peer-1".parse().unwrap(), &query, &site.signed(1, &decision)).unwrap();
    let entry = ledger.get(&client, &query).unwrap();
    assert!(!entry.is_about(&decision));
    assert_eq!(entry.decisions_about(entry.digest().unwrap()).count(), 0);
}

#[test]
fn what_nobody_signed_is_no_request() {
    let site = Site::new();
    let mut ledger = Ledger::new(Arc::clone(&site.roster));
    let (client, query) = names();
    let (json, _) = site.asked(site.request("mean"));
    let forged = String::from_utf8(json.clone()).unwrap().replace("ventilation", "curiosity");
    assert_eq!(ledger.request(&client, &query, forged.as_bytes()), Err("request_unsigned"));
    assert_eq!(ledger.request(&client, &"other".parse().unwrap(), &json), Err("request_elsewhere"));
    assert_eq!(ledger.iter().count(), 0);
}

#[test]
fn what_is_taken_back_is_forgotten() {
    let site = Site::new();
    let (mut ledger, asked) = ledger(&site);
    let (client, query) = names();
    let peer: NodeName = "peer-1".parse().unwrap();
    let decision = site.signed(1, &site.decision(1, &asked, Verdict::Allowed, 10));
    ledger.decision(&peer, &query, &decision).unwrap();
    ledger.request(&client, &query, b"").unwrap();
    assert!(ledger.get(&client, &query).unwrap().request.is_none());
    ledger.decision(&peer, &query, b"").unwrap();
    assert!(ledger.get(&client, &query).is_none());
}

#[test]
fn the_books_are_bounded() {
    let site = Site::new();
    let mut ledger = Ledger::new(Arc::clone(&site.roster));
    let (_, asked) = site.asked(site.request("mean"));
    let client: NodeName = "display".parse().unwrap();
    for number in 0..MAX_ENTRIES {
        let name = format!("q{number}").parse().unwrap();
        assert!(ledger.note(&client, &name, Asked::Request(Box::new(asked.clone()))));
    }
    assert!(!ledger.note(&client, &"one-more".parse().unwrap(), Asked::Request(Box::new(asked))));
}
