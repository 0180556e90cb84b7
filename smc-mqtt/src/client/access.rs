//! Who asks, of which site: a site file and a key file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use smc_core::charter::Eras;
use smc_core::identity::{SealingSecret, SigningKey, VerifyingKey};
use smc_core::introduction::{self, IntroducedRole};
use smc_core::name::{NameError, NodeName};
use smc_core::request::{Admissible, Asked, Request};
use smc_core::roster::{Roster, SiteDocument};
use smc_core::time::Timestamp;

use super::ClientError;
use crate::clock::Clock;
use crate::config::{ConfigError, KeyFile, KeyFileError, Membership, broker, load, load_told};
use crate::joining;
use crate::members::{Members, MembersError};
use crate::settings::{BrokerAddress, ConnectionSettings, Login};
use crate::tls::{Tls, TlsFiles};

/// A site, as its member list stands, and the secrets of one of its nodes.
#[derive(Debug)]
pub struct Access {
    members: Members,
    roster: Arc<Roster>,
    secrets: KeyFile,
}

/// What a peer's and an agent's own files have in common.
#[derive(Debug, Deserialize)]
struct NodeConfig {
    node: NodeName,
    site: PathBuf,
    keys: PathBuf,
    broker: Option<BrokerAddress>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    certificate_key: Option<PathBuf>,
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
    /// A site as its file states it, and the secrets of one of its nodes.
    ///
    /// # Errors
    /// If the site does not hold together.
    pub fn new(site: SiteDocument, secrets: KeyFile) -> Result<Self, MembersError> {
        let members = Members::load(site, None, Timestamp::default())?;
        Ok(Self { roster: members.roster()?, members, secrets })
    }

    /// Reads a site file and the key file of a node, which is called after it.
    ///
    /// # Errors
    /// If either can't be used.
    pub fn load(site: &Path, key: &Path) -> Result<Self, AccessError> {
        Self::load_told(site, None, key)
    }

    /// The same with the changes of the member list that the file `charters` has, if one is named.
    ///
    /// # Errors
    /// If a file can't be used.
    pub fn load_told(site: &Path, charters: Option<&Path>, key: &Path) -> Result<Self, AccessError> {
        let members = load_told(site, charters)?;
        let roster = members.roster().map_err(ConfigError::from)?;
        let stem = key.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let node = stem.parse().map_err(|error| AccessError::KeyName { path: key.to_owned(), error })?;
        let secrets = KeyFile::load(key, &node)?;
        Ok(Self { members, roster, secrets })
    }

    /// Reads what the file of a peer or an agent names, with the member list as that node knows it; where its broker is, and
    /// whom to trust there, if the file says so.
    ///
    /// # Errors
    /// If one of the files can't be used.
    pub fn of_config(path: &Path) -> Result<(Self, Option<BrokerAddress>, Option<Tls>), AccessError> {
        let config: NodeConfig = load(
            path,
            &["broker", "ca", "certificate", "certificate_key", "keys", "node", "site", "state_dir"],
        )?;
        let NodeConfig { ca, certificate, certificate_key, .. } = config;
        let (broker, tls) = broker(path, config.broker, TlsFiles { ca, certificate, certificate_key })?;
        let Membership { roster, members, secrets } =
            Membership::load(path, &config.node, &config.site, &config.keys, config.state_dir.as_deref())?;
        // What the node keeps is its own to write.
        Ok((Self { members: members.detached(), roster, secrets }, broker, tls))
    }

    /// Waits until the member list names this node with its key, if it does not yet: for a few seconds, since somebody who is
    /// new has the site file of others; what the broker has then is what there is.
    ///
    /// # Errors
    /// If there is a list that can't be taken in.
    pub async fn join(
        &mut self,
        broker: BrokerAddress,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), MembersError> {
        let (node, key) = (self.node().clone(), self.key().verifying_key());
        let settings = self.connection(broker, node.as_str().to_owned());
        let named = |site: &SiteDocument| names(site, &node, &key);
        let shutdown = std::pin::pin!(shutdown);
        joining::wait(&mut self.members, &node, settings, &Clock::system(), shutdown, named).await?;
        self.roster = self.members.roster()?;
        Ok(())
    }

    /// Takes in the changes of the member list as they are published; whether there were any.
    ///
    /// # Errors
    /// If they do not count; then nothing has changed.
    pub fn take_charters(&mut self, json: &[u8], now: Timestamp) -> Result<bool, MembersError> {
        let new = self.members.take(json)?;
        Ok(self.follow(now)? || new)
    }

    /// Goes on with the list in force at `now`; whether that is another one.
    ///
    /// # Errors
    /// Never for a list that came in by charters.
    pub fn follow(&mut self, now: Timestamp) -> Result<bool, MembersError> {
        if self.members.due().is_none_or(|due| due > now) {
            return Ok(false);
        }
        let Some(roster) = self.members.advance(now)? else { return Ok(false) };
        self.roster = roster;
        Ok(true)
    }

    /// Whose signatures counted when.
    pub fn eras(&self) -> &Eras {
        self.members.register().eras()
    }

    /// The site, with the members that it has now as far as is known.
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

    /// How it introduces itself at `now`, if it is a client of the site.
    pub(super) fn introduction(&self, now: Timestamp) -> Option<Vec<u8>> {
        self.roster.client(self.node())?;
        let (site, node) = (self.roster.site().clone(), self.node().clone());
        let (role, version) = (IntroducedRole::Client, env!("CARGO_PKG_VERSION"));
        Some(introduction::of(site, node, role, version, &self.secrets.keys, now))
    }

    /// How it connects to `broker` under the client id `client_id`, with its login.
    pub fn connection(&self, broker: BrokerAddress, client_id: String) -> ConnectionSettings {
        let login = Login { user: self.node().to_string(), password: self.secrets.password.clone() };
        ConnectionSettings { login: Some(login), ..ConnectionSettings::new(broker, client_id) }
    }
}

/// Whether a list has this node with this key.
fn names(site: &SiteDocument, node: &NodeName, key: &VerifyingKey) -> bool {
    // Those without a key that signs only open what is sealed for them.
    site.members().any(|(name, identity, _)| name == node && identity.is_none_or(|identity| identity == key))
}
