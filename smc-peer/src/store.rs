//! What a peer must not forget: its votes, the sealed inputs that plans may still refer to, its epoch keys.
//!
//! Inputs are kept as they came, sealed. They open with the key of their epoch alone, so that once that key is
//! erased neither the file nor a copy of it tells anything. They may have a file of their own, in a folder that need not
//! outlive the machine: they are nearly all that is written, and all but the newest of each agent are soon of no use.

mod batch;
mod error;
mod inputs;
#[cfg(test)]
pub(crate) mod tests;
mod write;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};
use smc_core::desk::Saved;
use smc_core::envelope::KeyEpoch;
use smc_core::identity::SealingSecret;
use smc_core::name::QuantityName;
use smc_core::protocol::standing::Standing;
use smc_core::time::{Period, Timestamp, WindowIndex};
use zeroize::Zeroizing;

pub(crate) use self::batch::{Batch, InputKey, StoredInput};
pub use self::error::StoreError;
use self::inputs::Inputs;

/// The layout of the tables.
const LAYOUT: i64 = 3;
/// The layout of a file in which there has never been anything, also if an attempt to make it failed.
const EMPTY: i64 = 0;
/// The layout before there were parts of vectors.
const WITHOUT_PARTS: i64 = 1;
/// The layout before anything could be asked at run time.
const WITHOUT_QUERIES: i64 = 2;

/// A peer's store: one SQLite file of mode 0600, or two if inputs have their own.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    database: Connection,
    /// Which of the files has the inputs.
    inputs: Inputs,
    /// Where each input is. Inputs come in any order; written one after the other, and found again by this, they
    /// cost one page for several instead of several pages for one.
    rows: HashMap<InputKey, i64>,
    fresh: bool,
}

/// Bytes of a page, which is written whole when anything on it changes.
const PAGE: u32 = 4_096;
/// The same where inputs are elsewhere: votes and decisions are small.
const SMALL_PAGE: u32 = 1_024;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS vote (quantity TEXT PRIMARY KEY, vote TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS query (name TEXT PRIMARY KEY, saved TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS last_order (id INTEGER PRIMARY KEY CHECK (id = 0), issued INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS epoch_key (epoch INTEGER PRIMARY KEY, secret BLOB NOT NULL) STRICT;
";

impl Store {
    /// Opens the store in `state_dir`, or makes it, with inputs in `run_dir` if that is another one.
    ///
    /// # Errors
    /// If a file can't be used.
    pub(crate) fn open(state_dir: &Path, run_dir: Option<&Path>) -> Result<Self, StoreError> {
        let mut store = Self::open_file(state_dir, if run_dir.is_some() { SMALL_PAGE } else { PAGE })?;
        if let Some(folder) = run_dir {
            store.inputs = Inputs::attach(&store.database, folder, store.fresh)?;
        }
        store.find_rows()?;
        Ok(store)
    }

    fn open_file(state_dir: &Path, page: u32) -> Result<Self, StoreError> {
        let path = state_dir.join("peer.sqlite");
        let file = |error| StoreError::File { path: path.clone(), error };
        std::fs::create_dir_all(state_dir).map_err(file)?;
        create_private(&path).map_err(file)?;
        let sqlite = |error| StoreError::Sqlite { path: path.clone(), error };
        let database = Connection::open(&path).map_err(sqlite)?;
        if page == SMALL_PAGE {
            // One connection has the file for itself; then the index of its write-ahead log is in memory, not in a file beside it,
            // which the system would write back again and again.
            database.pragma_update(Some("main"), "locking_mode", "EXCLUSIVE").map_err(sqlite)?;
        }
        Self::prepare(database, path.clone(), page).map_err(sqlite)?
    }

    /// A store that forgets when it is dropped, for demonstrations and measurements.
    ///
    /// # Errors
    /// If memory is short.
    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let path = PathBuf::from(":memory:");
        let sqlite = |error| StoreError::Sqlite { path: path.clone(), error };
        let database = Connection::open_in_memory().map_err(sqlite)?;
        Self::prepare(database, path.clone(), PAGE).map_err(sqlite)?
    }

    fn prepare(database: Connection, path: PathBuf, page: u32) -> rusqlite::Result<Result<Self, StoreError>> {
        // Of a file that is there already it stays as it is.
        database.pragma_update(None, "page_size", page)?;
        database.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF;
             PRAGMA cache_size = -512; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;",
        )?;
        let have: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if ![EMPTY, WITHOUT_PARTS, WITHOUT_QUERIES, LAYOUT].contains(&have) {
            return Ok(Err(StoreError::Layout { path, have }));
        }
        // All or not at all, also if the process dies in between.
        let change = database.unchecked_transaction()?;
        if have == WITHOUT_PARTS {
            change.execute_batch("ALTER TABLE input ADD COLUMN part INTEGER NOT NULL DEFAULT 0")?;
        }
        change.execute_batch(SCHEMA)?;
        change.execute_batch(&Inputs::Beside.sql(inputs::TABLE))?;
        change.pragma_update(None, "user_version", LAYOUT)?;
        change.commit()?;
        let fresh = have == EMPTY;
        Ok(Ok(Self { path, database, inputs: Inputs::Beside, rows: HashMap::new(), fresh }))
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
        match write::write(&mut self.database, self.inputs, &self.rows, batch) {
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

    /// How queries stand.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(crate) fn decisions(&self) -> Result<Vec<Saved>, StoreError> {
        self.read("SELECT saved FROM query ORDER BY name", |row| {
            let saved: String = row.get(0)?;
            Ok(serde_json::from_str(&saved).ok())
        })
    }

    /// When the last order was made that was taken.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(crate) fn last_order(&self) -> Result<Option<Timestamp>, StoreError> {
        let issued: Option<i64> = self
            .database
            .query_row("SELECT issued FROM last_order", [], |row| row.get(0))
            .optional()
            .map_err(|error| self.sqlite(error))?;
        Ok(issued.map(|micros| Timestamp::from_micros(micros as u64)))
    }

    /// Shows all inputs kept, one after the other.
    ///
    /// # Errors
    /// If the file can't be read.
    pub(crate) fn each_input(&self, mut show: impl FnMut(StoredInput)) -> Result<(), StoreError> {
        let sql = self.inputs.sql("SELECT agent, period, part, window, envelope FROM {input} ORDER BY id");
        let shown = self.read(&sql, |row| {
            let envelope: Vec<u8> = row.get(4)?;
            Ok(input_key(row)?.map(|key| show(StoredInput { key, envelope: envelope.into() })))
        });
        shown.map(|_| ())
    }

    fn find_rows(&mut self) -> Result<(), StoreError> {
        let sql = self.inputs.sql("SELECT agent, period, part, window, id FROM {input}");
        let rows = self.read(&sql, |row| {
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

/// The file is made before SQLite makes it, so that nobody else can ever read it.
pub(crate) fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(|_| ())
}
