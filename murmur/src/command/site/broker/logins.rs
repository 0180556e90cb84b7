//! The passwords of a site's accounts, as far as they are in its folder.

use std::io;
use std::path::{Path, PathBuf};

use broker::{Account, Password};
use rand_core::CryptoRng;
use smc_mqtt::config::{KeyFile, KeyFileError};
use smc_mqtt::newcomer::password_for_node;
use smc_mqtt::settings::Secret;
use zeroize::Zeroizing;

/// An account and its password.
pub(super) struct Login {
    pub(super) account: Account,
    pub(super) password: Secret,
}

impl Login {
    /// Whether nobody can guess the password, whatever a guess costs (docs/decisions/0009).
    pub(super) fn is_random(&self) -> bool {
        self.account.password.is_of_random_key()
    }
}

/// Why the passwords are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginsError {
    /// A key file can't be read.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// Passwords are not there.
    #[error(
        "{folder} has neither a key file nor a password file of {}: run this where these files are, or put each password \
         into {folder}/<account>.password (mode 0600)",
        accounts.join(", ")
    )]
    Missing {
        /// Where they were looked for.
        folder: PathBuf,
        /// Whose.
        accounts: Vec<String>,
    },
    /// A password is not the one of broker.toml.
    #[error("{path}: not the password whose hash broker.toml has for {account:?}; correct one of the two")]
    Other {
        /// Where it stands.
        path: PathBuf,
        /// Whose.
        account: String,
    },
    /// A password file can't be read.
    #[error("{path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Finds the passwords of `accounts` in the folder of a site. The account of who has no login needs none, and gets one that
/// nobody is told.
///
/// # Errors
/// If one is missing, or is another than the broker's.
pub(super) fn find(
    site: &Path,
    accounts: Vec<Account>,
    anonymous: Option<&str>,
    rng: &mut impl CryptoRng,
) -> Result<Vec<Login>, LoginsError> {
    let folder = site.join("keys");
    let (mut logins, mut missing) = (Vec::new(), Vec::new());
    for account in accounts {
        match password(&folder, &account)? {
            Some(password) => logins.push(Login { account, password }),
            None if anonymous == Some(&account.name) => {
                logins.push(Login { account, password: password_for_node(rng) });
            }
            None => missing.push(account.name),
        }
    }
    if missing.is_empty() { Ok(logins) } else { Err(LoginsError::Missing { folder, accounts: missing }) }
}

/// The password of an account: from its key file, or from a file of its own.
fn password(folder: &Path, account: &Account) -> Result<Option<Secret>, LoginsError> {
    let name = &account.name;
    let key_file = folder.join(format!("{name}.key"));
    let (path, password) = match name.parse() {
        Ok(node) if key_file.exists() => {
            let keys = KeyFile::load(&key_file, &node)?;
            (key_file, keys.password)
        }
        _ => {
            let path = folder.join(format!("{name}.password"));
            let text = match std::fs::read_to_string(&path) {
                Ok(text) => Zeroizing::new(text),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(LoginsError::Read { path, error }),
            };
            (path, Secret::from(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
    };
    if !account.password.verify(&Password::new(password.reveal().as_bytes())) {
        return Err(LoginsError::Other { path, account: name.clone() });
    }
    Ok(Some(password))
}
