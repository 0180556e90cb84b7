//! The log's file, as its own peer writes it.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use smc_core::audit::{Before, Body, Head, HeadError, Kind, Node, Row, Tail, Unfit, consistency};
use smc_core::charter::Enacted;
use smc_core::digest::Digest;
use smc_core::document::Signed;
use smc_core::identity::SigningKey;
use smc_core::name::NodeName;
use smc_core::result::VERSION;
use smc_core::roster::Roster;
use smc_core::time::Timestamp;
use tracing::warn;

use super::error::AuditError;
use super::file::{self, LAYOUT, Owner};
use super::gathered::{self, Gathered};
use super::pending::{self, Waiting};
use crate::store::create_private;

/// The file's name in the peer's `state_dir`.
pub(crate) const NAME: &str = "audit.sqlite";
/// Bytes of a page of a new file: entries are small, and each page that one touches is written whole.
const SMALL_PAGE: u32 = 1_024;
/// The same where entries come many at once: they leave less of it empty.
const PAGE: u32 = 4_096;
/// How many pages of the write-ahead log are kept until the next head, which tidies up: 16 MiB.
const TIDY: u32 = 16_000;
/// Who holds the peer to its heads here.
const KEEPER: &str = "the peer itself keeps";
const INSERT: &str = "INSERT INTO main.entry VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
/// How many of the others' heads are read when the peer starts: more than can be of use.
const REMEMBERED: u32 = 512;

const SCHEMA: &str = "
    CREATE TABLE owner (site TEXT NOT NULL, peer TEXT NOT NULL) STRICT;
    CREATE TABLE entry (
        seq INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
        prev BLOB NOT NULL, nodes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE head (size INTEGER PRIMARY KEY, head TEXT NOT NULL) STRICT;
    CREATE INDEX entry_head ON entry (seq) WHERE kind = 'head';
";

/// An entry to be.
#[derive(Debug, Clone)]
pub struct Draft {
    /// When it was recorded.
    pub time: Timestamp,
    /// What it is about.
    pub kind: Kind,
    /// The document.
    pub body: Body,
}

/// A peer's own log. Nobody else may write to it at the same time.
pub struct Ledger {
    path: PathBuf,
    database: Connection,
    /// What waits to come into it, where that is elsewhere.
    gathered: Option<Gathered>,
    roster: Arc<Roster>,
    peer: NodeName,
    key: SigningKey,
    tail: Tail,
    newest: Option<Signed<Head>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("path", &self.path).field("tail", &self.tail).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Opens the log in `state_dir`, or begins it, and checks what was appended since its last head. With a `run_dir`, entries wait
    /// there until a head vouches for them: they outlive the process there, and need not outlive the machine.
    ///
    /// # Errors
    /// If it can't be used, or is not what this peer wrote.
    pub fn open(
        state_dir: &Path,
        run_dir: Option<&Path>,
        roster: &Arc<Roster>,
        peer: &NodeName,
        key: SigningKey,
    ) -> Result<Self, AuditError> {
        let path = state_dir.join(NAME);
        let file = |error| AuditError::File { path: path.clone(), error };
        std::fs::create_dir_all(state_dir).map_err(file)?;
        create_private(&path).map_err(file)?;
        let sqlite = |error| AuditError::Sqlite { path: path.clone(), error };
        let mut database = Connection::open(&path).map_err(sqlite)?;
        let have = prepare(&mut database, run_dir.is_some(), roster, peer).map_err(sqlite)?;
        if have != LAYOUT {
            return Err(AuditError::Layout { path, have });
        }
        let Owner { site, peer: named } = file::owner(&database).map_err(sqlite)?;
        if (site.as_str(), named.as_str()) != (roster.site().as_str(), peer.as_str()) {
            return Err(AuditError::Owner { path, site, peer: named });
        }
        let tail = Tail::new(roster.site(), peer);
        let (roster, peer) = (Arc::clone(roster), peer.clone());
        let mut ledger = Self { path, database, gathered: None, roster, peer, key, tail, newest: None };
        ledger.recover()?;
        ledger.take_over()?;
        if let Some(folder) = run_dir {
            let gathered = Gathered::open(&ledger.database, &ledger.path, folder, &mut ledger.tail)?;
            ledger.gathered = Some(gathered);
        }
        Ok(ledger)
    }

    /// Appends entries: all or none. They outlive the process at once, and a power cut from the next head on.
    ///
    /// # Errors
    /// If they could not be written.
    pub fn append(&mut self, drafts: &[Draft]) -> Result<(), AuditError> {
        if drafts.is_empty() {
            return Ok(());
        }
        let mut tail = self.tail.clone();
        let table = if self.gathered.is_some() { "recent.entry" } else { "main.entry" };
        let written = self.database.transaction().and_then(|transaction| {
            insert(&transaction, table, &mut tail, drafts)?;
            transaction.commit()
        });
        written.map_err(|error| self.sqlite(error))?;
        self.tail = tail;
        Ok(())
    }

    /// Signs for all entries; nothing, if there are none that the last head does not vouch for. When this returns the
    /// head is on disk, and all that it vouches for.
    ///
    /// # Errors
    /// If that failed; then nobody has seen the head.
    pub fn sign(&mut self, now: Timestamp) -> Result<Option<Signed<Head>>, AuditError> {
        let (size, newest) = (self.tail.size(), self.newest.as_ref().map(|newest| &newest.document));
        if size == newest.map_or(0, |newest| newest.size) {
            return Ok(None);
        }
        // Later than the last one, whatever became of the clock: that is how heads are put in order.
        let later = |newest: &Head| newest.time + Duration::from_micros(1);
        let time = newest.map_or(now, |newest| later(newest).max(now));
        let signed = self.keep(size, time)?;
        self.newest = Some(signed.clone());
        Ok(Some(signed))
    }

    /// The last head.
    pub fn newest_head(&self) -> Option<&Signed<Head>> {
        self.newest.as_ref()
    }

    /// The newest of the others' heads that were logged, the oldest first.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn others_heads(&self) -> Result<Vec<String>, AuditError> {
        let newest =
            self.database.prepare("SELECT body FROM entry WHERE kind = 'head' ORDER BY seq DESC LIMIT ?1");
        let bodies: rusqlite::Result<Vec<String>> =
            newest.and_then(|mut newest| newest.query_map([REMEMBERED], |row| row.get(0))?.collect());
        let mut bodies = bodies.map_err(|error| self.sqlite(error))?;
        bodies.reverse();
        Ok(bodies)
    }

    /// The newest of `charters` that is in the log, by its revision; 0 if none is.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn revision(&self, charters: &[Enacted]) -> Result<u64, AuditError> {
        // The log is read from its end to its beginning for it, unless there is nothing to find.
        if charters.is_empty() {
            return Ok(0);
        }
        let newest = "SELECT body FROM entry WHERE kind = 'membership' ORDER BY seq DESC LIMIT 1";
        let body = self.database.query_row(newest, [], |row| row.get::<_, String>(0)).optional();
        let body = body.map_err(|error| self.sqlite(error))?;
        let enacted = body.and_then(|body| serde_json::from_str::<Enacted>(&body).ok());
        Ok(enacted.map_or(0, |enacted| enacted.charter.revision))
    }

    #[cfg(test)]
    pub(super) fn database(&self) -> &Connection {
        &self.database
    }

    fn before(&self, newest: &Head) -> Result<Before, AuditError> {
        let proof = consistency(newest.size, self.tail.size(), &mut |at| self.node(at))?;
        Ok(Before { size: newest.size, root: newest.root, proof })
    }

    /// Signs, and waits for the disk.
    fn keep(&mut self, size: u64, time: Timestamp) -> Result<Signed<Head>, AuditError> {
        let before = self.newest.as_ref().map(|newest| self.before(&newest.document)).transpose()?;
        let (site, peer) = (self.roster.site().clone(), self.peer.clone());
        let (root, chain) = (self.tail.root(), self.tail.chain());
        let signed = Signed::new(Head { v: VERSION, site, peer, size, root, chain, time, before }, &self.key);
        match &mut self.gathered {
            Some(gathered) => gathered.keep(&mut self.database, &signed)?,
            None => self.write(&signed).map_err(|error| self.sqlite(error))?,
        }
        Ok(signed)
    }

    /// Writes a head, and waits for the disk: all that was written to the write-ahead log before goes with it.
    fn write(&self, signed: &Signed<Head>) -> rusqlite::Result<()> {
        let text = gathered::text(signed)?;
        self.database.pragma_update(None, "synchronous", "FULL")?;
        let change = self.database.unchecked_transaction()?;
        let kept = gathered::write_head(&change, signed.document.size, &text).and_then(|()| change.commit());
        let lax = self.database.pragma_update(None, "synchronous", "NORMAL");
        kept.and(lax)?;
        // Into the file itself, so that a copy of it alone is whole. If somebody reads it just now, then next time.
        let _ = self.database.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
        Ok(())
    }

    /// Takes into the log what a process that ended untidily left beside it.
    fn take_over(&mut self) -> Result<(), AuditError> {
        let path = pending::beside(&self.path);
        let mut tail = self.tail.clone();
        let read = Waiting::read(&path, &mut tail);
        let Waiting { rows, heads, foreign } =
            read.map_err(|error| AuditError::File { path: path.clone(), error })?;
        if let Some((size, _)) = foreign {
            let unfit = Unfit::Ends { size, keeper: KEEPER.to_owned() };
            return Err(self.broken(tail.size(), unfit));
        }
        if let Some((size, text)) = heads.last() {
            let newest = self.read_head(*size, text)?;
            self.insert(&rows, &heads).map_err(|error| self.sqlite(error))?;
            (self.tail, self.newest) = (tail, Some(newest));
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(AuditError::File { path, error }),
            _ => Ok(()),
        }
    }

    fn insert(&self, rows: &[Row], heads: &[(u64, String)]) -> rusqlite::Result<()> {
        let usual: i64 = self.database.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        self.database.pragma_update(None, "synchronous", "FULL")?;
        let change = self.database.unchecked_transaction()?;
        for Row { seq, time, kind, body, prev, nodes } in rows {
            change.execute(INSERT, params![*seq as i64, time, kind, body, prev, nodes])?;
        }
        for (size, text) in heads {
            gathered::write_head(&change, *size, text)?;
        }
        change.commit()?;
        self.database.pragma_update(None, "synchronous", usual)
    }

    /// Goes back to the last head and takes over what follows it.
    fn recover(&mut self) -> Result<(), AuditError> {
        let size = file::size(&self.database).map_err(|error| self.sqlite(error))?;
        let newest =
            self.database.query_row("SELECT size, head FROM head ORDER BY size DESC LIMIT 1", [], |row| {
                Ok((row.get::<_, i64>(0)? as u64, row.get::<_, String>(1)?))
            });
        let newest = newest.optional().map_err(|error| self.sqlite(error))?;
        if let Some((vouched, text)) = newest {
            self.recover_head(vouched, &text, size)?;
        }
        let (mut tail, mut broken) = (self.tail.clone(), None);
        let read = file::each(&self.database, tail.size(), |row| {
            let seq = tail.size();
            match row.read().and_then(|written| tail.follow(&written)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(unfit) => {
                    broken = Some((seq, unfit));
                    ControlFlow::Break(())
                }
            }
        });
        let _ = read.map_err(|error| self.sqlite(error))?;
        self.tail = tail;
        broken.map_or(Ok(()), |(seq, unfit)| Err(self.broken(seq, unfit)))
    }

    fn recover_head(&mut self, vouched: u64, text: &str, size: u64) -> Result<(), AuditError> {
        let head = self.read_head(vouched, text)?;
        if vouched > size {
            return Err(self.broken(size, Unfit::Ends { size: vouched, keeper: KEEPER.to_owned() }));
        }
        let end =
            file::end(&self.database, self.tail.clone(), vouched).map_err(|error| self.sqlite(error))?;
        let tail = end.unwrap_or_else(|| self.tail.clone());
        if (tail.root(), tail.chain()) != (head.document.root, head.document.chain) {
            let changed = Unfit::Changed { size: vouched, keeper: KEEPER.to_owned(), from: 0 };
            return Err(self.broken(vouched.saturating_sub(1), changed));
        }
        (self.tail, self.newest) = (tail, Some(head));
        Ok(())
    }

    /// A head of this log, which the peer signed.
    fn read_head(&self, vouched: u64, text: &str) -> Result<Signed<Head>, AuditError> {
        let me = self.roster.peer_named(self.peer.as_str()).and_then(|me| self.roster.peer(me));
        let head = me.ok_or(HeadError::Malformed);
        let head = head.and_then(|me| Head::read(text.as_bytes(), self.roster.site(), me));
        let unfit = |unfit| self.broken(vouched.saturating_sub(1), unfit);
        let head = head.map_err(|error| unfit(Unfit::Head { size: vouched, error }))?;
        if head.document.size != vouched {
            return Err(unfit(Unfit::Ends { size: vouched, keeper: KEEPER.to_owned() }));
        }
        Ok(head)
    }

    /// The root of a perfect subtree, wherever its last entry is.
    fn node(&self, at: Node) -> Result<Digest, AuditError> {
        let recent = self.gathered.as_ref().and_then(|_| file::node(&self.database, "recent.entry", at).ok());
        match recent {
            Some(node) => Ok(node),
            None => file::node(&self.database, "main.entry", at).map_err(|error| self.sqlite(error)),
        }
    }

    fn broken(&self, entry: u64, unfit: Unfit) -> AuditError {
        AuditError::Broken { path: self.path.clone(), entry, unfit: Box::new(unfit) }
    }

    fn sqlite(&self, error: rusqlite::Error) -> AuditError {
        AuditError::Sqlite { path: self.path.clone(), error }
    }
}

/// Leaves a log that is whole by itself.
impl Drop for Ledger {
    fn drop(&mut self) {
        if let Some(mut gathered) = self.gathered.take()
            && let Err(error) = gathered.finish(&mut self.database)
        {
            warn!(%error, "a part of the log stays beside it");
        }
    }
}

/// Makes the tables where there are none; returns the layout that there is. Entries that come one by one go to a write-ahead log,
/// since nobody waits for the disk then; those that come many at once are cheaper without.
fn prepare(
    database: &mut Connection,
    gathers: bool,
    roster: &Roster,
    peer: &NodeName,
) -> rusqlite::Result<i64> {
    let (page, journal, synchronous) =
        if gathers { (PAGE, "TRUNCATE", "FULL") } else { (SMALL_PAGE, "WAL", "NORMAL") };
    database.execute_batch(&format!(
        "PRAGMA page_size = {page}; PRAGMA journal_mode = {journal}; PRAGMA synchronous = {synchronous};
         PRAGMA wal_autocheckpoint = {TIDY};
         PRAGMA cache_size = -1024; PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;"
    ))?;
    let have: i64 = database.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if have != 0 {
        return Ok(have);
    }
    // All or not at all, also if the process dies in between.
    let change = database.transaction()?;
    change.execute_batch(SCHEMA)?;
    change.execute("INSERT INTO owner VALUES (?1, ?2)", [roster.site().as_str(), peer.as_str()])?;
    change.pragma_update(None, "user_version", LAYOUT)?;
    change.commit()?;
    Ok(LAYOUT)
}

fn insert(
    transaction: &Transaction<'_>,
    table: &str,
    tail: &mut Tail,
    drafts: &[Draft],
) -> rusqlite::Result<()> {
    let sql = format!("INSERT INTO {table} VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    let mut insert = transaction.prepare_cached(&sql)?;
    for Draft { time, kind, body } in drafts {
        let (entry, nodes) = tail.append(*time, *kind, body.clone());
        let nodes: Vec<u8> = nodes.iter().flat_map(|node| node.0).collect();
        insert.execute(params![
            entry.seq as i64,
            entry.time.to_string(),
            entry.kind.as_str(),
            entry.body.as_str(),
            &entry.prev.0[..],
            nodes,
        ])?;
    }
    Ok(())
}
