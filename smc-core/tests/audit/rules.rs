//! What must have come before what.

use serde_json::json;
use smc_core::audit::{Kind, Unfit};
use smc_core::request::Verdict;
use smc_core::result::{ResultDocument, SignedResult, Status};
use smc_core::time::{Timestamp, WindowIndex};

use super::site::{Log, NOON, Site, WINDOW};

const ALL: [u8; 3] = [1, 2, 3];

fn voted(site: &Site) -> Log<'_> {
    let mut log = Log::begun(site, 1);
    log.add(Kind::Vote, &json!(site.vote(WINDOW)));
    log
}

#[test]
fn a_result_nobody_asked_for_is_found() {
    let site = Site::new();
    let mut log = voted(&site);
    log.add(Kind::Result, &json!(site.result("secret", WINDOW, &ALL)));
    assert_eq!(log.misfit(), (2, Unfit::NotRequested { query: "secret".parse().unwrap() }));
}

#[test]
fn a_result_that_was_asked_for_and_not_allowed_is_found() {
    let site = Site::new();
    for verdict in [None, Some(Verdict::Denied), Some(Verdict::Asked)] {
        let mut log = voted(&site);
        log.add(Kind::Request, &site.request("asked"));
        if let Some(verdict) = verdict {
            log.add(Kind::Decision, &site.decision(1, "asked", verdict));
        }
        log.add(Kind::Result, &json!(site.result("asked", WINDOW, &ALL)));
        assert_eq!(log.misfit().1, Unfit::NotAllowed { query: "asked".parse().unwrap() }, "{verdict:?}");
    }
}

#[test]
fn what_was_allowed_and_stopped_is_answered_for_windows_that_had_begun() {
    let site = Site::new();
    let begins = NOON;
    for (stopped, fits) in [(begins, false), (Timestamp::from_micros(begins.as_micros() + 1), true)] {
        let mut log = voted(&site);
        log.add_at(NOON, Kind::Request, &site.request("asked"));
        log.add_at(NOON, Kind::Decision, &site.decision(1, "asked", Verdict::Allowed));
        log.add_at(stopped, Kind::Decision, &site.decision(1, "asked", Verdict::Withdrawn));
        log.add(Kind::Result, &json!(site.result("asked", WINDOW, &ALL)));
        match log.audit() {
            Ok(_) => assert!(fits),
            Err(misfit) => {
                assert_eq!((misfit.unfit, fits), (Unfit::Stopped { query: "asked".parse().unwrap() }, false))
            }
        }
        // Allowed again, it is answered again.
        log = voted(&site);
        log.add(Kind::Request, &site.request("asked"));
        for verdict in [Verdict::Allowed, Verdict::Paused, Verdict::Allowed] {
            log.add(Kind::Decision, &site.decision(1, "asked", verdict));
        }
        log.add(Kind::Result, &json!(site.result("asked", WINDOW, &ALL)));
        assert!(log.audit().is_ok());
    }
}

#[test]
fn a_result_without_a_vote_of_this_peer_is_found() {
    let site = Site::new();
    let mut log = Log::begun(&site, 1);
    log.add(Kind::Vote, &json!(site.vote(WINDOW - 1)));
    log.add(Kind::Result, &json!(site.result("co2-mean", WINDOW, &ALL)));
    let (query, quantity) = ("co2-mean".parse().unwrap(), "co2".parse().unwrap());
    assert_eq!(log.misfit(), (2, Unfit::NotVoted { query, quantity, window: WindowIndex(WINDOW) }));
}

#[test]
fn a_second_vote_or_result_of_a_window_is_found() {
    let site = Site::new();
    let mut log = voted(&site);
    log.add(Kind::Vote, &json!(site.vote(WINDOW)));
    let (quantity, window) = ("co2".parse().unwrap(), WindowIndex(WINDOW));
    assert_eq!(log.misfit(), (2, Unfit::TwoVotes { quantity, window }));
    let mut log = voted(&site);
    log.add(Kind::Result, &json!(site.result("co2-mean", WINDOW, &ALL)));
    log.add(Kind::Result, &json!(site.result("co2-mean", WINDOW, &[1, 2])));
    let query = "co2-mean".parse().unwrap();
    assert_eq!(log.misfit(), (3, Unfit::TwoResults { query, window }));
}

#[test]
fn a_result_that_too_few_signed_or_this_peer_did_not_is_found() {
    let site = Site::new();
    for (signers, fits) in [(&ALL[..], true), (&[1, 3], true), (&[1], false), (&[2, 3], false)] {
        let mut log = voted(&site);
        log.add(Kind::Result, &json!(site.result("co2-mean", WINDOW, signers)));
        assert_eq!(log.audit().is_ok(), fits, "{signers:?}");
    }
    let SignedResult { mut result, signatures } = site.result("co2-mean", WINDOW, &ALL);
    result.cohort += 1;
    let mut log = voted(&site);
    log.add(Kind::Result, &json!(SignedResult { result, signatures }));
    assert!(matches!(log.misfit(), (2, Unfit::Signatures(_))));
}

#[test]
fn a_result_of_another_function_than_was_asked_for_is_found() {
    let site = Site::new();
    let other = ResultDocument { function: "max".to_owned(), ..site.result("co2-mean", WINDOW, &ALL).result };
    let mut log = voted(&site);
    log.add(Kind::Result, &json!(site.sign(other, &ALL)));
    assert_eq!(log.misfit(), (2, Unfit::OtherQuestion { query: "co2-mean".parse().unwrap() }));
}

#[test]
fn a_window_without_a_value_needs_neither_vote_nor_quorum() {
    let site = Site::new();
    let failed = ResultDocument {
        value: None,
        status: Status::Failed,
        reason: Some("waiting: 1 of 2 peers".to_owned()),
        ..site.result("co2-mean", WINDOW, &ALL).result
    };
    let mut log = Log::begun(&site, 1);
    log.add(Kind::Result, &json!(site.sign(failed, &[1])));
    assert!(log.audit().is_ok());
}

#[test]
fn a_cohort_that_is_not_written_down_is_found() {
    let site = Site::new();
    let mut short = site.vote(WINDOW + 1);
    short.members = None;
    let mut log = voted(&site);
    log.add(Kind::Vote, &json!(short));
    assert!(log.audit().is_ok(), "the same as before");
    let mut log = Log::begun(&site, 1);
    log.add(Kind::Vote, &json!(short));
    assert_eq!(log.misfit(), (1, Unfit::Cohort { quantity: "co2".parse().unwrap() }));
    let mut false_digest = site.vote(WINDOW);
    false_digest.cohort.0[0] ^= 1;
    let mut log = Log::begun(&site, 1);
    log.add(Kind::Vote, &json!(false_digest));
    assert!(matches!(log.misfit(), (1, Unfit::Cohort { .. })));
}
