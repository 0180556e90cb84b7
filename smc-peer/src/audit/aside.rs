//! Reading a log as its peer would find it after a kill. What a change that was cut off has left in the file is taken back by SQLite
//! before anybody reads, and what waits in a write-ahead log is looked up with a file that it makes beside it. Whoever may only
//! read can have neither done, and so reads a copy, in which both can be.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use smc_mqtt::watch::{Stamp, stamp};
use tempfile::TempDir;

use super::ledger::NAME;

/// What belongs to the file while it is changed: how to take the change back, and what is not in the file yet.
const BESIDE: [&str; 2] = ["-journal", "-wal"];

/// A copy that nobody else knows of, and that goes when it is dropped.
#[derive(Debug)]
pub(super) struct Aside(TempDir);

impl Aside {
    /// Whether there is anything beside the log at `path` that has to come into it or to be taken back.
    pub(super) fn is_needed(path: &Path) -> bool {
        BESIDE.iter().any(|end| std::fs::metadata(with(path, end)).is_ok_and(|file| file.len() > 0))
    }

    /// Copies the log at `path`, with what lies beside it; none if it was changed meanwhile, as its peer has come back.
    ///
    /// # Errors
    /// If a file can't be read, or there is no room for the copy; names which.
    pub(super) fn copy(path: &Path) -> Result<Option<Self>, (PathBuf, io::Error)> {
        let before = stamps(path);
        let folder = std::env::temp_dir();
        let folder = tempfile::Builder::new()
            .prefix("murmur-audit-")
            .tempdir_in(&folder)
            .map_err(|error| (folder, error))?;
        for end in [""].into_iter().chain(BESIDE) {
            let from = with(path, end);
            match copy(&from, &folder.path().join(format!("{NAME}{end}"))) {
                Err(error) if error.kind() == ErrorKind::NotFound && !end.is_empty() => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => {
                    return Err((folder.path().to_owned(), error));
                }
                copied => drop(copied.map_err(|error| (from, error))?),
            }
        }
        Ok((stamps(path) == before).then_some(Self(folder)))
    }

    /// Opens the copy, which makes it whole.
    ///
    /// # Errors
    /// If SQLite can't.
    pub(super) fn open(&self) -> rusqlite::Result<Connection> {
        Connection::open(self.0.path().join(NAME))
    }
}

/// Without the mode of what is copied, which may be that of a file to read.
fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    io::copy(&mut File::open(from)?, &mut File::create_new(to)?)
}

fn stamps(path: &Path) -> Vec<Stamp> {
    [""].iter().chain(&BESIDE).map(|end| stamp(&with(path, end))).collect()
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
