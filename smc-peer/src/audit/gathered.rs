//! A log whose entries take two steps to the disk, where there is a folder that need not outlive the machine: each waits [there]
//! (super::recent) until a head vouches for it, then [beside the log](super::pending), and comes into the log itself with many others.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, params};
use smc_core::audit::{Body, Head, Tail};
use smc_core::document::Signed;

use super::error::AuditError;
use super::pending::{self, Batch, Pending};
use super::recent;

/// How many bytes may wait beside the log: the entries of hours, where there are few queries. Whoever reads the log keeps them in memory.
const MUCH: u64 = 512 << 10;
/// How many may if somebody reads the log whenever they were to come into it.
const MOST: u64 = 16 << 20;
/// How long is waited for somebody who reads the log: the peer waits for its log meanwhile.
const READERS: Duration = Duration::from_millis(100);

/// What is not in the log yet.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The log's path.
    path: PathBuf,
    pending: Pending,
    /// The heads that wait beside the log: how many entries each has, and its text.
    heads: Vec<(u64, String)>,
    /// How many entries are on the disk, in the log or beside it.
    kept: u64,
}

impl Gathered {
    /// Begins with what is in `folder`, which comes into the log at `path` that ends with `tail`.
    ///
    /// # Errors
    /// If a file can't be used.
    pub(super) fn open(
        database: &Connection,
        path: &Path,
        folder: &Path,
        tail: &mut Tail,
    ) -> Result<Self, AuditError> {
        recent::attach(database, folder, tail)?;
        database.busy_timeout(READERS).map_err(|error| sqlite(path, error))?;
        let beside = pending::beside(path);
        let pending = Pending::create(&beside).map_err(|error| AuditError::File { path: beside, error })?;
        Ok(Self { path: path.to_owned(), pending, heads: Vec::new(), kept: tail.size() })
    }

    /// Puts a head on the disk, and all that it vouches for.
    ///
    /// # Errors
    /// If that failed.
    pub(super) fn keep(
        &mut self,
        database: &mut Connection,
        signed: &Signed<Head>,
    ) -> Result<(), AuditError> {
        let head = (signed.document.size, text(signed).map_err(|error| sqlite(&self.path, error))?);
        let batch = self.batch(database, &head.1).map_err(|error| sqlite(&self.path, error))?;
        self.heads.push(head);
        let kept = match batch {
            Some(batch) if self.pending.bytes() + batch.len() as u64 <= MUCH => self.add(&batch),
            batch => self.settle(database, batch),
        };
        match kept {
            Ok(()) => self.kept = signed.document.size,
            Err(_) => drop(self.heads.pop()),
        }
        kept
    }

    /// Moves everything into the log, so that it is whole by itself.
    ///
    /// # Errors
    /// If that failed; it is where it was.
    pub(super) fn finish(&mut self, database: &mut Connection) -> Result<(), AuditError> {
        self.move_all(database).map_err(|error| sqlite(&self.path, error))
    }

    /// Moves everything into the log; or `batch` beside it, if the log is being read just now.
    fn settle(&mut self, database: &mut Connection, batch: Option<String>) -> Result<(), AuditError> {
        match (self.move_all(database), batch) {
            (Err(error), Some(batch))
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && self.pending.bytes() + batch.len() as u64 <= MOST =>
            {
                self.add(&batch)
            }
            (moved, _) => moved.map_err(|error| sqlite(&self.path, error)),
        }
    }

    fn add(&mut self, batch: &str) -> Result<(), AuditError> {
        let path = || pending::beside(&self.path);
        self.pending.add(batch).map_err(|error| AuditError::File { path: path(), error })
    }

    /// The entries since the last head, and the new one; none if it vouches for what is in the log already, where it belongs then.
    fn batch(&self, database: &Connection, head: &str) -> rusqlite::Result<Option<String>> {
        let mut batch = Batch::default();
        recent::each(database, self.kept, |time, kind, body| batch.entry(time, kind, body))?;
        Ok((!batch.is_empty()).then(|| batch.closed(head)))
    }

    fn move_all(&mut self, database: &mut Connection) -> rusqlite::Result<()> {
        let change = database.transaction()?;
        recent::gather(&change)?;
        for (size, text) in &self.heads {
            write_head(&change, *size, text)?;
        }
        change.commit()?;
        // What is left there is in the log, and is passed over.
        let _ = recent::clear(database);
        let _ = self.pending.clear();
        self.heads.clear();
        Ok(())
    }
}

/// A head as files have it.
pub(super) fn text(signed: &Signed<Head>) -> rusqlite::Result<String> {
    let text = Body::of(signed).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    Ok(text.as_str().to_owned())
}

pub(super) fn write_head(change: &Transaction<'_>, size: u64, text: &str) -> rusqlite::Result<()> {
    change.execute("INSERT INTO head VALUES (?1, ?2)", params![size as i64, text]).map(|_| ())
}

fn sqlite(path: &Path, error: rusqlite::Error) -> AuditError {
    AuditError::Sqlite { path: path.to_owned(), error }
}
