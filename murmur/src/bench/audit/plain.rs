//! The same entries in a plain table: no chain, no tree, no signatures. What is left is the database's own work.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use smc_peer::Draft;

/// A table of entries.
pub(super) struct Plain {
    database: Connection,
    pub(super) appends: Vec<Duration>,
}

impl Plain {
    /// A new table, kept as peers keep their logs.
    pub(super) fn create(folder: &Path) -> rusqlite::Result<Self> {
        let database = Connection::open(folder.join("plain.sqlite"))?;
        database.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE entry (seq INTEGER PRIMARY KEY, time TEXT, kind TEXT, body TEXT) STRICT;",
        )?;
        Ok(Self { database, appends: Vec::new() })
    }

    /// Appends one entry, in a transaction of its own.
    pub(super) fn append(&mut self, Draft { time, kind, body }: &Draft) -> rusqlite::Result<()> {
        let began = Instant::now();
        let transaction = self.database.transaction()?;
        transaction
            .prepare_cached("INSERT INTO entry (time, kind, body) VALUES (?1, ?2, ?3)")?
            .execute(params![time.to_string(), kind.as_str(), body.as_str()])?;
        transaction.commit()?;
        self.appends.push(began.elapsed());
        Ok(())
    }

    /// Reads every entry once; how many there are, and how long that took.
    pub(super) fn scan(&self) -> rusqlite::Result<(u64, Duration)> {
        let began = Instant::now();
        let mut entries = self.database.prepare("SELECT time, kind, body FROM entry ORDER BY seq")?;
        let mut rows = entries.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            for column in 0..3 {
                std::hint::black_box(row.get::<_, String>(column)?);
            }
            count += 1;
        }
        Ok((count, began.elapsed()))
    }
}
