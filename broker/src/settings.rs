//! The broker's configuration file.
//!
//! TOML, see [`Settings::load`]; values may be overridden by the environment: `MURMUR_LISTEN`,
//! `MURMUR_STATE_DIR`, `MURMUR_SITE`, `MURMUR_ANNOUNCE`, `MURMUR_ANONYMOUS`, `MURMUR_LIMITS__<LIMIT>`,
//! `MURMUR_TLS__<KEY>` and `MURMUR_WEBSOCKET__<KEY>`.

mod doors;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError, Environment, File, FileFormat};
use serde::Deserialize;
use smc_core::name::SiteName;
use smc_mqtt::config::{beside, load_members};
use smc_mqtt::members::Members;
use smc_mqtt::topic::Topics;

use self::doors::TlsTable;
use crate::account::Account;
use crate::filter::{Filter, FilterError};
use crate::limits::Limits;
use crate::roles::{Role, RoleError};
use crate::server::BrokerConfig;
use crate::websocket::WebsocketListener;
use smc_mqtt::password::{PasswordHash, PasswordHashError};

const PREFIX: &str = "MURMUR";
const OVERRIDABLE: [&str; 5] = ["ANNOUNCE", "ANONYMOUS", "LISTEN", "SITE", "STATE_DIR"];

/// What the file says, once it is known to be a configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where to listen for MQTT over TCP; on port 1883 of the loopback interface if nothing else listens either.
    listen: Option<SocketAddr>,
    tls: Option<TlsTable>,
    websocket: Option<WebsocketListener>,
    state_dir: Option<PathBuf>,
    /// Whether the broker tells the network by multicast DNS where it is.
    #[serde(default = "default_announce")]
    announce: bool,
    anonymous: Option<String>,
    site: SiteName,
    /// The site file: with it, logins come and go with the member list.
    site_file: Option<PathBuf>,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    account: Vec<AccountSettings>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountSettings {
    name: String,
    role: Role,
    password_hash: String,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    subscribe: Vec<String>,
}

/// Why a configuration can't be used. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// An extra filter of an account is none.
    #[error("{}: account {account:?}, {key} = {text:?}: {source}", path.display())]
    Filter {
        /// The file.
        path: PathBuf,
        /// The account.
        account: String,
        /// `publish` or `subscribe`.
        key: &'static str,
        /// What stands there.
        text: String,
        /// What is wrong with it.
        source: FilterError,
    },
    /// The password hash of an account is none.
    #[error("{}: account {account:?}, password_hash: {source}", path.display())]
    PasswordHash {
        /// The file.
        path: PathBuf,
        /// The account.
        account: String,
        /// What is wrong with it.
        source: PasswordHashError,
    },
    /// The file can't be read.
    #[error("{}: {source}; `smc-broker --help` shows an example", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The site file can't be used.
    #[error("{}: site_file: {source}", path.display())]
    Members {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<smc_mqtt::config::ConfigError>,
    },
    /// The site file is another site's.
    #[error("{}: site_file is that of the site {have}, not {want}: correct `site` or `site_file`", path.display())]
    OtherSite {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        have: SiteName,
        /// Whose it should be.
        want: SiteName,
    },
    /// An account can't have its role.
    #[error("{}: account {account:?}, name: {source}", path.display())]
    Role {
        /// The file.
        path: PathBuf,
        /// The account.
        account: String,
        /// Why not.
        source: RoleError,
    },
    /// The file is no TOML, lacks a key, has one that means nothing, or a value of the wrong kind.
    #[error("{}: {source}; `smc-broker --help` shows an example", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, and with which key.
        source: Box<ConfigError>,
    },
}

fn default_announce() -> bool {
    true
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1883))
}

impl Settings {
    /// Reads a file and lays the environment over it. A relative `state_dir` is relative to the file.
    ///
    /// # Errors
    /// A file that can't be read or understood.
    pub fn load(path: &Path) -> Result<BrokerConfig, SettingsError> {
        Self::read(path)?.into_config(path)
    }

    /// Reads a file, for who wants to know what it says; [`Settings::into_config`] does the rest of [`Settings::load`].
    ///
    /// # Errors
    /// A file that can't be read or understood.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        Self::of(path, &text, std::env::vars_os().filter_map(as_text).collect())
    }

    /// The site whose broker it is.
    pub fn site(&self) -> &SiteName {
        &self.site
    }

    pub(crate) fn parse(
        path: &Path,
        text: &str,
        environment: HashMap<String, String>,
    ) -> Result<BrokerConfig, SettingsError> {
        Self::of(path, text, environment)?.into_config(path)
    }

    fn of(path: &Path, text: &str, environment: HashMap<String, String>) -> Result<Self, SettingsError> {
        let overrides = Environment::with_prefix(PREFIX)
            .prefix_separator("_")
            .separator("__")
            .source(Some(environment.into_iter().filter(|(key, _)| is_overridable(key)).collect()))
            .try_parsing(true);
        Config::builder()
            .add_source(File::from_str(text, FileFormat::Toml))
            .add_source(overrides)
            .build()
            .and_then(Config::try_deserialize)
            .map_err(|source| SettingsError::Syntax { path: path.to_owned(), source: Box::new(source) })
    }

    /// The configuration that the file at `path` says.
    ///
    /// # Errors
    /// A site file, an account or a filter that can't be used.
    pub fn into_config(self, path: &Path) -> Result<BrokerConfig, SettingsError> {
        let members = self.site_file.as_ref().map(|file| members(path, file, &self.site)).transpose()?;
        let announce = self.announce.then(|| self.site.clone());
        let topics = Topics::new(self.site);
        let accounts = self.account.into_iter().map(|account| account.check(path, &topics));
        let folder = path.parent().unwrap_or(Path::new("."));
        let tls = self.tls.map(|table| table.listener(folder));
        let alone = tls.is_none() && self.websocket.is_none();
        let listen = self.listen.or_else(|| alone.then(default_listen));
        Ok(BrokerConfig {
            listen,
            tls,
            websocket: self.websocket,
            state_dir: self.state_dir.map(|dir| folder.join(dir)),
            limits: self.limits,
            accounts: accounts.collect::<Result<_, _>>()?,
            anonymous: self.anonymous,
            tap: None,
            members,
            announce,
            file: Some(path.to_owned()),
        })
    }
}

/// The member list, as the site file named by the file `path` has it; what the peers changed since is retained here.
fn members(path: &Path, file: &Path, want: &SiteName) -> Result<Members, SettingsError> {
    let (path, want) = (path.to_owned(), want.clone());
    let members = load_members(&beside(&path, file), None);
    let members =
        members.map_err(|source| SettingsError::Members { path: path.clone(), source: Box::new(source) })?;
    let have = members.register().document().site.name.clone();
    if have == want { Ok(members) } else { Err(SettingsError::OtherSite { path, have, want }) }
}

impl AccountSettings {
    fn check(self, path: &Path, topics: &Topics) -> Result<Account, SettingsError> {
        let Self { name, role, password_hash, publish, subscribe } = self;
        let at = || (path.to_owned(), name.clone());
        let password: PasswordHash = password_hash.parse().map_err(|source| {
            let (path, account) = at();
            SettingsError::PasswordHash { path, account, source }
        })?;
        let mut rules = role.rules(topics, &name).map_err(|source| {
            let (path, account) = at();
            SettingsError::Role { path, account, source }
        })?;
        let extra = |key, texts: Vec<String>| -> Result<Vec<Filter>, SettingsError> {
            let parse = |text: String| {
                text.parse().map_err(|source| {
                    let (path, account) = at();
                    SettingsError::Filter { path, account, key, text, source }
                })
            };
            texts.into_iter().map(parse).collect()
        };
        rules.publish.extend(extra("publish", publish)?);
        rules.subscribe.extend(extra("subscribe", subscribe)?);
        Ok(Account { name, password, shared: role.is_shared(), rules })
    }
}

fn as_text((key, value): (std::ffi::OsString, std::ffi::OsString)) -> Option<(String, String)> {
    Some((key.into_string().ok()?, value.into_string().ok()?))
}

/// Other programs of the site share the prefix: only what the broker knows is looked at.
fn is_overridable(key: &str) -> bool {
    let own = key.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('_'));
    let tables = ["LIMITS__", "TLS__", "WEBSOCKET__"];
    own.is_some_and(|key| OVERRIDABLE.contains(&key) || tables.iter().any(|table| key.starts_with(table)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use smc_mqtt::password::Password;

    fn parse(text: &str, environment: &[(&str, &str)]) -> Result<BrokerConfig, String> {
        let environment =
            environment.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Settings::parse(Path::new("etc/broker.toml"), text, environment).map_err(|error| error.to_string())
    }

    fn account(extra: &str) -> String {
        let hash = PasswordHash::of_random_key(&Password::new(b"key")).unwrap();
        format!("site = \"hq\"\n[[account]]\nname = \"a\"\npassword_hash = \"{hash}\"\n{extra}")
    }

    #[test]
    fn a_small_file_is_enough() {
        let config = parse(&account("role = \"device\"\npublish = [\"zigbee2mqtt/#\"]"), &[]).unwrap();
        assert_eq!(config.listen, Some(default_listen()));
        assert!(config.accounts[0].rules.may_publish("zigbee2mqtt/co2") && config.accounts[0].shared);
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.announce, Some("hq".parse().unwrap()));
    }

    #[test]
    fn the_environment_overrides_what_it_knows_and_ignores_the_rest() {
        let environment = [
            ("MURMUR_LISTEN", "0.0.0.0:0"),
            ("MURMUR_STATE_DIR", "state"),
            ("MURMUR_ANNOUNCE", "false"),
            ("MURMUR_LIMITS__CONNECTIONS", "7"),
            ("MURMUR_KEYS", "peer.key"),
        ];
        let config = parse("site = \"hq\"\nlisten = \"127.0.0.1:1\"", &environment).unwrap();
        assert_eq!(config.listen.unwrap().to_string(), "0.0.0.0:0");
        assert_eq!(config.state_dir.as_deref(), Some(Path::new("etc/state")));
        assert_eq!(config.limits.connections, 7);
        assert_eq!(config.announce, None);
    }

    #[test]
    fn errors_name_file_and_key() {
        for (text, named) in [
            ("".to_owned(), "site"),
            ("site = \"h q\"".to_owned(), "site"),
            ("site = \"hq\"\nport = 1".to_owned(), "port"),
            ("site = \"hq\"\nlisten = \"here\"".to_owned(), "listen"),
            ("site = \"hq\"\n[limits]\nspeed = 1".to_owned(), "speed"),
            ("site = \"hq\"\n[limits]\nconnections = \"many\"".to_owned(), "connections"),
            ("site = ".to_owned(), "site"),
            (account(""), "role"),
            (account("role = \"king\""), "king"),
            (account("role = \"device\"\nsecret = 1"), "secret"),
            (account("role = \"device\"\npublish = [\"a#\"]"), "publish"),
            (account("role = \"device\"").replace("$argon2id", "$x"), "password_hash"),
            (account("role = \"peer\"").replace("\"a\"", "\"a.b\""), "a.b"),
        ] {
            let error = parse(&text, &[]).unwrap_err();
            assert!(error.starts_with("etc/broker.toml: ") && error.contains(named), "{named}: {error}");
        }
    }
}
