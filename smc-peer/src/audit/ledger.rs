//! The log's file, as its own peer writes it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use smc_core::audit::{Before, Body, Frontier, Head, HeadError, Kind, Node, Tail, Unfit, consistency, peaks};
use smc_core::charter::Enacted;
use smc_core::digest::Digest;
use smc_core::document::Signed;
use smc_core::identity::SigningKey;
use smc_core::name::NodeName;
use smc_core::result::VERSION;
use smc_core::roster::Roster;
use smc_core::time::Timestamp;

use super::error::AuditError;
use super::file::{self, LAYOUT, Owner};
use super::recent;
use crate::store::create_private;

/// The file's name in the peer's `state_dir`.
pub(crate) const NAME: &str = "audit.sqlite";
/// Bytes of a page of a new file: entries are small, and each page that one touches is written whole.
const PAGE: u32 = 1_024;
/// How many pages of the write-ahead log are kept until the next head, which tidies up: 16 MiB.
const TIDY: u32 = 16_000;
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
    /// Whether entries wait in a file of their own until a head vouches for them.
    gathers: bool,
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
    /// Opens the log in `state_dir`, or begins it, and checks what was appended since its last head.
    ///
    /// # Errors
    /// If it can't be used, or is not what this peer wrote.
    pub fn open(
        state_dir: &Path,
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
        let have = prepare(&mut database, roster, peer).map_err(sqlite)?;
        if have != LAYOUT {
            return Err(AuditError::Layout { path, have });
        }
        let Owner { site, peer: named } = file::owner(&database).map_err(sqlite)?;
        if (site.as_str(), named.as_str()) != (roster.site().as_str(), peer.as_str()) {
            return Err(AuditError::Owner { path, site, peer: named });
        }
        let tail = Tail::new(roster.site(), peer);
        let (roster, peer) = (Arc::clone(roster), peer.clone());
        let mut ledger = Self { path, database, gathers: false, roster, peer, key, tail, newest: None };
        ledger.recover()?;
        Ok(ledger)
    }

    /// From now on keeps entries in `folder` until a head vouches for them, and takes over those that are there. They outlive the
    /// process there, and need not outlive the machine.
    ///
    /// # Errors
    /// If it can't be used.
    pub fn gather_in(mut self, folder: &Path) -> Result<Self, AuditError> {
        recent::attach(&self.database, folder, &mut self.tail)?;
        self.gathers = true;
        Ok(self)
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
        let table = if self.gathers { "recent.entry" } else { "main.entry" };
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
        // Into the file itself, so that a copy of it alone is whole. If somebody reads it just now, then next time.
        let _ = self.database.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
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

    /// Signs, and waits for the disk: all that was written to the write-ahead log before goes with it.
    fn keep(&self, size: u64, time: Timestamp) -> Result<Signed<Head>, AuditError> {
        let sqlite = |error| self.sqlite(error);
        self.database.pragma_update(Some("main"), "synchronous", "FULL").map_err(sqlite)?;
        let change = self.database.unchecked_transaction().map_err(sqlite)?;
        if self.gathers {
            recent::gather(&change).map_err(sqlite)?;
        }
        let before = self.newest.as_ref().map(|newest| self.before(&newest.document)).transpose()?;
        let (site, peer) = (self.roster.site().clone(), self.peer.clone());
        let (root, chain) = (self.tail.root(), self.tail.chain());
        let signed = Signed::new(Head { v: VERSION, site, peer, size, root, chain, time, before }, &self.key);
        let kept = write_head(&change, &signed).and_then(|()| change.commit());
        let lax = self.database.pragma_update(Some("main"), "synchronous", "NORMAL");
        kept.and(lax).map_err(sqlite)?;
        if self.gathers {
            // What is left there is in the log, and is passed over.
            let _ = recent::clear(&self.database);
        }
        Ok(signed)
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
        read.map_err(|error| self.sqlite(error))?;
        self.tail = tail;
        broken.map_or(Ok(()), |(seq, unfit)| Err(self.broken(seq, unfit)))
    }

    fn recover_head(&mut self, vouched: u64, text: &str, size: u64) -> Result<(), AuditError> {
        let me = self.roster.peer_named(self.peer.as_str()).and_then(|me| self.roster.peer(me));
        let head = me.ok_or(HeadError::Malformed);
        let head = head.and_then(|me| Head::read(text.as_bytes(), self.roster.site(), me));
        let last = vouched.saturating_sub(1);
        let head = head.map_err(|error| self.broken(last, Unfit::Head { size: vouched, error }))?;
        let keeper = || "the peer itself keeps".to_owned();
        if head.document.size != vouched || vouched > size {
            return Err(self.broken(size, Unfit::Ends { size: vouched, keeper: keeper() }));
        }
        let found: Result<Vec<Digest>, AuditError> = peaks(vouched).map(|peak| self.node(peak)).collect();
        let chain = self.node(Node { level: 0, index: last })?;
        let frontier = Frontier::new(vouched, found?).unwrap_or_default();
        let tail = Tail::restored(frontier, chain);
        if (tail.root(), chain) != (head.document.root, head.document.chain) {
            let changed = Unfit::Changed { size: vouched, keeper: keeper(), from: 0 };
            return Err(self.broken(last, changed));
        }
        (self.tail, self.newest) = (tail, Some(head));
        Ok(())
    }

    fn node(&self, at: Node) -> Result<Digest, AuditError> {
        file::node(&self.database, at).map_err(|error| self.sqlite(error))
    }

    fn broken(&self, entry: u64, unfit: Unfit) -> AuditError {
        AuditError::Broken { path: self.path.clone(), entry, unfit: Box::new(unfit) }
    }

    fn sqlite(&self, error: rusqlite::Error) -> AuditError {
        AuditError::Sqlite { path: self.path.clone(), error }
    }
}

/// Makes the tables where there are none; returns the layout that there is.
fn prepare(database: &mut Connection, roster: &Roster, peer: &NodeName) -> rusqlite::Result<i64> {
    database.execute_batch(&format!(
        "PRAGMA page_size = {PAGE}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
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

fn write_head(change: &Transaction<'_>, signed: &Signed<Head>) -> rusqlite::Result<()> {
    let text = Body::of(signed).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let size = signed.document.size as i64;
    change.execute("INSERT INTO head VALUES (?1, ?2)", params![size, text.as_str()]).map(|_| ())
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
