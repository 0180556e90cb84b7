//! What can be wrong with a table.

use std::io;
use std::path::{Path, PathBuf};

use smc_core::time::Timestamp;

/// What is wrong with which table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {flaw}", .path.display())]
pub struct CsvError {
    path: PathBuf,
    flaw: Flaw,
}

impl CsvError {
    pub(super) fn new(path: &Path, flaw: Flaw) -> Self {
        Self { path: path.to_owned(), flaw }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    pub fn flaw(&self) -> &Flaw {
        &self.flaw
    }
}

/// What is wrong with a table. Lines count from 1, the header's; an empty
/// line before a row counts as that row's first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A time that can't be read.
    #[error(
        "line {line}, column `{column}`: {text:?} is no time: use Unix seconds or RFC 3339 with its offset"
    )]
    BadTime {
        /// Where.
        line: u64,
        /// Where.
        column: String,
        /// Its beginning.
        text: String,
    },
    /// The header lacks a column.
    #[error("there is no column `{column}`; there are: {}", .present.join(", "))]
    ColumnMissing {
        /// The column that is asked for.
        column: String,
        /// Those that there are.
        present: Vec<String>,
    },
    /// The header has a column more than once.
    #[error("there are several columns `{column}`: rename all but one")]
    ColumnTwice {
        /// Its name.
        column: String,
    },
    /// Not UTF-8.
    #[error("line {line} is not UTF-8: convert the file")]
    Encoding {
        /// Where.
        line: u64,
    },
    /// One of `agent_column` and `agent` without the other.
    #[error("`agent_column` and `agent` go together: give both or neither")]
    HalfAFilter,
    /// A row without an end.
    #[error("line {line} is longer than {max} bytes: is a quote not closed?")]
    LongRow {
        /// Where it begins.
        line: u64,
        /// The limit.
        max: usize,
    },
    /// A row with too many or too few cells.
    #[error("line {line} has {found} cells where the header has {expected}")]
    Ragged {
        /// Where.
        line: u64,
        /// The header's cells.
        expected: u64,
        /// The row's.
        found: u64,
    },
    /// A speed where the clock sets the pace.
    #[error("with `time = \"event\"` the clock sets the pace: remove `speed`")]
    SpeedOfEvents,
    /// A row that is older than the one before it.
    #[error("line {line}, column `{column}`: {time} comes after {before}: sort the rows by time")]
    TimeBackwards {
        /// Where.
        line: u64,
        /// Where.
        column: String,
        /// The row's time.
        time: Timestamp,
        /// The time of the row before it.
        before: Timestamp,
    },
    /// The file can't be opened, read or decompressed.
    #[error("can't be read: {0}")]
    Unreadable(io::ErrorKind),
}
