//! A policy file that changes while it is in force.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{case, request};
use smc_policy::{News, Outcome, Watched};

const YES: &str = "@id(\"yes\") permit (principal, action, resource);";
const NO: &str = "@id(\"no\") forbid (principal, action, resource);\n";

fn outcome(watched: &Watched) -> Outcome {
    watched.policy().judge(&case(&request("display", "mean", "co2"))).outcome
}

fn open(path: &Path) -> Watched {
    let (watched, error) = Watched::open(Some(path.to_owned())).unwrap();
    assert!(error.is_none(), "{error:?}");
    watched
}

#[test]
fn without_a_file_every_request_asks_the_operator() {
    let (mut watched, error) = Watched::open(None).unwrap();
    assert!(error.is_none());
    assert_eq!(outcome(&watched), Outcome::Ask);
    assert!(watched.poll().is_none());
}

#[test]
fn a_changed_file_is_in_force_once_it_has_settled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.cedar");
    fs::write(&path, YES).unwrap();
    let mut watched = open(&path);
    assert_eq!(outcome(&watched), Outcome::Allow);
    assert!(watched.poll().is_none());
    fs::write(&path, NO).unwrap();
    assert!(watched.poll().is_none(), "it may be half written");
    assert_eq!(outcome(&watched), Outcome::Allow);
    assert!(matches!(watched.poll(), Some(News::Taken { rules: 1 })));
    assert_eq!(outcome(&watched), Outcome::Deny);
    assert!(watched.poll().is_none());
}

#[test]
fn a_policy_with_a_mistake_leaves_the_last_good_one_in_force_and_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.cedar");
    fs::write(&path, YES).unwrap();
    let mut watched = open(&path);
    fs::write(&path, "permit everything;").unwrap();
    assert!(watched.poll().is_none());
    let Some(News::Kept(error)) = watched.poll() else { panic!("no news") };
    assert!(error.to_string().contains("policy.cedar:1:"), "{error}");
    assert!(watched.poll().is_none() && watched.poll().is_none());
    assert_eq!(outcome(&watched), Outcome::Allow);
    fs::remove_file(&path).unwrap();
    assert!(watched.poll().is_none());
    assert!(matches!(watched.poll(), Some(News::Kept(_))), "a file that is gone is no policy");
    assert_eq!(outcome(&watched), Outcome::Allow);
    fs::write(&path, NO).unwrap();
    assert!(watched.poll().is_none());
    assert!(matches!(watched.poll(), Some(News::Taken { .. })));
    assert_eq!(outcome(&watched), Outcome::Deny);
}

#[test]
fn a_peer_that_starts_with_a_mistake_denies_until_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.cedar");
    let (mut watched, error) = Watched::open(Some(path.clone())).unwrap();
    assert!(error.unwrap().to_string().contains("can't be read"));
    assert_eq!(outcome(&watched), Outcome::Deny);
    fs::write(&path, YES).unwrap();
    assert!(watched.poll().is_none());
    assert!(matches!(watched.poll(), Some(News::Taken { .. })));
    assert_eq!(outcome(&watched), Outcome::Allow);
}
