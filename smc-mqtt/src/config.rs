//! What every node reads when it starts: its own TOML file, the site file and its key file.
//!
//! A value may also come from the environment: `MURMUR_BROKER=mqtt://10.0.0.2` overrides the key `broker`, two
//! underscores reach into a table (`MURMUR_HOME_ASSISTANT__DISCOVERY`). Relative paths count from the file that
//! names them.

mod keyfile;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::{Config, Environment, File, FileFormat};
use serde::de::DeserializeOwned;
use smc_core::name::NodeName;
use smc_core::roster::{Roster, RosterError, SiteDocument};
use tracing::warn;

pub use self::keyfile::{KeyFile, KeyFileError};
use crate::clock::Clock;
use crate::members::{Members, MembersError};
use crate::settings::{BrokerAddress, ConnectionSettings, Login, Secret};
use crate::status;
use crate::tls::{Tls, TlsFiles, TlsFilesError};
use crate::topic::Topics;

/// A node's place in its site: the roster it believes in and the secrets that prove who it is.
#[derive(Debug)]
pub struct Membership {
    /// The site.
    pub roster: Arc<Roster>,
    /// How that roster moves on.
    pub members: Members,
    /// The node's secrets.
    pub secrets: KeyFile,
}

impl Membership {
    /// Reads the site file and the key file of `node`, as named by the file at `config`, and the changes of the member list
    /// that are kept in `state_dir`.
    ///
    /// # Errors
    /// If one of them can't be used.
    pub fn load(
        config: &Path,
        node: &NodeName,
        site: &Path,
        keys: &Path,
        state_dir: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let site = beside(config, site);
        let state_dir = state_dir.map(|folder| beside(config, folder));
        let members = load_members(&site, state_dir.as_deref())?;
        let roster = members.roster()?;
        let secrets = KeyFile::load(&beside(config, keys), node)?;
        Ok(Self { roster, members, secrets })
    }
}

/// A file that can't be used; the text names file, key and remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file lacks a key, has an unknown one, or a value of the wrong kind.
    #[error("{path}: {error}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: config::ConfigError,
    },
    /// The key file can't be used.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The member list can't be used.
    #[error(transparent)]
    Members(#[from] MembersError),
    /// The file can't be read.
    #[error("{path}: {error}; give its path with --config, or make a site with `murmur site init`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The site file does not hold together.
    #[error("{path}: {error}")]
    Site {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<RosterError>,
    },
    /// A value makes no sense.
    #[error("{path}: `{key}`: {why}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// Reads a TOML file; the environment may override `keys`. Variables that other programs of the site share the prefix
/// with mean nothing here.
///
/// # Errors
/// If the file can't be read or does not fit.
pub fn load<T: DeserializeOwned>(path: &Path, keys: &[&str]) -> Result<T, ConfigError> {
    let ours = |variable: &str| {
        let key = variable.strip_prefix("MURMUR_").unwrap_or_default().to_ascii_lowercase();
        let (table, _) = key.split_once("__").unwrap_or((&key, ""));
        keys.contains(&table)
    };
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let variables = std::env::vars_os().filter_map(text).filter(|(name, _)| ours(name)).collect();
    let environment = Environment::with_prefix("MURMUR").prefix_separator("_").separator("__");
    read(path, Some(environment.source(Some(variables))))
}

/// Reads and checks a site file, and warns of what its owner should know. The environment has no say in it: all nodes
/// must agree on every byte.
///
/// # Errors
/// If the file can't be read or does not hold together.
pub fn load_site(path: &Path) -> Result<Arc<Roster>, ConfigError> {
    let roster: Roster = load_document(path)?.try_into().map_err(|error| no_site(path, error))?;
    for caution in roster.cautions() {
        warn!("{}: {caution}", path.display());
    }
    Ok(Arc::new(roster))
}

/// Reads a site file as [`load_site`] does, and the changes of its member list that are kept in `state_dir`.
///
/// # Errors
/// If the file does not hold together, or what was kept does not follow from it.
pub fn load_members(path: &Path, state_dir: Option<&Path>) -> Result<Members, ConfigError> {
    load_site(path)?;
    Members::load(load_document(path)?, state_dir, Clock::system().now())
        .map_err(|error| of_site(path, error))
}

/// Reads a site file as [`load_site`] does, and the changes of its member list that are in `file`, for who looks on.
///
/// # Errors
/// If the site does not hold together, or what the file has does not follow from it.
pub fn load_told(path: &Path, file: Option<&Path>) -> Result<Members, ConfigError> {
    load_site(path)?;
    Members::told(load_document(path)?, file, Clock::system().now()).map_err(|error| of_site(path, error))
}

/// Reads a site file.
///
/// # Errors
/// If the file can't be read or is none.
pub fn load_document(path: &Path) -> Result<SiteDocument, ConfigError> {
    read(path, None)
}

fn of_site(path: &Path, error: MembersError) -> ConfigError {
    match error {
        MembersError::Roster(error) => no_site(path, error),
        error => error.into(),
    }
}

fn no_site(path: &Path, error: RosterError) -> ConfigError {
    ConfigError::Site { path: path.to_owned(), error: Box::new(error) }
}

fn read<T: DeserializeOwned>(path: &Path, environment: Option<Environment>) -> Result<T, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
    parse(path, &text, environment)
}

/// The same of a file that was read.
pub(crate) fn parse<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    environment: Option<Environment>,
) -> Result<T, ConfigError> {
    let mut builder = Config::builder().add_source(File::from_str(text, FileFormat::Toml));
    if let Some(environment) = environment {
        builder = builder.add_source(environment.try_parsing(true));
    }
    let content = |error| ConfigError::Content { path: path.to_owned(), error };
    builder.build().and_then(Config::try_deserialize).map_err(content)
}

/// `path` as named by the file `from`.
pub fn beside(from: &Path, path: &Path) -> PathBuf {
    from.parent().unwrap_or(Path::new("")).join(path)
}

/// Where a node's broker is and whom it trusts there, as its file at `path` says by `broker`, `ca`, `certificate` and
/// `certificate_key`.
///
/// # Errors
/// If those don't go together.
pub fn broker(
    path: &Path,
    address: Option<BrokerAddress>,
    files: TlsFiles,
) -> Result<(Option<BrokerAddress>, Option<Tls>), ConfigError> {
    let wrong = |key, why: &str| Err(ConfigError::Value { path: path.to_owned(), key, why: why.to_owned() });
    let tls = match files.tls(path) {
        Ok(tls) => tls,
        Err(TlsFilesError { key, why }) => return wrong(key, why),
    };
    match (&address, &tls) {
        (Some(address), None) if address.is_tls() => wrong("ca", NO_AUTHORITY),
        (Some(address), Some(_)) if !address.is_tls() => wrong("broker", NOT_ENCRYPTED),
        _ => Ok((address, tls)),
    }
}

const NO_AUTHORITY: &str = "`broker` begins with mqtts://, so it is needed: the file of the authority that the broker's certificate is of";
const NOT_ENCRYPTED: &str =
    "there is `ca`, but nothing would be encrypted: write mqtts:// instead of mqtt://, or remove `ca`";

/// How `node` connects to `broker`: under its name, with its password, and with a last will that tells of its absence.
pub fn connection(
    topics: &Topics,
    node: &NodeName,
    broker: BrokerAddress,
    password: Secret,
) -> ConnectionSettings {
    ConnectionSettings {
        login: Some(Login { user: node.to_string(), password }),
        will: Some(status::will(topics, node)),
        ..ConnectionSettings::new(broker, node.as_str())
    }
}
