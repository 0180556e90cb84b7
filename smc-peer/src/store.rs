//! What a peer must not forget: its votes, the sealed inputs that plans may still refer to, its epoch keys.
//!
//! Inputs are kept as they came, sealed. They open with the key of their epoch alone, so that once that key is
//! erased neither the file nor a copy of it tells anything.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use smc_core::envelope::KeyEpoch;
use smc_core::identity::SealingSecret;
use smc_core::name::{NodeName, QuantityName};
use smc_core::protocol::standing::Standing;
use smc_core::time::{Period, WindowIndex};
use zeroize::Zeroizing;

/// The layout of the tables.
const LAYOUT: i64 = 2;
/// The layout before there were parts of vectors.
const WITHOUT_PARTS: i64 = 1;

/// A peer's store: one SQLite file of mode 0600.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    database: Connection,
    /// Where each input is. Inputs come in any order; written one after the other, and found again by this, they
    /// cost one page for several instead of several pages for one.
    rows: HashMap<InputKey, i64>,
    fresh: bool,
}

/// The store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file can't be made or read.
    #[error("{path}: {error}; check `state_dir`, its owner and the room on the disk")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Another version of the program wrote the file.
    #[error(
        "{path}: layout {have}, this program knows {LAYOUT}; run the version that wrote it, or move the file away"
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// What it has.
        have: i64,
    },
    /// The database refuses.
    #[error("{path}: {error}; check the room on the disk, or move a damaged file away")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
}

impl StoreError {
    /// What went wrong, without the path, which is nobody else's business.
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::File { error, .. } => error.to_string(),
            Self::Layout { have, .. } => format!("layout {have}"),
            Self::Sqlite { error, .. } => error.to_string(),
        }
    }
}

/// What belongs together: written all or not at all, and on disk when [`Store::write`] returns.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Inputs to keep.
    pub(crate) inputs: Vec<StoredInput>,
    /// Inputs to erase.
    pub(crate) forgotten: Vec<InputKey>,
    /// Votes to remember.
    pub(crate) votes: Vec<(QuantityName, Standing)>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.forgotten.is_empty() && self.votes.is_empty()
    }

    /// How many bytes of inputs are to be kept.
    pub(crate) fn bytes(&self) -> usize {
        self.inputs.iter().map(|input| input.envelope.len()).sum()
    }

    /// Takes a later batch in: as if both were written one after the other.
    pub(crate) fn absorb(&mut self, later: Self) {
        self.inputs.extend(later.inputs);
        let mut forgotten: HashSet<_> = later.forgotten.into_iter().collect();
        self.inputs.retain(|input| !forgotten.remove(&input.key));
        self.forgotten.extend(forgotten);
        for (quantity, vote) in later.votes {
            self.votes.retain(|(voted, _)| *voted != quantity);
            self.votes.push((quantity, vote));
        }
    }

    /// Gives up the oldest inputs beyond `max_bytes`; returns how many.
    pub(crate) fn shrink(&mut self, max_bytes: usize) -> u64 {
        let mut bytes = self.bytes();
        let too_many = self.inputs.iter().take_while(|input| {
            let over = bytes > max_bytes;
            bytes -= if over { input.envelope.len() } else { 0 };
            over
        });
        let count = too_many.count();
        self.inputs.drain(..count);
        count as u64
    }
}

/// Which input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct InputKey {
    /// Whose.
    pub(crate) agent: NodeName,
    /// Of the bundle with this period.
    pub(crate) period: Period,
    /// And with this number.
    pub(crate) part: u32,
    /// Of this window.
    pub(crate) window: WindowIndex,
}

/// An input as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredInput {
    /// Which.
    pub(crate) key: InputKey,
    /// The envelope.
    pub(crate) envelope: Bytes,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS vote (quantity TEXT PRIMARY KEY, vote TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS input (
        id INTEGER PRIMARY KEY, agent TEXT NOT NULL, period INTEGER NOT NULL, window INTEGER NOT NULL,
        envelope BLOB NOT NULL, part INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE IF NOT EXISTS epoch_key (epoch INTEGER PRIMARY KEY, secret BLOB NOT NULL) STRICT;
";

impl Store {
    /// Opens the store in `state_dir`, or makes it.
    ///
    /// # Errors
    /// If the file can't be used.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, StoreError> {
        let path = state_dir.join("peer.sqlite");
        let file = |error| StoreError::File { path: path.clone(), error };
        std::fs::create_dir_all(state_dir).map_err(file)?;
        let fresh = !path.exists();
        create_private(&path).map_err(file)?;
        let sqlite = |error| StoreError::Sqlite { path: path.clone(), error };
        let database = Connection::open(&path).map_err(sqlite)?;
        Self::prepare(database, path.clone(), fresh).map_err(sqlite)?
    }

    /// A store that forgets when it is dropped, for demonstrations and measurements.
    ///
    /// # Errors
    /// If memory is short.
    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let path = PathBuf::from(":memory:");
        let sqlite = |error| StoreError::Sqlite { path: path.clone(), error };
        let database = Connection::open_in_memory().map_err(sqlite)?;
        Self::prepare(database, path.clone(), true).map_err(sqlite)?
    }

    fn prepare(
        database: Connection,
        path: PathBuf,
        fresh: bool,
    ) -> rusqlite::Result<Result<Self, StoreError>> {
        database.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF;
             PRAGMA cache_size = -512; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;",
        )?;
        let have: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if ![0, WITHOUT_PARTS, LAYOUT].contains(&have) {
            return Ok(Err(StoreError::Layout { path, have }));
        }
        // All or not at all, also if the process dies in between.
        let change = database.unchecked_transaction()?;
        if have == WITHOUT_PARTS {
            change.execute_batch("ALTER TABLE input ADD COLUMN part INTEGER NOT NULL DEFAULT 0")?;
        }
        change.execute_batch(SCHEMA)?;
        change.pragma_update(None, "user_version", LAYOUT)?;
        change.commit()?;
        let mut store = Self { path, database, rows: HashMap::new(), fresh };
        Ok(store.find_rows().map(|()| store))
    }

    /// Whether there was nothing to remember.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Writes a batch. With a vote in it, all of it is on disk when this returns, and whatever was written before;
    /// without one it survives the process at once and a power cut a little later.
    ///
    /// # Errors
    /// If that failed; nothing of the batch is written then.
    pub(crate) fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        match write(&mut self.database, &self.rows, batch) {
            Ok(written) => {
                for key in &batch.forgotten {
                    self.rows.remove(key);
                }
                self.rows.extend(written);
                Ok(())
            }
            Err(error) => Err(self.sqlite(error)),
        }
    }

    /// The last vote on each quantity.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(crate) fn votes(&self) -> Result<Vec<(QuantityName, Standing)>, StoreError> {
        self.read("SELECT quantity, vote FROM vote", |row| {
            let (quantity, vote): (String, String) = (row.get(0)?, row.get(1)?);
            Ok(quantity.parse().ok().zip(serde_json::from_str(&vote).ok()))
        })
    }

    /// Shows all inputs kept, one after the other.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(crate) fn each_input(&self, mut show: impl FnMut(StoredInput)) -> Result<(), StoreError> {
        let shown = self.read("SELECT agent, period, part, window, envelope FROM input ORDER BY id", |row| {
            let envelope: Vec<u8> = row.get(4)?;
            Ok(input_key(row)?.map(|key| show(StoredInput { key, envelope: envelope.into() })))
        });
        shown.map(|_| ())
    }

    fn find_rows(&mut self) -> Result<(), StoreError> {
        let rows = self.read("SELECT agent, period, part, window, id FROM input", |row| {
            let id: i64 = row.get(4)?;
            Ok(input_key(row)?.map(|key| (key, id)))
        })?;
        self.rows = rows.into_iter().collect();
        Ok(())
    }

    /// The sealing key of `epoch`, if it was made before.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(crate) fn epoch_key(&self, epoch: KeyEpoch) -> Result<Option<SealingSecret>, StoreError> {
        let secret = self
            .database
            .query_row("SELECT secret FROM epoch_key WHERE epoch = ?1", [epoch.0 as i64], |row| row.get(0))
            .optional()
            .map_err(|error| self.sqlite(error))?;
        Ok(secret.map(|secret: [u8; 32]| SealingSecret::from_bytes(&Zeroizing::new(secret))))
    }

    /// Keeps the sealing key of `epoch`.
    ///
    /// # Errors
    /// If it is not on disk.
    pub(crate) fn keep_epoch_key(
        &mut self,
        epoch: KeyEpoch,
        secret: &SealingSecret,
    ) -> Result<(), StoreError> {
        self.database.pragma_update(None, "synchronous", "FULL").map_err(|error| self.sqlite(error))?;
        let secret = secret.to_bytes();
        let kept = self.database.execute(
            "INSERT OR REPLACE INTO epoch_key VALUES (?1, ?2)",
            params![epoch.0 as i64, &secret[..]],
        );
        kept.map(|_| ()).map_err(|error| self.sqlite(error))
    }

    /// Erases the sealing keys of all epochs before `epoch`, from the write-ahead log as well.
    ///
    /// # Errors
    /// If they may still be there.
    pub(crate) fn erase_keys_before(&mut self, epoch: KeyEpoch) -> Result<(), StoreError> {
        // Overwritten, not only unlinked.
        let secure = self.database.pragma_update(None, "secure_delete", "ON");
        let erased = secure
            .and_then(|()| self.database.execute("DELETE FROM epoch_key WHERE epoch < ?1", [epoch.0 as i64]));
        if erased.map_err(|error| self.sqlite(error))? > 0 {
            let truncated = self.database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            truncated.map_err(|error| self.sqlite(error))?;
        }
        self.database.pragma_update(None, "secure_delete", "OFF").map_err(|error| self.sqlite(error))
    }

    /// What can't be parsed any more was damaged or comes from another site; it serves nobody.
    fn read<T>(
        &self,
        sql: &str,
        row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<Option<T>>,
    ) -> Result<Vec<T>, StoreError> {
        let rows =
            self.database.prepare(sql).and_then(|mut statement| statement.query_map([], row)?.collect());
        let rows: Vec<Option<T>> = rows.map_err(|error| self.sqlite(error))?;
        Ok(rows.into_iter().flatten().collect())
    }

    fn sqlite(&self, error: rusqlite::Error) -> StoreError {
        StoreError::Sqlite { path: self.path.clone(), error }
    }
}

/// Agent, period, part and window of a row, in its first four columns; none if they make no sense.
fn input_key(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<InputKey>> {
    let agent: String = row.get(0)?;
    let (period, part, window): (i64, i64, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let parsed =
        agent.parse().ok().zip(Period::from_millis(period as u64).ok()).zip(u32::try_from(part).ok());
    Ok(parsed.map(|((agent, period), part)| InputKey {
        agent,
        period,
        part,
        window: WindowIndex(window as u64),
    }))
}

/// Writes a batch; returns where the inputs went.
fn write(
    database: &mut Connection,
    rows: &HashMap<InputKey, i64>,
    batch: &Batch,
) -> rusqlite::Result<Vec<(InputKey, i64)>> {
    let mut written = Vec::with_capacity(batch.inputs.len());
    // A vote is waited for: it is synced, but leaves the tidying of the log to whoever comes next.
    let (synchronous, checkpoint) = if batch.votes.is_empty() { ("NORMAL", 1000) } else { ("FULL", 0) };
    database.pragma_update(None, "synchronous", synchronous)?;
    database.pragma_update(None, "wal_autocheckpoint", checkpoint)?;
    let transaction = database.transaction()?;
    {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO input (agent, period, window, envelope, part) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        for StoredInput { key, envelope } in &batch.inputs {
            let (period, window) = (key.period.as_millis() as i64, key.window.0 as i64);
            let id = insert.insert(params![key.agent.as_str(), period, window, &envelope[..], key.part])?;
            written.push((key.clone(), id));
        }
        let mut delete = transaction.prepare_cached("DELETE FROM input WHERE id = ?1")?;
        let mut forgotten: Vec<i64> =
            batch.forgotten.iter().filter_map(|key| rows.get(key).copied()).collect();
        forgotten.sort_unstable();
        for id in forgotten {
            delete.execute([id])?;
        }
        let mut vote = transaction.prepare_cached("INSERT OR REPLACE INTO vote VALUES (?1, ?2)")?;
        for (quantity, standing) in &batch.votes {
            let json = serde_json::to_string(standing)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            vote.execute(params![quantity.as_str(), json])?;
        }
    }
    transaction.commit()?;
    Ok(written)
}

/// The file is made before SQLite makes it, so that nobody else can ever read it.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}

#[cfg(test)]
pub(crate) mod tests {
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
        let mut store = Store::open(dir.path()).unwrap();
        assert!(store.is_fresh());
        let inputs = vec![input(1), input(2)];
        store.write(&Batch { inputs, forgotten: vec![], votes: vec![vote(1)] }).unwrap();
        store.write(&Batch { inputs: vec![], forgotten: vec![input(1).key], votes: vec![vote(2)] }).unwrap();
        drop(store);
        let store = Store::open(dir.path()).unwrap();
        assert!(!store.is_fresh());
        assert_eq!(store.votes().unwrap(), [vote(2)]);
        assert_eq!(kept(&store), [input(2)]);
    }

    fn kept(store: &Store) -> Vec<StoredInput> {
        let mut inputs = Vec::new();
        store.each_input(|input| inputs.push(input)).unwrap();
        inputs
    }

    #[test]
    fn parts_of_a_window_are_kept_and_forgotten_one_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let part = |part| StoredInput { key: InputKey { part, ..input(1).key }, ..input(1) };
        let mut store = Store::open(dir.path()).unwrap();
        let inputs_of = |parts: &[u32]| parts.iter().map(|&number| part(number)).collect::<Vec<_>>();
        store.write(&Batch { inputs: inputs_of(&[0, 1, 2, 3]), ..Batch::default() }).unwrap();
        drop(store);
        let mut store = Store::open(dir.path()).unwrap();
        store.write(&Batch { forgotten: vec![part(0).key, part(2).key], ..Batch::default() }).unwrap();
        assert_eq!(kept(&store), inputs_of(&[1, 3]));
    }

    #[test]
    fn a_store_of_the_layout_without_parts_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let old = Connection::open(dir.path().join("peer.sqlite")).unwrap();
        let schema = SCHEMA.replace(", part INTEGER NOT NULL DEFAULT 0", "");
        assert_ne!(schema, SCHEMA);
        old.execute_batch(&schema).unwrap();
        old.execute("INSERT INTO input VALUES (NULL, 'room-1', 1000, 7, ?1)", [&b"sealed"[..]]).unwrap();
        old.pragma_update(None, "user_version", WITHOUT_PARTS).unwrap();
        drop(old);
        for _ in 0..2 {
            let store = Store::open(dir.path()).unwrap();
            assert_eq!(kept(&store), [input(7)]);
        }
        let newer = Connection::open(dir.path().join("peer.sqlite")).unwrap();
        newer.pragma_update(None, "user_version", LAYOUT + 1).unwrap();
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Layout { have: 3, .. })));
    }

    #[test]
    fn an_erased_key_is_in_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
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
        let _store = Store::open(dir.path()).unwrap();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0);
        }
    }

    #[test]
    fn what_is_no_store_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("peer.sqlite"), "not a database").unwrap();
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Sqlite { .. })));
    }
}
