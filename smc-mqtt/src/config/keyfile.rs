//! A node's secrets: its keys and its MQTT password, in one file that only its owner may read.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use smc_core::identity::{KeyError, NodeKeys, NodeKeysDocument};
use smc_core::name::NodeName;
use zeroize::Zeroizing;

use crate::settings::Secret;

/// The content of a key file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    node: NodeName,
    password: String,
    keys: NodeKeysDocument,
}

/// A node's secrets.
#[derive(Debug)]
pub struct KeyFile {
    /// Whose.
    pub node: NodeName,
    /// For the login at the broker.
    pub password: Secret,
    /// For signing and sealing.
    pub keys: NodeKeys,
}

/// Why a key file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file is not what `murmur site init` writes.
    #[error("{path}: not a key file; restore it from a copy, or make new keys with `murmur site init`")]
    Content {
        /// The file.
        path: PathBuf,
    },
    /// A key is garbled.
    #[error("{path}: {error}; restore the file from a copy")]
    Key {
        /// The file.
        path: PathBuf,
        /// Which key.
        error: KeyError,
    },
    /// Others may read the file.
    #[error("{path}: mode {mode:o}, so others may read the keys; run `chmod 600 {path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file belongs to another node.
    #[error("{path}: these are the keys of `{have}`, not of `{want}`; check `node` and `keys`")]
    OtherNode {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        have: NodeName,
        /// Whose it should be.
        want: NodeName,
    },
    /// The file can't be read or written.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl KeyFile {
    /// Reads the key file of `node`.
    ///
    /// # Errors
    /// If the file is missing, garbled, another node's, or readable by others.
    pub fn load(path: &Path, node: &NodeName) -> Result<Self, KeyFileError> {
        let read = |error| KeyFileError::Read { path: path.to_owned(), error };
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        check_mode(path, credentials.as_deref())?;
        Self::parse(path, &Zeroizing::new(std::fs::read_to_string(path).map_err(read)?), node)
    }

    /// The same of a file that was read.
    pub(crate) fn parse(path: &Path, text: &str, node: &NodeName) -> Result<Self, KeyFileError> {
        let content = || KeyFileError::Content { path: path.to_owned() };
        let document: Document = serde_json::from_str(text).map_err(|_| content())?;
        if document.node != *node {
            return Err(KeyFileError::OtherNode {
                path: path.to_owned(),
                have: document.node,
                want: node.clone(),
            });
        }
        let keys = NodeKeys::from_document(&document.keys)
            .map_err(|error| KeyFileError::Key { path: path.to_owned(), error })?;
        Ok(Self { node: document.node, password: Secret::from(document.password), keys })
    }

    /// Writes a new key file with mode 0600; never over another one.
    ///
    /// # Errors
    /// If the file exists or can't be written.
    pub fn create(path: &Path, node: &NodeName, password: &str, keys: &NodeKeys) -> Result<(), KeyFileError> {
        let failed = |error| KeyFileError::Read { path: path.to_owned(), error };
        let document =
            Document { node: node.clone(), password: password.to_owned(), keys: keys.to_document() };
        let text = Zeroizing::new(serde_json::to_string_pretty(&document).map_err(|e| failed(e.into()))?);
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)
    }
}

/// The owner alone may read it. What systemd hands to a service (`LoadCredential=`) lies in a folder that nobody else gets into;
/// there the service may be let in by an access list, which shows as what the file's group may.
#[cfg(unix)]
fn check_mode(path: &Path, credentials: Option<&Path>) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata =
        std::fs::metadata(path).map_err(|error| KeyFileError::Read { path: path.to_owned(), error })?;
    let mode = metadata.permissions().mode() & 0o777;
    let handed_over = credentials.is_some_and(|folder| path.starts_with(folder));
    let forbidden = if handed_over { 0o037 } else { 0o077 };
    if mode & forbidden == 0 { Ok(()) } else { Err(KeyFileError::Open { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: Option<&Path>) -> Result<(), KeyFileError> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_that_others_may_read_are_refused_unless_a_service_was_handed_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "").unwrap();
        let usable = |mode: u32, credentials: Option<&Path>| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            check_mode(&path, credentials).is_ok()
        };
        let elsewhere = Path::new("/run/credentials/other.service");
        for (mode, alone, handed_over) in
            [(0o600, true, true), (0o440, false, true), (0o444, false, false), (0o460, false, false)]
        {
            assert_eq!(usable(mode, None), alone, "{mode:o}");
            assert_eq!(usable(mode, Some(elsewhere)), alone, "{mode:o}");
            assert_eq!(usable(mode, Some(folder.path())), handed_over, "{mode:o}");
        }
    }
}
