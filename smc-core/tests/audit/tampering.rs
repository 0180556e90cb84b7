//! Every field of every entry, changed in turn; entries taken out, put in, swapped, taken off the end.

use smc_core::audit::{Audited, Head, Row, Unfit};

use super::site::{Log, Site, audit};

/// A change to one field of an entry, and what the field is called.
type Change = (&'static str, fn(&mut Row));

/// A change to one field of a head.
type HeadChange = (&'static str, fn(&mut Head));

const CHANGES: [Change; 14] = [
    ("seq", |row| row.seq += 1),
    ("time", |row| row.time = "2026-01-01T11:59:59Z".to_owned()),
    ("time as it is not written", |row| row.time = row.time.replace('Z', "+00:00")),
    ("kind", |row| row.kind = if row.kind == "head" { "vote" } else { "head" }.to_owned()),
    ("kind as there is none", |row| row.kind.make_ascii_uppercase()),
    ("body", |row| row.body = row.body.replacen(':', ":1", 1).replacen(":1\"", ":\"x", 1)),
    ("body's order", |row| row.body = format!("{{\"zz\":0,{}", &row.body[1..])),
    ("a space in the body", |row| row.body.push(' ')),
    ("no body", |row| row.body.clear()),
    ("prev", |row| row.prev[31] ^= 1),
    ("no prev", |row| row.prev.clear()),
    ("its hash", |row| row.nodes[0] ^= 1),
    ("its last subtree", |row| *row.nodes.last_mut().unwrap() ^= 128),
    ("one subtree more", |row| row.nodes.extend([0; 32])),
];

#[test]
fn a_log_that_nobody_touched_fits() {
    let site = Site::new();
    let log = Log::of_all_kinds(&site, 1);
    let Audited { entries, heads, vouched, .. } = log.audit().unwrap();
    assert_eq!((entries, heads, vouched), (10, 2, 10));
}

#[test]
fn a_change_to_any_field_of_any_entry_is_found_there() {
    let site = Site::new();
    let log = Log::of_all_kinds(&site, 1);
    for at in 0..log.rows.len() {
        for (field, change) in CHANGES {
            let mut rows = log.rows.clone();
            change(&mut rows[at]);
            assert_ne!(rows, log.rows, "{field}");
            let misfit = audit(&site, 1, &rows, &log.heads, &[]).expect_err(field);
            assert_eq!(misfit.seq, at as u64, "{field}: {misfit}");
        }
    }
}

#[test]
fn an_entry_taken_out_put_in_or_swapped_is_found_there() {
    let site = Site::new();
    let log = Log::of_all_kinds(&site, 1);
    let last = log.rows.len() - 1;
    for at in 0..=last {
        let check = |what: &str, rows: &[Row], first: usize| {
            let misfit = audit(&site, 1, rows, &log.heads, &[]).expect_err(what);
            assert_eq!(misfit.seq, first as u64, "{what} {at}: {misfit}");
        };
        let mut rows = log.rows.clone();
        rows.remove(at);
        check("taken out", &rows, at);
        let mut rows = log.rows.clone();
        rows.insert(at, rows[at].clone());
        check("put in", &rows, at + 1);
        if at < last {
            let mut rows = log.rows.clone();
            rows.swap(at, at + 1);
            check("swapped", &rows, at);
            // As whoever can write the file would: with the numbers that belong there.
            let (first, second) = (rows[at].seq, rows[at + 1].seq);
            (rows[at].seq, rows[at + 1].seq) = (second, first);
            check("swapped, numbers and all", &rows, at);
        }
        check("cut off", &log.rows[..at], at);
    }
}

#[test]
fn a_log_of_another_peer_does_not_pass_for_this_ones() {
    let site = Site::new();
    let other = Log::of_all_kinds(&site, 2);
    let misfit = audit(&site, 1, &other.rows, &[], &[]).unwrap_err();
    assert_eq!((misfit.seq, misfit.unfit), (0, Unfit::Link));
}

#[test]
fn a_log_that_was_rewritten_hashes_and_all_does_not_fit_the_heads() {
    let site = Site::new();
    let log = Log::of_all_kinds(&site, 1);
    let mut rewritten = Log::begun(&site, 1);
    for row in &log.rows[1..] {
        let body = serde_json::from_str(&row.body).unwrap();
        let body = if row.seq == 7 { site.order(1, "another one") } else { body };
        rewritten.add(row.kind.parse().unwrap(), &body);
    }
    assert!(rewritten.audit().is_ok(), "without heads nobody can tell");
    let misfit = audit(&site, 1, &rewritten.rows, &log.heads, &[]).unwrap_err();
    // The head of four entries fits; that of ten does not.
    let changed = Unfit::Changed { size: 10, keeper: "the peer itself keeps".to_owned(), from: 4 };
    assert_eq!((misfit.seq, misfit.unfit), (9, changed));
    let misfit = rewritten.audit_with(&log.heads[1..]).unwrap_err();
    assert_eq!(misfit.unfit, Unfit::Changed { size: 10, keeper: "peer-2 has".to_owned(), from: 0 });
}

#[test]
fn entries_taken_off_the_end_are_missed_by_whoever_has_a_head() {
    let site = Site::new();
    let log = Log::of_all_kinds(&site, 1);
    let misfit = audit(&site, 1, &log.rows[..7], &log.heads[..1], &log.heads).unwrap_err();
    assert_eq!((misfit.seq, misfit.unfit), (7, Unfit::Ends { size: 10, keeper: "peer-2 has".to_owned() }));
}

#[test]
fn a_change_to_any_of_the_own_heads_is_found() {
    let site = Site::new();
    let log = Log::of_all_kinds(&site, 1);
    let changes: [HeadChange; 8] = [
        ("v", |head| head.v = 2),
        ("peer", |head| head.peer = "peer-2".parse().unwrap()),
        ("size", |head| head.size -= 1),
        ("root", |head| head.root.0[0] ^= 1),
        ("chain", |head| head.chain.0[0] ^= 1),
        ("time", |head| head.time = super::site::NOON),
        ("before", |head| head.before = None),
        ("proof", |head| head.before.as_mut().unwrap().proof[0].0[0] ^= 1),
    ];
    for (field, change) in changes {
        let mut heads = log.heads.clone();
        change(&mut heads[1].document);
        let misfit = audit(&site, 1, &log.rows, &heads, &[]).expect_err(field);
        assert!(matches!(misfit.unfit, Unfit::Head { .. }), "{field}: {misfit}");
    }
    let taken_out = audit(&site, 1, &log.rows, &log.heads[1..], &[]).unwrap_err();
    assert_eq!((taken_out.seq, taken_out.unfit), (9, Unfit::HeadOrder { size: 10 }));
}
