//! Where inputs are kept: beside the votes, or in a folder of their own.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{EMPTY, LAYOUT, StoreError, create_private};

/// The file with the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inputs {
    /// In that with all else.
    Beside,
    /// In one of their own.
    Own,
}

/// The table, wherever it is.
pub(super) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS {input} (
        id INTEGER PRIMARY KEY, agent TEXT NOT NULL, period INTEGER NOT NULL, window INTEGER NOT NULL,
        envelope BLOB NOT NULL, part INTEGER NOT NULL DEFAULT 0
    ) STRICT;
";

impl Inputs {
    /// Opens the file in `folder`, or makes it. Inputs of before a `fresh` start are dropped: the keys that they were sealed
    /// to are gone. So are those in the other file, from before inputs had their own: the peer does without them as after a
    /// power cut.
    ///
    /// # Errors
    /// If the file can't be used.
    pub(super) fn attach(database: &Connection, folder: &Path, fresh: bool) -> Result<Self, StoreError> {
        let path = folder.join("inputs.sqlite");
        let file = |error| StoreError::File { path: path.clone(), error };
        std::fs::create_dir_all(folder).map_err(file)?;
        create_private(&path).map_err(file)?;
        let have = open(database, &path, fresh);
        match have.map_err(|error| StoreError::Sqlite { path: path.clone(), error })? {
            EMPTY | LAYOUT => Ok(Self::Own),
            have => Err(StoreError::Layout { path, have }),
        }
    }

    /// What is to be done with the table `{input}`.
    pub(super) fn sql(self, text: &str) -> String {
        text.replace("{input}", if self == Self::Own { "own.input" } else { "main.input" })
    }
}

/// The layout of what was there. A kill leaves the file whole; the disk is never waited for, if there is one at all.
fn open(database: &Connection, path: &Path, fresh: bool) -> rusqlite::Result<i64> {
    // The path as it is, whatever it is: not a URI.
    database.execute("ATTACH ?1 AS own", params![path.to_string_lossy()])?;
    database.execute_batch("PRAGMA own.journal_mode = TRUNCATE; PRAGMA own.synchronous = OFF;")?;
    let have: i64 = database.query_row("PRAGMA own.user_version", [], |row| row.get(0))?;
    if ![EMPTY, LAYOUT].contains(&have) {
        return Ok(have);
    }
    let change = database.unchecked_transaction()?;
    change.execute_batch(&Inputs::Own.sql(TABLE))?;
    change.execute_batch("DELETE FROM main.input")?;
    if fresh {
        change.execute_batch("DELETE FROM own.input")?;
    }
    change.pragma_update(Some("own"), "user_version", LAYOUT)?;
    change.commit()?;
    Ok(have)
}
