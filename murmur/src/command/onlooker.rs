//! Who looks at a site, with which login, by way of which broker: the same flags for `sniff` and `doctor`.

use std::io;
use std::path::{Path, PathBuf};

use broker::roles::{Role, RoleError};
use clap::Args;
use smc_core::name::SiteName;
use smc_core::roster::Roster;
use smc_mqtt::client::{Access, AccessError, word};
use smc_mqtt::config::ConfigError;
use smc_mqtt::connection::Refusal;
use smc_mqtt::discovery::DiscoveryError;
use smc_mqtt::entropy::NoEntropy;
use smc_mqtt::settings::{BrokerAddress, ConnectionSettings, Login, Secret};
use smc_mqtt::tls::Tls;
use smc_mqtt::topic::Topics;

use super::at::At;

/// `--broker ADDRESS --user NAME --password-file FILE --key NAME.key`
#[derive(Debug, Args)]
pub(crate) struct Onlooker {
    #[command(flatten)]
    at: At,
    /// The reader whose login to look on with; without its password file, no login at all
    #[arg(long, value_name = "NAME", default_value = "observer")]
    user: String,
    /// The file with its password; keys/USER.password beside the site file if not given
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Look on with a node's own login instead, at what that may read: its key file, called after it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "password_file"])]
    key: Option<PathBuf>,
}

/// How to connect, and what to subscribe.
#[derive(Debug)]
pub(crate) struct View {
    /// Under whose name; `nobody` without a login.
    pub(crate) name: String,
    /// Broker, client id and login.
    pub(crate) settings: ConnectionSettings,
    /// All that this login may read.
    pub(crate) filters: Vec<String>,
}

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookFailure {
    /// The key file, or what goes with it, can't be used.
    #[error("--key: {0}")]
    Access(#[from] AccessError),
    /// No broker was found.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The connection is gone for good.
    #[error("the connection to the broker ended")]
    Ended,
    /// There is no entropy for a client id.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// What comes on the standard input can't be read.
    #[error("the standard input: {0}")]
    Input(#[source] io::Error),
    /// Nobody takes what is told.
    #[error("it could not be printed: {0}")]
    Output(#[from] io::Error),
    /// The password can't be read.
    #[error("{path}: {error}; name the file with the password of {user} with --password-file")]
    Password {
        /// The file.
        path: PathBuf,
        /// Whose.
        user: String,
        /// Why.
        error: io::Error,
    },
    /// The broker turns the login down.
    #[error("{broker} turns {user} down: {reason}; check --user and --password-file, or --key")]
    Refused {
        /// Where.
        broker: BrokerAddress,
        /// Whom.
        user: String,
        /// Why.
        reason: Refusal,
    },
    /// The node's names make filters that can't be used.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// The site file or the changes of its member list can't be used.
    #[error("--site, --members: {0}")]
    Site(#[from] ConfigError),
    /// The key is nobody's of the site.
    #[error("--key: `{key}` is no member of the site")]
    Stranger {
        /// Whose it is said to be.
        key: String,
    },
}

impl Onlooker {
    /// How to look at `site`, whose file is `site_file`; `charters` has how its member list changed. A node's own file may
    /// have `named` the broker, and whom to trust there.
    ///
    /// # Errors
    /// If a file can't be used, or the broker is not found.
    pub(crate) async fn view(
        &self,
        site: &SiteName,
        site_file: &Path,
        charters: Option<&Path>,
        named: Option<(Option<BrokerAddress>, Option<Tls>)>,
    ) -> Result<View, LookFailure> {
        let access =
            self.key.as_deref().map(|key| Access::load_told(site_file, charters, key)).transpose()?;
        let broker = match named {
            Some(named) => self.at.locate_as(named, site).await?,
            None => self.at.locate(site_file, site).await?,
        };
        match access {
            Some(access) => node_view(&access, broker),
            None => self.reader_view(&Topics::new(site.clone()), site_file, broker),
        }
    }

    fn reader_view(
        &self,
        topics: &Topics,
        site_file: &Path,
        broker: BrokerAddress,
    ) -> Result<View, LookFailure> {
        let login = self.login(site_file)?;
        let name = login.as_ref().map_or("nobody", |login| login.user.as_str()).to_owned();
        let settings = ConnectionSettings { login, ..ConnectionSettings::new(broker, client_id(&name)?) };
        let filters = [topics.everything()].into_iter().chain(topics.discovery()).collect();
        Ok(View { name, settings, filters })
    }

    /// The reader's login; none if no file was named and there is none where `murmur site init` puts it.
    fn login(&self, site_file: &Path) -> Result<Option<Login>, LookFailure> {
        let usual = || site_file.with_file_name("keys").join(format!("{}.password", self.user));
        let path = self.password_file.clone().unwrap_or_else(usual);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let password = Secret::from(text.trim().to_owned());
                Ok(Some(Login { user: self.user.clone(), password }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.password_file.is_none() => Ok(None),
            Err(error) => Err(LookFailure::Password { path, user: self.user.clone(), error }),
        }
    }
}

/// What a node may read, beside the node itself.
fn node_view(access: &Access, broker: BrokerAddress) -> Result<View, LookFailure> {
    let node = access.node();
    let role = role(access.roster(), node.as_str());
    let role = role.ok_or_else(|| LookFailure::Stranger { key: node.to_string() })?;
    // A client may be connected several times; a peer or an agent once beside its program.
    let client_id = if role == Role::Client { client_id(node.as_str())? } else { format!("{node}.open") };
    let rules = role.rules(&Topics::new(access.roster().site().clone()), node.as_str())?;
    let filters = rules.subscribe.iter().map(ToString::to_string).collect();
    Ok(View { name: node.to_string(), settings: access.connection(broker, client_id), filters })
}

fn role(roster: &Roster, name: &str) -> Option<Role> {
    let is_client = || roster.clients().any(|(client, _)| client.as_str() == name);
    if roster.peer_named(name).is_some() {
        Some(Role::Peer)
    } else if roster.agent_named(name).is_some() {
        Some(Role::Agent)
    } else {
        is_client().then_some(Role::Client)
    }
}

/// One that nobody else has.
fn client_id(name: &str) -> Result<String, NoEntropy> {
    Ok(format!("{name}-{}", word()?))
}
