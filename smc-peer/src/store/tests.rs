//! What a store keeps, and what becomes of it.

use bytes::Bytes;
use smc_core::digest::Digest;
use smc_core::peers::PeerSet;
use smc_core::protocol::standing::Members;

use super::*;

impl Store {
    /// Refuses to grow, as on a full disk.
    pub(crate) fn set_full(&self, full: bool) {
        // The fewest pages that SQLite allows are those that there are.
        let pages = if full { 1 } else { u32::MAX - 1 };
        self.database.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    }

    /// Refuses every change, as on a disk that became read-only.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        self.database.pragma_update(None, "query_only", read_only).unwrap();
    }
}

pub(crate) fn vote(window: u64) -> (QuantityName, Standing) {
    let members = Members::new(3, [0, 2]);
    let standing = Standing {
        epoch: 1,
        window: WindowIndex(window),
        peers: PeerSet::EMPTY,
        members,
        frozen: false,
        roster: Digest([7; 32]),
    };
    ("co2".parse().unwrap(), standing)
}

pub(crate) fn input(window: u64) -> StoredInput {
    let period = Period::from_millis(1000).unwrap();
    let (agent, window) = ("room-1".parse().unwrap(), WindowIndex(window));
    let key = InputKey { agent, period, part: 0, window };
    StoredInput { key, envelope: Bytes::from_static(b"sealed") }
}

#[test]
fn a_store_remembers() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), None).unwrap();
    assert!(store.is_fresh());
    let inputs = vec![input(1), input(2)];
    store.write(&Batch { inputs, votes: vec![vote(1)], ..Batch::default() }).unwrap();
    store.write(&Batch { forgotten: vec![input(1).key], votes: vec![vote(2)], ..Batch::default() }).unwrap();
    drop(store);
    let store = Store::open(dir.path(), None).unwrap();
    assert!(!store.is_fresh());
    assert_eq!(store.votes().unwrap(), [vote(2)]);
    assert_eq!(kept(&store), [input(2)]);
}

#[test]
fn decisions_and_the_last_order_outlive_the_process() {
    let saved = |query: &str, verdict: &str| -> Saved {
        serde_json::from_value(serde_json::json!({
            "decision": {
                "v": 1, "site": "hq", "peer": "tenant", "query": query, "verdict": verdict, "reason": "a test",
                "at": "2026-01-01T00:00:00Z",
            }
        }))
        .unwrap()
    };
    let decided = |query: &str, saved: Option<Saved>| Batch {
        decisions: [(query.parse().unwrap(), saved)].into(),
        ..Batch::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), None).unwrap();
    assert_eq!(store.last_order().unwrap(), None);
    let mut batch = decided("air", Some(saved("air", "asked")));
    batch.absorb(decided("water", Some(saved("water", "denied"))));
    batch.absorb(Batch {
        order: Some(Timestamp::from_secs(7)),
        ..decided("air", Some(saved("air", "allowed")))
    });
    store.write(&batch).unwrap();
    store.write(&decided("water", None)).unwrap();
    drop(store);
    let store = Store::open(dir.path(), None).unwrap();
    assert_eq!(store.decisions().unwrap(), [saved("air", "allowed")]);
    assert_eq!(store.last_order().unwrap(), Some(Timestamp::from_secs(7)));
}

fn kept(store: &Store) -> Vec<StoredInput> {
    let mut inputs = Vec::new();
    store.each_input(|input| inputs.push(input)).unwrap();
    inputs
}

#[test]
fn a_store_that_was_never_made_whole_is_a_fresh_one() {
    let dir = tempfile::tempdir().unwrap();
    // As a full disk or a kill leaves it: the file is there, and nothing in it.
    std::fs::write(dir.path().join("peer.sqlite"), "").unwrap();
    assert!(Store::open(dir.path(), None).unwrap().is_fresh());
    assert!(!Store::open(dir.path(), None).unwrap().is_fresh());
}

#[test]
fn what_makes_a_store_useless_for_good_is_told_from_what_may_pass() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("peer.sqlite");
    let of = |error| StoreError::File { path: path.clone(), error: std::io::Error::from(error) };
    assert!(of(std::io::ErrorKind::StorageFull).may_pass());
    assert!(!of(std::io::ErrorKind::PermissionDenied).may_pass());
    let mut store = Store::open(dir.path(), None).unwrap();
    store.set_full(true);
    let large = StoredInput { envelope: vec![7; 100_000].into(), ..input(1) };
    let full = store.write(&Batch { inputs: vec![large], ..Batch::default() }).unwrap_err();
    assert!(full.may_pass(), "{full}");
    drop(store);
    std::fs::write(&path, "not a database").unwrap();
    assert!(!Store::open(dir.path(), None).unwrap_err().may_pass());
}

#[test]
fn parts_of_a_window_are_kept_and_forgotten_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let part = |part| StoredInput { key: InputKey { part, ..input(1).key }, ..input(1) };
    let mut store = Store::open(dir.path(), None).unwrap();
    let inputs_of = |parts: &[u32]| parts.iter().map(|&number| part(number)).collect::<Vec<_>>();
    store.write(&Batch { inputs: inputs_of(&[0, 1, 2, 3]), ..Batch::default() }).unwrap();
    drop(store);
    let mut store = Store::open(dir.path(), None).unwrap();
    store.write(&Batch { forgotten: vec![part(0).key, part(2).key], ..Batch::default() }).unwrap();
    assert_eq!(kept(&store), inputs_of(&[1, 3]));
}

#[test]
fn a_store_of_the_layout_without_parts_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let old = Connection::open(dir.path().join("peer.sqlite")).unwrap();
    let table = Inputs::Beside.sql(inputs::TABLE);
    let schema = SCHEMA.to_owned() + &table.replace(", part INTEGER NOT NULL DEFAULT 0", "");
    assert_ne!(schema, SCHEMA.to_owned() + &table);
    old.execute_batch(&schema).unwrap();
    old.execute("INSERT INTO input VALUES (NULL, 'room-1', 1000, 7, ?1)", [&b"sealed"[..]]).unwrap();
    old.pragma_update(None, "user_version", WITHOUT_PARTS).unwrap();
    drop(old);
    for _ in 0..2 {
        let store = Store::open(dir.path(), None).unwrap();
        assert_eq!(kept(&store), [input(7)]);
    }
    let newer = Connection::open(dir.path().join("peer.sqlite")).unwrap();
    newer.pragma_update(None, "user_version", LAYOUT + 1).unwrap();
    assert!(matches!(Store::open(dir.path(), None), Err(StoreError::Layout { have: 4, .. })));
}

#[test]
fn an_erased_key_is_in_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), None).unwrap();
    let secret = SealingSecret::from_bytes(&[0x5a; 32]);
    store.keep_epoch_key(KeyEpoch(7), &secret).unwrap();
    assert!(store.epoch_key(KeyEpoch(7)).unwrap().is_some());
    store.erase_keys_before(KeyEpoch(8)).unwrap();
    assert!(store.epoch_key(KeyEpoch(7)).unwrap().is_none());
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(16).any(|window| *window == [0x5a; 16]));
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_store() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let _store = Store::open(dir.path(), None).unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

#[test]
fn what_is_no_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("peer.sqlite"), "not a database").unwrap();
    assert!(matches!(Store::open(dir.path(), None), Err(StoreError::Sqlite { .. })));
}

#[test]
fn inputs_with_a_folder_of_their_own_are_in_no_other_and_survive_the_process() {
    let (dir, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let envelope = Bytes::from_static(b"an envelope that is easily found");
    let input = |window| StoredInput { envelope: envelope.clone(), ..input(window) };
    let mut store = Store::open(dir.path(), Some(own.path())).unwrap();
    let inputs = vec![input(1), input(2)];
    store.write(&Batch { inputs, votes: vec![vote(1)], ..Batch::default() }).unwrap();
    let (dir, own) = (as_a_kill_leaves(dir.path()), as_a_kill_leaves(own.path()));
    let mut store = Store::open(dir.path(), Some(own.path())).unwrap();
    assert!(!store.is_fresh());
    assert_eq!((store.votes().unwrap(), kept(&store)), (vec![vote(1)], vec![input(1), input(2)]));
    store.write(&Batch { forgotten: vec![input(1).key], ..Batch::default() }).unwrap();
    assert_eq!(kept(&store), [input(2)]);
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(envelope.len()).any(|window| window == envelope));
    }
}

/// A copy of the files of a store that runs: nothing in them is tidied up.
fn as_a_kill_leaves(folder: &Path) -> tempfile::TempDir {
    let left = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
    }
    left
}

#[test]
fn a_peer_whose_inputs_are_gone_with_the_machine_keeps_its_votes() {
    let (dir, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = own.path().join("peer");
    let mut store = Store::open(dir.path(), Some(&folder)).unwrap();
    store.write(&Batch { inputs: vec![input(1)], votes: vec![vote(1)], ..Batch::default() }).unwrap();
    drop(store);
    std::fs::remove_dir_all(&folder).unwrap();
    let store = Store::open(dir.path(), Some(&folder)).unwrap();
    assert!(!store.is_fresh());
    assert_eq!((store.votes().unwrap(), kept(&store)), (vec![vote(1)], vec![]));
}

#[test]
fn inputs_that_are_of_no_use_any_more_are_dropped() {
    let (dir, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let beside = Batch { inputs: vec![input(1)], ..Batch::default() };
    Store::open(dir.path(), None).unwrap().write(&beside).unwrap();
    let mut store = Store::open(dir.path(), Some(own.path())).unwrap();
    assert_eq!(kept(&store), [], "from before inputs had a folder of their own");
    store.write(&Batch { inputs: vec![input(2)], ..Batch::default() }).unwrap();
    drop(store);
    assert_eq!(kept(&Store::open(dir.path(), None).unwrap()), []);
    let another = tempfile::tempdir().unwrap();
    let store = Store::open(another.path(), Some(own.path())).unwrap();
    assert_eq!(kept(&store), [], "sealed to keys that are gone");
}
