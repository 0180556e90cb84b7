//! What a log keeps, what becomes of it on a bad disk, and what is not believed when it is opened again.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::{Value as Json, json};
use smc_core::audit::{Auditor, Misfit, Row, examine};
use smc_core::charter::Enacted;
use smc_core::document::canonical;
use smc_core::identity::NodeKeys;
use smc_core::roster::document::{PeerTable, SiteTable};
use smc_core::roster::{Roster, SiteDocument};

use rusqlite::Connection;
use smc_core::audit::Unfit;
use smc_core::identity::SigningKey;
use smc_core::name::NodeName;
use smc_core::protocol::standing::Members;
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::*;

mod cut_off;
mod gathered;

const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);

/// A site of three peers, the first of which keeps a log in a folder of its own.
struct Site {
    folder: tempfile::TempDir,
    roster: Arc<Roster>,
    keys: Vec<NodeKeys>,
}

impl Site {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(6962);
        let keys: Vec<_> = (0..3).map(|_| NodeKeys::generate(&mut rng)).collect();
        let peer = |(at, keys): (usize, &NodeKeys)| PeerTable {
            name: format!("peer-{at}").parse().unwrap(),
            identity: keys.signing.verifying_key(),
            sealing: *keys.sealing.public(),
        };
        let site: SiteTable = serde_json::from_value(json!({"name": "hq", "threshold": 1})).unwrap();
        let (peer, none) = ((1..).zip(&keys).map(peer).collect(), vec![]);
        let document =
            SiteDocument { site, peer, agent: vec![], client: vec![], quantity: vec![], query: none };
        Self { folder: tempfile::tempdir().unwrap(), roster: Arc::new(document.try_into().unwrap()), keys }
    }

    fn open(&self) -> Result<Ledger, AuditError> {
        self.open_as(0)
    }

    fn open_as(&self, at: usize) -> Result<Ledger, AuditError> {
        self.open_with(at, None)
    }

    fn open_with(&self, at: usize, run_dir: Option<&Path>) -> Result<Ledger, AuditError> {
        let key = SigningKey::from_bytes(&self.keys[at].signing.to_bytes());
        Ledger::open(self.folder.path(), run_dir, &self.roster, &self.name(at), key)
    }

    fn name(&self, at: usize) -> NodeName {
        format!("peer-{}", at + 1).parse().unwrap()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.sqlite")
    }

    /// A log of some entries, a head over most of them, and closed.
    fn kept(&self) {
        let mut ledger = self.open().unwrap();
        ledger.append(&[started(&self.roster)]).unwrap();
        ledger.append(&(1..20).map(note).collect::<Vec<_>>()).unwrap();
        ledger.sign(NOON).unwrap().unwrap();
        ledger.append(&[note(20), note(21)]).unwrap();
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        let log = LogFile::open(&self.path()).unwrap();
        log.each(0, |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })
        .unwrap();
        rows
    }

    /// What `murmur audit verify` goes by.
    fn verify(&self, path: &Path) -> Result<Result<u64, Misfit>, AuditError> {
        let log = LogFile::open(path)?;
        let (peer, heads) = (log.owner()?.peer, log.heads()?);
        let Ok(peer) = peer.parse::<NodeName>() else {
            return Ok(Err(Misfit { seq: 0, unfit: Unfit::Link }));
        };
        let node = self.roster.peer_named(peer.as_str()).and_then(|peer| self.roster.peer(peer));
        let Some(node) = node else { return Ok(Err(Misfit { seq: 0, unfit: Unfit::Link })) };
        let mut auditor = Auditor::new(self.roster.site(), &peer);
        if let Err(misfit) = auditor.want_own(heads, self.roster.site(), node) {
            return Ok(Err(misfit));
        }
        let mut first = None;
        log.each(0, |row| {
            first = auditor.take(examine(row, &self.roster)).err();
            if first.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(first.map_or_else(|| auditor.finish().map(|audited| audited.entries), Err))
    }
}

fn started(roster: &Roster) -> Draft {
    let body = Body::of(&smc_core::audit::Started::new(roster, "0.1.0")).unwrap();
    Draft { time: NOON, kind: Kind::Start, body }
}

/// A vote on the window `at`: an entry that needs no signature.
fn note(at: u64) -> Draft {
    let vote = Standing {
        epoch: 1,
        window: WindowIndex(at),
        peers: (1..=3).flat_map(PeerIndex::new).collect(),
        members: Members::new(3, 0..3),
        frozen: true,
        roster: Digest([7; 32]),
    };
    let body = Body::of(&Voted::new("co2".parse().unwrap(), &vote, None)).unwrap();
    Draft { time: NOON + Duration::from_secs(at), kind: Kind::Vote, body }
}

fn notes(rows: &[Row]) -> Vec<u64> {
    let note = |row: &Row| serde_json::from_str::<Json>(&row.body).unwrap()["window"].as_u64();
    rows.iter().filter_map(note).collect()
}

/// Does something to the file with SQLite alone, as whoever has it can.
fn tamper(path: &Path, sql: &str) {
    let database = Connection::open(path).unwrap();
    database.execute_batch(sql).unwrap();
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

#[test]
fn a_log_is_kept_grows_on_and_fits() {
    let site = Site::new();
    site.kept();
    let mut ledger = site.open().unwrap();
    assert_eq!(ledger.newest_head().map(|head| head.document.size), Some(20));
    ledger.append(&[note(22)]).unwrap();
    let head = ledger.sign(NOON).unwrap().unwrap().document;
    let before = head.before.as_ref().map(|before| before.size);
    assert_eq!((head.size, before), (23, Some(20)));
    assert!(head.time > NOON, "later than the one before, though the clock is not");
    assert_eq!(ledger.sign(NOON).unwrap(), None, "nothing new to sign for");
    drop(ledger);
    assert_eq!(notes(&site.rows()), (1..=22).collect::<Vec<_>>());
    assert_eq!(site.verify(&site.path()).unwrap(), Ok(23));
}

#[test]
fn nobody_else_can_read_the_log_and_another_peer_does_not_write_it() {
    let site = Site::new();
    site.kept();
    let mode = std::fs::metadata(site.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let error = site.open_as(1).err().unwrap();
    assert!(error.to_string().contains("the log of `peer-1` at `hq`"), "{error}");
}

#[test]
fn what_a_full_disk_does_not_take_is_written_in_order_once_there_is_room() {
    let site = Site::new();
    let ledger = site.open().unwrap();
    ledger.set_full(true);
    let mut owed = writer::Owed::default();
    let mut ledger = ledger;
    for at in 1..=300 {
        assert_eq!(owed.add(vec![note(at)]), 0);
    }
    let error = owed.write(&mut ledger).unwrap_err();
    assert!(error.may_pass() && error.cause().contains("full"), "{error}");
    ledger.set_full(false);
    owed.add(vec![note(301)]);
    owed.write(&mut ledger).unwrap();
    drop(ledger);
    assert_eq!(notes(&site.rows()), (1..=301).collect::<Vec<_>>());
}

#[test]
fn what_is_kept_for_a_disk_that_takes_nothing_is_bounded_and_counted() {
    let mut owed = writer::Owed::default();
    let large = |_| Draft { body: Body::of(&json!({"text": "x".repeat(1 << 19)})).unwrap(), ..note(0) };
    assert_eq!(owed.add((0..40).map(large).collect()), 9, "16 MiB hold 31 of them");
}

#[test]
fn a_head_that_could_not_be_kept_was_never_signed() {
    let site = Site::new();
    let mut ledger = site.open().unwrap();
    ledger.append(&[note(1)]).unwrap();
    ledger.set_read_only(true);
    assert!(ledger.sign(NOON).is_err() && ledger.newest_head().is_none());
    ledger.set_read_only(false);
    assert!(ledger.sign(NOON).unwrap().is_some());
}

#[test]
fn a_log_that_was_changed_is_not_gone_on_with() {
    for (sql, entry) in [
        // After the last head.
        ("UPDATE entry SET body = '{}' WHERE seq = 20", 20),
        ("UPDATE entry SET time = '2026-01-01T13:00:00Z' WHERE seq = 21", 21),
        ("DELETE FROM entry WHERE seq = 20", 20),
        // Before it: as far as the head tells.
        ("UPDATE entry SET nodes = randomblob(length(nodes)) WHERE seq = 19", 19),
        ("DELETE FROM entry WHERE seq > 17", 18),
        ("UPDATE head SET head = replace(head, '\"size\":20', '\"size\":19')", 19),
    ] {
        let site = Site::new();
        site.kept();
        tamper(&site.path(), sql);
        let error = site.open().err().unwrap_or_else(|| panic!("opened after {sql}"));
        let AuditError::Broken { entry: named, .. } = &error else { panic!("{sql}: {error}") };
        assert_eq!(*named, entry, "{sql}: {error}");
        let told = error.to_string();
        assert!(told.contains("audit.sqlite: entry") && told.contains("murmur audit verify"), "{told}");
        assert!(!error.may_pass());
    }
}

/// For each table the columns, and what makes another value of each.
const FIELDS: [(&str, &str); 10] = [
    ("entry", "seq = seq + 1000"),
    ("entry", "time = '2026-01-01T11:00:00Z'"),
    ("entry", "kind = 'decision'"),
    ("entry", "body = replace(body, ':', ': ')"),
    ("entry", "prev = randomblob(32)"),
    ("entry", "nodes = randomblob(length(nodes))"),
    ("head", "size = size + 1"),
    ("head", "head = replace(head, '2026', '2027')"),
    ("owner", "site = 'hq2'"),
    ("owner", "peer = 'peer-2'"),
];

#[test]
fn every_field_of_every_row_is_held_against_the_rest() {
    let site = Site::new();
    site.kept();
    let copy = site.folder.path().join("copy.sqlite");
    for (table, change) in FIELDS {
        let rows = if table == "entry" { 22 } else { 1 };
        for row in 0..rows {
            std::fs::copy(site.path(), &copy).unwrap();
            let place = format!("rowid = (SELECT rowid FROM {table} ORDER BY rowid LIMIT 1 OFFSET {row})");
            tamper(&copy, &format!("UPDATE {table} SET {change} WHERE {place}"));
            let found = site.verify(&copy).unwrap().err();
            // The site's name is held against the site file before anything is read.
            let owner = LogFile::open(&copy).unwrap().owner().unwrap();
            let found = found.map(|misfit| misfit.seq).or((owner.site != "hq").then_some(0));
            let first = if table == "entry" { row } else { 0 };
            assert!(
                found.is_some_and(|seq| table != "entry" || seq == first),
                "{table} {change} {row}: {found:?}"
            );
        }
    }
}

#[test]
fn a_flipped_byte_is_found_or_is_no_part_of_anything_that_is_read() {
    let site = Site::new();
    site.kept();
    let whole = std::fs::read(site.path()).unwrap();
    let (rows, heads) = (site.rows(), LogFile::open(&site.path()).unwrap().heads().unwrap());
    let copy = site.folder.path().join("copy.sqlite");
    let mut rng = ChaCha20Rng::seed_from_u64(20);
    let (mut found, mut unread) = (0, 0);
    for _ in 0..600 {
        let (at, bit) = (rng.next_u64() as usize % whole.len(), rng.next_u32() % 8);
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        std::fs::write(&copy, &bytes).unwrap();
        // Refused, misread as another log, or found.
        if !matches!(site.verify(&copy), Ok(Ok(22))) {
            found += 1;
            continue;
        }
        let log = LogFile::open(&copy).unwrap();
        let mut same = Vec::new();
        log.each(0, |row| {
            same.push(row);
            ControlFlow::Continue(())
        })
        .unwrap();
        assert!(same == rows && log.heads().unwrap() == heads, "byte {at}, bit {bit}");
        unread += 1;
    }
    assert!(found > 100 && unread > 0, "{found} found, {unread} of no meaning");
}

#[test]
fn the_others_heads_are_remembered() {
    let site = Site::new();
    let mut ledger = site.open().unwrap();
    let other = |at: u64| json!({"peer": "peer-2", "size": at});
    let draft = |at| Draft { time: NOON, kind: Kind::Head, body: Body::of(&other(at)).unwrap() };
    ledger.append(&[draft(1), note(1), draft(2)]).unwrap();
    let texts = [1, 2].map(|at| String::from_utf8(canonical(&other(at))).unwrap());
    assert_eq!(ledger.others_heads().unwrap(), texts);
}

#[test]
fn the_newest_charter_in_the_log_is_known_whatever_came_after_it() {
    let site = Site::new();
    let mut ledger = site.open().unwrap();
    let charter = |revision| {
        let mut body = json!({ "v": 1, "site": "hq", "revision": revision, "effective": NOON.to_string() });
        body["before"] = json!(Digest([1; 32]));
        body["after"] = json!(Digest([2; 32]));
        body["change"] = json!({ "remove": { "name": "room-1" } });
        body["signatures"] = json!({});
        body
    };
    let enacted: Enacted = serde_json::from_value(charter(7)).unwrap();
    let known = std::slice::from_ref(&enacted);
    assert_eq!(ledger.revision(known).unwrap(), 0, "none is logged");
    let draft = |at| Draft { time: NOON, kind: Kind::Membership, body: Body::of(&charter(at)).unwrap() };
    ledger.append(&[draft(6), draft(7), note(1)]).unwrap();
    assert_eq!(ledger.revision(known).unwrap(), 7);
}

impl Ledger {
    /// Refuses to grow, as on a full disk.
    fn set_full(&self, full: bool) {
        let pages = if full { 1 } else { u32::MAX - 1 };
        let limit = format!("PRAGMA max_page_count = {pages}");
        self.database().query_row(&limit, [], |_| Ok(())).unwrap();
    }

    /// Refuses every change, as on a disk that became read-only.
    fn set_read_only(&self, read_only: bool) {
        self.database().pragma_update(None, "query_only", read_only).unwrap();
    }
}
