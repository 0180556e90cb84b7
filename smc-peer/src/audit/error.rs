//! Why a log can't be used.

use std::io::ErrorKind;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use smc_core::audit::Unfit;

use super::file::LAYOUT;

/// A log can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log is not what the peer wrote.
    #[error(
        "{path}: entry {entry}: {unfit}. The peer does not go on with a log that was changed. Keep the file and see what `murmur audit verify` says; moved away, the peer begins a new log, and the other peers tell everybody that it did (`forked_log`)"
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// The first entry that doesn't fit.
        entry: u64,
        /// Why.
        unfit: Box<Unfit>,
    },
    /// The file can't be made or read.
    #[error("{path}: {error}; check the path, its owner and the room on the disk")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Another version of the program wrote the file, or it is no log.
    #[error(
        "{path}: layout {have}, this program knows {LAYOUT}; name a peer's audit.sqlite, and use the version that wrote it"
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// What it has.
        have: i64,
    },
    /// Another peer's log.
    #[error("{path}: the log of `{peer}` at `{site}`; every peer needs a `state_dir` of its own")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        peer: String,
        /// Of which site.
        site: String,
    },
    /// It is written again and again while it is to be copied.
    #[error("{path}: its peer came back while what it had left was read; try again")]
    Restless {
        /// The file.
        path: PathBuf,
    },
    /// The database refuses.
    #[error("{path}: {error}; check the room on the disk. If the file is damaged, keep it and move it away")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
}

impl AuditError {
    /// What went wrong, without the path, which is nobody else's business.
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::Broken { entry, unfit, .. } => format!("log: entry {entry}: {unfit}"),
            Self::File { error, .. } => format!("log: {error}"),
            Self::Layout { have, .. } => format!("log: layout {have}"),
            Self::Owner { .. } => "log: another peer's".to_owned(),
            Self::Restless { .. } => "log: written meanwhile".to_owned(),
            Self::Sqlite { error, .. } => format!("log: {error}"),
        }
    }

    /// Whether the same may succeed later without anybody touching the log: the disk is full, or fails for now.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Layout { .. } | Self::Owner { .. } => false,
            Self::Restless { .. } => true,
            Self::File { error, .. } => {
                matches!(error.kind(), ErrorKind::QuotaExceeded | ErrorKind::StorageFull)
            }
            Self::Sqlite { error, .. } => {
                let code = error.sqlite_error_code();
                matches!(code, Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
            }
        }
    }
}
