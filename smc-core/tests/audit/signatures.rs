//! What clients, operators and the peer itself said must be signed by them, however well the log is chained.

use serde_json::{Value as Json, json};
use smc_core::audit::{Kind, Unfit, examine, examine_many};
use smc_core::request::{RequestError, Verdict};
use smc_core::result::SignedResult;

use super::site::{Log, NOON, Site, WINDOW};

/// A change to one field of a document.
type Change = (&'static str, fn(&mut Json));

/// What is wrong with a log, chained anew and signed for, that has `body` in it.
fn found(site: &Site, kind: Kind, body: &Json) -> (u64, Unfit) {
    let mut log = Log::begun(site, 1);
    log.add(Kind::Request, &site.request("asked"));
    log.add(kind, body);
    log.sign();
    log.misfit()
}

#[test]
fn a_forged_request_is_found_in_a_log_that_was_chained_anew() {
    let site = Site::new();
    let changes: [Change; 6] = [
        ("function", |body| body["query"]["function"] = json!("max")),
        ("purpose", |body| body["query"]["purpose"] = json!("adverts")),
        ("minimum_cohort", |body| body["query"]["minimum_cohort"] = json!(2)),
        ("until", |body| body["until"] = json!("2027-01-01T00:00:00Z")),
        ("once", |body| body["once"] = json!(true)),
        ("sig", |body| body["sig"] = json!("A".repeat(86))),
    ];
    for (field, change) in changes {
        let mut body = site.request("another");
        change(&mut body);
        let unsigned = (2, Unfit::Request(RequestError::Unsigned));
        assert_eq!(found(&site, Kind::Request, &body), unsigned, "{field}");
    }
    let mut stranger = site.request("another");
    stranger["client"] = json!("kiosk");
    let unknown = RequestError::UnknownClient { client: "kiosk".parse().unwrap() };
    assert_eq!(found(&site, Kind::Request, &stranger), (2, Unfit::Request(unknown)));
    assert!(matches!(found(&site, Kind::Request, &json!({"v": 1})), (2, Unfit::Content { .. })));
}

#[test]
fn a_forged_cancellation_is_found() {
    let site = Site::new();
    let mut body = site.cancellation("asked");
    let mut log = Log::begun(&site, 1);
    log.add(Kind::Request, &body);
    assert!(log.audit().is_ok(), "its client signed it");
    body["cancel"] = json!("another");
    assert_eq!(found(&site, Kind::Request, &body), (2, Unfit::Request(RequestError::Unsigned)));
}

#[test]
fn a_forged_decision_is_found_in_a_log_that_was_chained_anew() {
    let site = Site::new();
    let changes: [Change; 5] = [
        ("verdict", |body| body["verdict"] = json!("allowed")),
        ("reason", |body| body["reason"] = json!("everybody agreed")),
        ("at", |body| body["at"] = json!("2026-01-01T11:00:00Z")),
        ("peer", |body| body["peer"] = json!("peer-2")),
        ("sig", |body| body["sig"] = json!("A".repeat(86))),
    ];
    for (field, change) in changes {
        let mut body = site.decision(1, "asked", Verdict::Denied);
        change(&mut body);
        let peer = body["peer"].as_str().unwrap().parse().unwrap();
        let unsigned = (2, Unfit::Unsigned { kind: Kind::Decision, peer });
        assert_eq!(found(&site, Kind::Decision, &body), unsigned, "{field}");
    }
    let elsewhere = json!({"v": 1, "site": "hq", "verdict": "allowed"});
    assert!(matches!(found(&site, Kind::Decision, &elsewhere), (2, Unfit::Content { .. })));
}

#[test]
fn a_forged_order_is_found() {
    let site = Site::new();
    let mut body = site.order(1, "the operator is away");
    body["order"] = json!("withdraw");
    let unsigned = Unfit::Unsigned { kind: Kind::Intervention, peer: site.name(1) };
    assert_eq!(found(&site, Kind::Intervention, &body), (2, unsigned));
}

#[test]
fn what_another_peer_decided_or_was_ordered_does_not_pass_for_this_ones_word() {
    let site = Site::new();
    let other = |kind| (2, Unfit::Other { kind, peer: site.name(2) });
    let decision = site.decision(2, "asked", Verdict::Allowed);
    assert_eq!(found(&site, Kind::Decision, &decision), other(Kind::Decision));
    assert_eq!(found(&site, Kind::Intervention, &site.order(2, "")), other(Kind::Intervention));
}

#[test]
fn a_decision_about_another_request_of_the_same_name_neither_allows_nor_stops_this_one() {
    let site = Site::new();
    let another = Some(smc_core::digest::Digest([7; 32]));
    let audit = |decisions: &[Json]| {
        let mut log = Log::begun(&site, 1);
        log.add(Kind::Vote, &json!(site.vote(WINDOW)));
        log.add_at(NOON, Kind::Request, &site.request("asked"));
        decisions.iter().for_each(|decision| log.add_at(NOON, Kind::Decision, decision));
        log.add(Kind::Result, &json!(site.result("asked", WINDOW, &[1, 2, 3])));
        log.audit().map(|_| ()).map_err(|misfit| misfit.unfit)
    };
    let (allowed, taken) = (
        site.decision(1, "asked", Verdict::Allowed),
        site.decision_about(1, "asked", another, Verdict::Denied),
    );
    assert_eq!(audit(&[allowed, taken]), Ok(()), "the name was taken, and that was told");
    let allows_another = site.decision_about(1, "asked", another, Verdict::Allowed);
    assert_eq!(audit(&[allows_another]), Err(Unfit::NotAllowed { query: "asked".parse().unwrap() }));
}

#[test]
fn entries_that_are_examined_together_are_found_as_they_are_one_by_one() {
    let site = Site::new();
    let SignedResult { mut result, signatures } = site.result("co2-mean", WINDOW, &[1, 2, 3]);
    result.fresh -= 1;
    let forged = SignedResult { result, signatures };
    let mut log = Log::of_all_kinds(&site, 1);
    let untouched = log.rows.clone();
    log.add(Kind::Result, &json!(forged));
    log.add(Kind::Result, &json!(site.result("co2-mean", WINDOW + 1, &[1, 2])));
    log.add(Kind::Result, &json!(site.result("co2-mean", WINDOW + 2, &[1])));
    for rows in [untouched, log.rows] {
        let one_by_one: Vec<_> = rows.iter().map(|row| examine(row.clone(), &site.roster)).collect();
        assert_eq!(examine_many(rows, &site.roster), one_by_one);
    }
}
