//! A policy file that people change while the peer runs.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::{Flaw, PolicyError};
use crate::policy::{MAX_BYTES, Policy};

/// The policy in force, and the file that it is from.
#[derive(Debug)]
pub struct Watched {
    path: Option<PathBuf>,
    /// The file as it was read last.
    read: Stamp,
    /// The file as it was looked at last.
    seen: Stamp,
    policy: Arc<Policy>,
}

/// What came of a file that changed.
#[derive(Debug)]
pub enum News {
    /// It is no policy. What was in force stays so, until the file changes again.
    Kept(PolicyError),
    /// It is in force from now on, and has so many rules.
    Taken {
        /// How many.
        rules: usize,
    },
}

/// What tells one state of a file from another without reading it; nothing if it is not there.
type Stamp = Option<(u64, u64, SystemTime)>;

impl Watched {
    /// Reads the policy at `path`; without one every request asks the operator. If there is no policy in the file, every
    /// request is denied until there is, and the error says why.
    ///
    /// # Errors
    /// Only if the program itself is broken.
    pub fn open(path: Option<PathBuf>) -> Result<(Self, Option<PolicyError>), PolicyError> {
        let Some(path) = path else {
            let policy = Arc::new(Policy::ask_everything()?);
            return Ok((Self { path: None, read: None, seen: None, policy }, None));
        };
        let read = stamp(&path);
        let (policy, error) = match load(&path) {
            Ok(policy) => (policy, None),
            Err(error) => (Policy::deny_everything()?, Some(error)),
        };
        Ok((Self { path: Some(path), read, seen: read, policy: Arc::new(policy) }, error))
    }

    /// The policy in force.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Looks at the file, and reads it if it has changed and is the same as a call before: so nothing is taken that is
    /// half written. Each change is told once.
    pub fn poll(&mut self) -> Option<News> {
        let path = self.path.as_deref()?;
        let now = stamp(path);
        let settled = std::mem::replace(&mut self.seen, now) == now;
        if now == self.read || !settled {
            return None;
        }
        self.read = now;
        Some(match load(path) {
            Ok(policy) => {
                let rules = policy.rules();
                self.policy = Arc::new(policy);
                News::Taken { rules }
            }
            Err(error) => News::Kept(error),
        })
    }
}

fn stamp(path: &Path) -> Stamp {
    let state = |file: Metadata| Some((file.ino(), file.len(), file.modified().ok()?));
    std::fs::metadata(path).ok().and_then(state)
}

/// Reads and validates the file at `path`.
fn load(path: &Path) -> Result<Policy, PolicyError> {
    let origin = path.display().to_string();
    let text = read(path).map_err(|error| PolicyError::of(&origin, Flaw::Unreadable(error.to_string())))?;
    Policy::parse(&text, &origin)
}

/// No more than it takes to see that it is too long.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}
