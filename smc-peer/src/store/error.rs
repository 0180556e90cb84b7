//! Why a store can't be used.

use std::io::ErrorKind;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::LAYOUT;

/// The store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file can't be made or read.
    #[error("{path}: {error}; check `state_dir`, its owner and the room on the disk")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Another version of the program wrote the file.
    #[error(
        "{path}: layout {have}, this program knows {LAYOUT}; run the version that wrote it, or move the file away"
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// What it has.
        have: i64,
    },
    /// The database refuses.
    #[error("{path}: {error}; check the room on the disk, or move a damaged file away")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
}

impl StoreError {
    /// What went wrong, without the path, which is nobody else's business.
    pub(crate) fn cause(&self) -> String {
        match self {
            Self::File { error, .. } => error.to_string(),
            Self::Layout { have, .. } => format!("layout {have}"),
            Self::Sqlite { error, .. } => error.to_string(),
        }
    }

    /// Whether the same may succeed later without anybody touching the store: the disk is full, or fails for now.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::File { error, .. } => {
                matches!(error.kind(), ErrorKind::QuotaExceeded | ErrorKind::StorageFull)
            }
            Self::Layout { .. } => false,
            // On a full disk SQLite can't make the file that it shares memory by, and calls that a failing disk.
            Self::Sqlite { error, .. } => {
                let code = error.sqlite_error_code();
                matches!(code, Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
            }
        }
    }
}
