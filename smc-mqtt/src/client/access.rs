//! Who asks, of which site: a site file and a key file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use smc_core::identity::{SealingSecret, SigningKey};
use smc_core::name::{NameError, NodeName};
use smc_core::request::{Admissible, Asked, Request};
use smc_core::roster::Roster;

use super::ClientError;
use crate::config::{ConfigError, KeyFile, KeyFileError, Membership, load, load_site};
use crate::settings::{BrokerAddress, ConnectionSettings, Login};

/// A site, and the secrets of one of its nodes.
#[derive(Debug)]
pub struct Access {
    roster: Arc<Roster>,
    secrets: KeyFile,
}

/// What a peer's and an agent's own files have in common.
#[derive(Debug, Deserialize)]
struct NodeConfig {
    node: NodeName,
    site: PathBuf,
    keys: PathBuf,
    broker: BrokerAddress,
    /// Where the changes of the member list are, if the node keeps them.
    state_dir: Option<PathBuf>,
}

/// A file that gives no access.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The key file is not called after a node.
    #[error("{path}: a key file is called after its node, such as display.key ({error})")]
    KeyName {
        /// The file.
        path: PathBuf,
        /// Why.
        error: NameError,
    },
    /// The key file can't be used.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The site file can't be used.
    #[error(transparent)]
    Site(#[from] ConfigError),
}

impl Access {
    /// A site as it is known here, and the secrets of one of its nodes.
    pub fn new(roster: Arc<Roster>, secrets: KeyFile) -> Self {
        Self { roster, secrets }
    }

    /// Reads a site file and the key file of a node, which is called after it.
    ///
    /// # Errors
    /// If either can't be used.
    pub fn load(site: &Path, key: &Path) -> Result<Self, AccessError> {
        let roster = load_site(site)?;
        let stem = key.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let node = stem.parse().map_err(|error| AccessError::KeyName { path: key.to_owned(), error })?;
        let secrets = KeyFile::load(key, &node)?;
        Ok(Self { roster, secrets })
    }

    /// Reads what the file of a peer or an agent names, with the member list as that node knows it, and where its broker is.
    ///
    /// # Errors
    /// If one of the files can't be used.
    pub fn of_config(path: &Path) -> Result<(Self, BrokerAddress), AccessError> {
        let config: NodeConfig = load(path, &["broker", "keys", "node", "site", "state_dir"])?;
        let Membership { roster, secrets, .. } =
            Membership::load(path, &config.node, &config.site, &config.keys, config.state_dir.as_deref())?;
        Ok((Self { roster, secrets }, config.broker))
    }

    /// The site.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Whose keys these are.
    pub fn node(&self) -> &NodeName {
        &self.secrets.node
    }

    /// What it signs with.
    pub fn key(&self) -> &SigningKey {
        &self.secrets.keys.signing
    }

    /// What opens outputs that are for it alone.
    pub fn sealing(&self) -> &SealingSecret {
        &self.secrets.keys.sealing
    }

    /// A request as it is published: what the peers will make of it, and the JSON.
    ///
    /// # Errors
    /// If it can't be a request of this client to this site.
    pub fn sign(&self, request: Request) -> Result<(Admissible, Vec<u8>), ClientError> {
        let identity = self.key().verifying_key();
        let known = self.roster.client(self.node()).and_then(|client| client.identity);
        if known != Some(identity) {
            return Err(ClientError::NotAClient {
                node: self.node().clone(),
                identity: identity.to_string(),
            });
        }
        let query = request.query.name.clone();
        let json = serde_json::to_vec(&request.signed(self.key()))?;
        match Asked::open(&self.roster, self.node(), &query, &json)? {
            Asked::Request(admissible) => Ok((*admissible, json)),
            // What `signed` writes has no `cancel`.
            Asked::Cancellation(_) => Err(ClientError::NotAsked { query }),
        }
    }

    /// How it connects to `broker` under the client id `client_id`, with its login.
    pub fn connection(&self, broker: BrokerAddress, client_id: String) -> ConnectionSettings {
        let login = Login { user: self.node().to_string(), password: self.secrets.password.clone() };
        ConnectionSettings { login: Some(login), ..ConnectionSettings::new(broker, client_id) }
    }
}
