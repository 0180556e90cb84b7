//! Heads: who tells two stories is found out, and an old one that comes again is not taken for another.

use std::sync::Arc;
use std::time::Duration;

use smc_core::audit::{Forked, Growth, Head, HeadError, Heads, Kind, NotTaken, Taken};
use smc_core::document::{Signed, canonical};

use super::site::{Log, NOON, Site};

fn grown<'a>(site: &'a Site, notes: &[&str]) -> Log<'a> {
    let mut log = Log::begun(site, 2);
    for note in notes {
        log.add(Kind::Intervention, &site.order(2, note));
    }
    log
}

/// What peer 1 makes of heads of peer 2 that come one after the other.
fn taken(site: &Site, heads: &[&Signed<Head>]) -> Vec<Result<Taken, NotTaken>> {
    let mut seen = Heads::new(Arc::clone(&site.roster));
    let take =
        |head: &&Signed<Head>| seen.take(NOON, site.peer(2), &canonical(*head)).map(|(taken, _)| taken);
    heads.iter().map(take).collect()
}

#[test]
fn a_log_that_grows_is_proven_to_and_heads_that_come_again_are_known() {
    let site = Site::new();
    let mut log = Log::begun(&site, 2);
    let heads: Vec<_> = (0..5)
        .map(|at| {
            log.add(Kind::Intervention, &site.order(2, &format!("at {at}")));
            log.sign()
        })
        .collect();
    let new = |proven| Ok(Taken::New { proven });
    let come = [&heads[0], &heads[1], &heads[1], &heads[0], &heads[4], &heads[2]];
    let made = taken(&site, &come);
    // The fifth comes after two that were missed; the third is older than it and was never seen.
    assert_eq!(
        made,
        [new(true), new(true), Ok(Taken::Known), Ok(Taken::Known), new(false), Ok(Taken::Known)]
    );
    assert_eq!(heads[2].document.follows(&heads[4].document), Ok(Growth::Older));
}

#[test]
fn whoever_tells_two_stories_is_found_out_and_told_of_once() {
    let site = Site::new();
    let told = grown(&site, &["a", "b"]).sign();
    let forked = |heads: &[&Signed<Head>]| {
        let made = taken(&site, &[&[&told], heads].concat());
        let Ok(Taken::Forked(forked)) = made[1] else { unreachable!("{made:?}") };
        assert_eq!(made[2..], vec![Ok(Taken::Known); made.len() - 2]);
        forked
    };
    let split = grown(&site, &["a", "c"]).sign();
    assert_eq!(forked(&[&split, &split, &told]), Forked::Split { size: 3 });
    let (denied, shrunk) = (grown(&site, &["a", "c", "d"]).sign(), grown(&site, &["a"]));
    assert_eq!(forked(&[&denied]), Forked::Denied { earlier: 3, size: 4 });
    let shrunk = shrunk.head_at(NOON + Duration::from_secs(1), None);
    assert_eq!(forked(&[&shrunk]), Forked::Shrunk { earlier: 3, size: 2 });
    let mut other = grown(&site, &["a", "c"]);
    other.sign();
    other.add(Kind::Intervention, &site.order(2, ""));
    assert_eq!(forked(&[&other.sign()]), Forked::Changed { earlier: 3, size: 4 });
}

#[test]
fn what_is_no_head_of_the_peer_counts_for_nothing() {
    let site = Site::new();
    let log = grown(&site, &["a", "b"]);
    let good = log.head(None);
    let refused = |head: &Signed<Head>| {
        let made = taken(&site, &[head]);
        let Err(NotTaken::Head(error)) = made[0] else { unreachable!("{made:?}") };
        error
    };
    let mut other = good.clone();
    other.document.time = NOON;
    assert_eq!(refused(&other), HeadError::Unsigned);
    assert_eq!(refused(&Log::begun(&site, 3).sign()), HeadError::Malformed);
    let mut false_proof = log.before(&grown(&site, &["a"]).sign().document);
    false_proof.proof[0].0[0] ^= 1;
    assert_eq!(refused(&log.head(Some(false_proof))), HeadError::Unproven);
    let mut seen = Heads::new(Arc::clone(&site.roster));
    for garbage in [&b"{}"[..], b"", b"[]", &[b' '; 10_000]] {
        assert_eq!(seen.take(NOON, site.peer(2), garbage).unwrap_err(), NotTaken::Head(HeadError::Malformed));
    }
}

#[test]
fn more_heads_than_anybody_should_log_are_refused_for_a_while() {
    let site = Site::new();
    let mut log = Log::begun(&site, 2);
    let mut seen = Heads::new(Arc::clone(&site.roster));
    let mut publish = |at| {
        log.add(Kind::Intervention, &site.order(2, ""));
        seen.take(at, site.peer(2), &canonical(&log.sign())).map(|(taken, _)| taken)
    };
    let taken = (0..1_000).filter(|_| publish(NOON).is_ok()).count();
    assert_eq!(taken, 32);
    assert_eq!(publish(NOON), Err(NotTaken::TooMany));
    let later = NOON + Duration::from_secs(30);
    assert_eq!((0..1_000).filter(|_| publish(later).is_ok()).count(), 3);
    // What was refused leaves no gap that would pass for a fork.
    assert_eq!(publish(later + Duration::from_secs(3_600)), Ok(Taken::New { proven: false }));
}

#[test]
fn what_was_logged_in_an_earlier_life_is_held_against_a_peer() {
    let site = Site::new();
    let mut seen = Heads::new(Arc::clone(&site.roster));
    let told = grown(&site, &["a", "b"]).sign();
    seen.recover(site.peer(2), &canonical(&told));
    assert_eq!(seen.newest(site.peer(2)), Some(&told));
    let other = grown(&site, &["a", "c"]).sign();
    let taken = seen.take(NOON, site.peer(2), &canonical(&other)).map(|(taken, _)| taken);
    assert_eq!(taken, Ok(Taken::Forked(Forked::Split { size: 3 })));
}

#[test]
fn a_log_tells_of_another_peer_that_told_two_stories() {
    let site = Site::new();
    let mut log = Log::begun(&site, 1);
    for head in [grown(&site, &["a"]).sign(), grown(&site, &["b"]).sign()] {
        log.add(Kind::Head, &serde_json::json!(head));
    }
    let (audited, found) = log.audit_with(&[]).unwrap();
    assert_eq!(audited.entries, 3, "the log that has the proof is in order itself");
    let told: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["peer-2 signed heads that contradict each other, entries 1 and 2: two heads of 2 entries differ"]
    );
}
