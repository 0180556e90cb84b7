//! Reading a log, one's own or another's, a running peer's or a copy.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Rows, params};
use smc_core::audit::{Frontier, Kind, Node, Row, Tail, peaks};
use smc_core::digest::Digest;

use super::aside::Aside;
use super::error::AuditError;
use super::pending::{self, Waiting};

/// The layout of the tables.
pub(super) const LAYOUT: i64 = 1;
/// From the table itself: an index might be made to tell something else.
const ENTRIES: &str = "SELECT seq, time, kind, body, prev, nodes FROM entry NOT INDEXED";

/// How often a log is copied that its peer begins to write again meanwhile.
const ATTEMPTS: u32 = 3;

/// A log that is only read.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    database: Connection,
    /// The copy that the database is, if it is one.
    _aside: Option<Aside>,
    /// What is not in the database yet.
    waiting: Waiting,
}

/// Whose log it is, as the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The site.
    pub site: String,
    /// The peer.
    pub peer: String,
}

impl LogFile {
    /// Opens the log at `path`; the file is not changed. What lies beside it (`audit.sqlite-wal`, `-journal`, `-pending`) belongs to it.
    ///
    /// # Errors
    /// If it is none, or can't be read.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        // SQLite would only say that it can't open it.
        std::fs::File::open(path).map_err(|error| AuditError::File { path: path.to_owned(), error })?;
        let (database, have, aside) = connect(path)?;
        if have != LAYOUT {
            return Err(AuditError::Layout { path: path.to_owned(), have });
        }
        // Second, so that what goes from one to the other meanwhile is in both rather than in none.
        let waiting = waiting(&database, path)?;
        Ok(Self { path: path.to_owned(), database, _aside: aside, waiting })
    }

    /// Whose log it is.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn owner(&self) -> Result<Owner, AuditError> {
        owner(&self.database).map_err(|error| self.sqlite(error))
    }

    /// How many entries there are, if none is missing.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn size(&self) -> Result<u64, AuditError> {
        match self.waiting.rows.last() {
            Some(last) => Ok(last.seq + 1),
            None => size(&self.database).map_err(|error| self.sqlite(error)),
        }
    }

    /// Shows the entries from number `from` on, one after the other, until it is enough.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn each(&self, from: u64, mut show: impl FnMut(Row) -> ControlFlow<()>) -> Result<(), AuditError> {
        let shown = each(&self.database, from, &mut show).map_err(|error| self.sqlite(error))?;
        self.then(shown, |row| row.seq >= from, show);
        Ok(())
    }

    /// Shows the entries of one kind, one after the other, until it is enough.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn of_kind(
        &self,
        kind: Kind,
        mut show: impl FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), AuditError> {
        let entries = self.database.prepare(&format!("{ENTRIES} WHERE kind = ?1 ORDER BY seq"));
        let shown = entries
            .and_then(|mut entries| rows(entries.query([kind.as_str()])?, &mut show))
            .map_err(|error| self.sqlite(error))?;
        self.then(shown, |row| row.kind == kind.as_str(), show);
        Ok(())
    }

    /// The heads that the peer signed: how many entries each has, and its text.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn heads(&self) -> Result<Vec<(u64, Vec<u8>)>, AuditError> {
        let heads =
            self.database.prepare("SELECT size, head FROM head ORDER BY size").and_then(|mut heads| {
                let heads =
                    heads.query_map([], |row| Ok((row.get::<_, i64>(0)? as u64, bytes(row.get_ref(1)?))))?;
                heads.collect()
            });
        let mut heads: Vec<_> = heads.map_err(|error| self.sqlite(error))?;
        let waiting = self.waiting.heads.iter().chain(&self.waiting.foreign);
        heads.extend(waiting.map(|(size, text)| (*size, text.clone().into_bytes())));
        Ok(heads)
    }

    /// The root of a perfect subtree, as the file has it.
    ///
    /// # Errors
    /// If the file can't be read, or lacks it.
    pub fn node(&self, at: Node) -> Result<Digest, AuditError> {
        let rows = &self.waiting.rows;
        let row = rows.binary_search_by_key(&at.last_leaf(), |row| row.seq).ok().map(|place| &rows[place]);
        let found = row.and_then(|row| row.nodes.chunks_exact(32).nth(at.level as usize)?.try_into().ok());
        match found {
            Some(digest) => Ok(Digest(digest)),
            None => node(&self.database, "entry", at).map_err(|error| self.sqlite(error)),
        }
    }

    /// Shows what is not in the database, unless what is was enough.
    fn then(
        &self,
        shown: ControlFlow<()>,
        fits: impl Fn(&Row) -> bool,
        mut show: impl FnMut(Row) -> ControlFlow<()>,
    ) {
        if shown.is_continue() {
            let mut rows = self.waiting.rows.iter().filter(|row| fits(row));
            let _ = rows.try_for_each(|row| show(row.clone()));
        }
    }

    fn sqlite(&self, error: rusqlite::Error) -> AuditError {
        AuditError::Sqlite { path: self.path.clone(), error }
    }
}

/// The log at `path` as its peer would find it, with its layout: the file, or a copy of it where something has to be put right first
/// and may not be here.
fn connect(path: &Path) -> Result<(Connection, i64, Option<Aside>), AuditError> {
    let sqlite = |error| AuditError::Sqlite { path: path.to_owned(), error };
    for _ in 0..ATTEMPTS {
        let refused = match read_only(path, "").and_then(begin) {
            Ok((database, have)) => return Ok((database, have, None)),
            Err(error) => error,
        };
        let aside = match refused.sqlite_error_code() {
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) if Aside::is_needed(path) => {
                Aside::copy(path).map_err(|(path, error)| AuditError::File { path, error })?
            }
            // Beside a copy in a folder that can't be written to SQLite can't make the file that it shares memory by.
            Some(ErrorCode::CannotOpen) => {
                let (database, have) = read_only(path, "?immutable=1").and_then(begin).map_err(sqlite)?;
                return Ok((database, have, None));
            }
            _ => return Err(sqlite(refused)),
        };
        if let Some(aside) = aside {
            let (database, have) = aside.open().and_then(begin).map_err(sqlite)?;
            return Ok((database, have, Some(aside)));
        }
    }
    Err(AuditError::Restless { path: path.to_owned() })
}

fn read_only(path: &Path, how: &str) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("file:{}{how}", escaped(path)), flags)
}

/// Has one picture of a log that grows meanwhile, and its layout.
fn begin(database: Connection) -> rusqlite::Result<(Connection, i64)> {
    let have = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    database.execute_batch("BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1;")?;
    Ok((database, have))
}

/// What waits beside the log at `path`. Of a log whose end can't be told nothing can be the continuation.
fn waiting(database: &Connection, path: &Path) -> Result<Waiting, AuditError> {
    let sqlite = |error| AuditError::Sqlite { path: path.to_owned(), error };
    let Owner { site, peer } = owner(database).map_err(sqlite)?;
    let (Ok(site), Ok(peer)) = (site.parse(), peer.parse()) else { return Ok(Waiting::default()) };
    let size = size(database).map_err(sqlite)?;
    let Ok(Some(mut end)) = end(database, Tail::new(&site, &peer), size) else {
        return Ok(Waiting::default());
    };
    let path = pending::beside(path);
    Waiting::read(&path, &mut end).map_err(|error| AuditError::File { path, error })
}

/// A path as part of a URI.
fn escaped(path: &Path) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(byte);
    let byte = |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.as_os_str().as_encoded_bytes().iter().map(|&at| byte(at)).collect()
}

pub(super) fn owner(database: &Connection) -> rusqlite::Result<Owner> {
    database.query_row("SELECT site, peer FROM owner", [], |row| {
        let text = |at| Ok::<_, rusqlite::Error>(text(row.get_ref(at)?));
        Ok(Owner { site: text(0)?, peer: text(1)? })
    })
}

pub(super) fn size(database: &Connection) -> rusqlite::Result<u64> {
    let last: Option<i64> = database.query_row("SELECT max(seq) FROM entry", [], |row| row.get(0))?;
    Ok(last.map_or(0, |last| last as u64 + 1))
}

pub(super) fn each(
    database: &Connection,
    from: u64,
    show: impl FnMut(Row) -> ControlFlow<()>,
) -> rusqlite::Result<ControlFlow<()>> {
    // All of them, whatever numbers they have: what is out of place has to be seen.
    let from = if from == 0 { i64::MIN } else { from as i64 };
    rows(database.prepare(&format!("{ENTRIES} WHERE seq >= ?1 ORDER BY seq"))?.query([from])?, show)
}

pub(super) fn rows(
    mut rows: Rows<'_>,
    mut show: impl FnMut(Row) -> ControlFlow<()>,
) -> rusqlite::Result<ControlFlow<()>> {
    while let Some(row) = rows.next()? {
        let entry = Row {
            seq: row.get::<_, i64>(0)? as u64,
            time: text(row.get_ref(1)?),
            kind: text(row.get_ref(2)?),
            body: text(row.get_ref(3)?),
            prev: bytes(row.get_ref(4)?),
            nodes: bytes(row.get_ref(5)?),
        };
        if show(entry).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// The end of a log of `size` entries, by what the file has of their tree; none if that is not a tree's.
pub(super) fn end(database: &Connection, empty: Tail, size: u64) -> rusqlite::Result<Option<Tail>> {
    let Some(last) = size.checked_sub(1) else { return Ok(Some(empty)) };
    let found: rusqlite::Result<Vec<Digest>> =
        peaks(size).map(|peak| node(database, "entry", peak)).collect();
    let chain = node(database, "entry", Node { level: 0, index: last })?;
    Ok(Frontier::new(size, found?).map(|frontier| Tail::restored(frontier, chain)))
}

/// The root of a perfect subtree, as `table` has it.
pub(super) fn node(database: &Connection, table: &str, at: Node) -> rusqlite::Result<Digest> {
    let sql = format!("SELECT substr(nodes, ?2, 32) FROM {table} WHERE seq = ?1");
    let mut nodes = database.prepare_cached(&sql)?;
    let place = params![at.last_leaf() as i64, 32 * i64::from(at.level) + 1];
    let found = nodes.query_row(place, |row| row.get::<_, [u8; 32]>(0)).optional()?;
    found.map(Digest).ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// What stands in a file that may be damaged. What is no text is none that fits, whatever becomes of it here.
fn text(value: ValueRef<'_>) -> String {
    String::from_utf8_lossy(&bytes(value)).into_owned()
}

fn bytes(value: ValueRef<'_>) -> Vec<u8> {
    match value {
        ValueRef::Blob(bytes) | ValueRef::Text(bytes) => bytes.to_vec(),
        ValueRef::Integer(_) | ValueRef::Null | ValueRef::Real(_) => Vec::new(),
    }
}
