//! Entries that are not in the log yet, in a file of their own, which need not outlive the machine: what no head vouches for a power
//! cut may take in any case, and the rest is beside the log as well.

use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::{Connection, params};
use smc_core::audit::{Row, Tail};
use tracing::warn;

use super::error::AuditError;
use super::file::{self, LAYOUT};
use crate::store::create_private;

/// As in the log itself.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS recent.entry (
        seq INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
        prev BLOB NOT NULL, nodes BLOB NOT NULL
    ) STRICT;
";

/// Opens the file in `folder`, or makes it, and takes what is in it into the log, which `tail` is the end of.
///
/// # Errors
/// If it can't be used.
pub(super) fn attach(database: &Connection, folder: &Path, tail: &mut Tail) -> Result<(), AuditError> {
    let path = folder.join("audit-recent.sqlite");
    let file = |error| AuditError::File { path: path.clone(), error };
    std::fs::create_dir_all(folder).map_err(file)?;
    create_private(&path).map_err(file)?;
    let sqlite = |error| AuditError::Sqlite { path: path.clone(), error };
    let have = open(database, &path).map_err(sqlite)?;
    if have != LAYOUT {
        return Err(AuditError::Layout { path, have });
    }
    recover(database, tail).map_err(sqlite)
}

/// Moves the entries into the log, with what else `change` does to it.
pub(super) fn gather(database: &Connection) -> rusqlite::Result<()> {
    // Those that are in the log were moved before, and the process ended before they were dropped here.
    database.execute_batch(
        "INSERT INTO main.entry SELECT seq, time, kind, body, prev, nodes FROM recent.entry
         WHERE seq > (SELECT ifnull(max(seq), -1) FROM main.entry) ORDER BY seq",
    )
}

/// Shows time, kind and body of the entries from number `from` on.
pub(super) fn each(
    database: &Connection,
    from: u64,
    mut show: impl FnMut(&str, &str, &str),
) -> rusqlite::Result<()> {
    let entries = "SELECT time, kind, body FROM recent.entry WHERE seq >= ?1 ORDER BY seq";
    let mut entries = database.prepare_cached(entries)?;
    let mut rows = entries.query([from as i64])?;
    while let Some(row) = rows.next()? {
        show(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?, row.get_ref(2)?.as_str()?);
    }
    Ok(())
}

/// Drops the entries.
pub(super) fn clear(database: &Connection) -> rusqlite::Result<()> {
    database.execute_batch("DELETE FROM recent.entry")
}

fn open(database: &Connection, path: &Path) -> rusqlite::Result<i64> {
    database.execute("ATTACH ?1 AS recent", params![path.to_string_lossy()])?;
    // A kill leaves the file whole; no disk is waited for.
    database.execute_batch("PRAGMA recent.journal_mode = TRUNCATE; PRAGMA recent.synchronous = OFF;")?;
    let have: i64 = database.query_row("PRAGMA recent.user_version", [], |row| row.get(0))?;
    if have != 0 {
        return Ok(have);
    }
    let change = database.unchecked_transaction()?;
    change.execute_batch(TABLE)?;
    change.pragma_update(Some("recent"), "user_version", LAYOUT)?;
    change.commit()?;
    Ok(LAYOUT)
}

/// Takes over the entries that continue the log. Others are of a log that is no more, or of one that was put back.
fn recover(database: &Connection, tail: &mut Tail) -> rusqlite::Result<()> {
    let (mut end, mut unfit) = (tail.clone(), None);
    let entries = "SELECT seq, time, kind, body, prev, nodes FROM recent.entry WHERE seq >= ?1 ORDER BY seq";
    let _ = file::rows(database.prepare(entries)?.query([tail.size() as i64])?, |row: Row| {
        match row.read().and_then(|written| end.follow(&written)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                unfit = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match unfit {
        None => {
            gather(database)?;
            *tail = end;
        }
        Some(error) => warn!(%error, "entries that waited for a head do not continue the log; dropped"),
    }
    clear(database)
}
