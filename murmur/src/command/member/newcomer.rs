//! The files of a node that joins: its keys, and its configuration.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use broker::{Password, PasswordHash};
use smc_core::charter::LoginHash;
use smc_core::identity::{NodeKeys, SealingPublic, VerifyingKey};
use smc_core::name::NodeName;
use smc_core::roster::document::ClientTable;
use smc_mqtt::config::{KeyFile, KeyFileError};
use smc_mqtt::entropy;
use smc_mqtt::settings::{BrokerAddress, Secret};

use super::{MemberFailure, beside};
use crate::command::site::password;

/// What follows the common lines of a configuration file.
pub(super) type Kind = &'static str;

/// An agent's: a room that is made up, until somebody says where its readings come from.
pub(super) const AGENT: Kind = "
# Where the readings come from. This one invents a room; replace it by your sensors, see configs/agent-mqtt.toml.
[[source]]
kind = \"simulated\"
interval_s = 0.5
";
/// A peer's.
pub(super) const PEER: Kind = "consent = \"ask\"\n";

/// Fresh keys and a password for one node.
pub(super) struct Newcomer {
    pub(super) name: NodeName,
    pub(super) login: LoginHash,
    keys: NodeKeys,
    password: Secret,
}

impl Newcomer {
    /// Draws them.
    ///
    /// # Errors
    /// Without entropy.
    pub(super) fn draw(name: NodeName) -> Result<Self, MemberFailure> {
        let mut rng = entropy::rng()?;
        let (keys, password) = (NodeKeys::generate(&mut rng), password::for_node(&mut rng));
        let hash = PasswordHash::of_random_key(&Password::new(password.reveal().as_bytes()))?;
        Ok(Self { name, login: hash.to_string().try_into()?, keys, password })
    }

    pub(super) fn identity(&self) -> VerifyingKey {
        self.keys.signing.verifying_key()
    }

    pub(super) fn sealing(&self) -> SealingPublic {
        *self.keys.sealing.public()
    }

    /// What the member list says of it as a client, which may ask.
    pub(super) fn client(&self, groups: Vec<String>) -> ClientTable {
        ClientTable {
            name: self.name.clone(),
            identity: Some(self.identity()),
            sealing: self.sealing(),
            groups,
        }
    }

    /// Writes the key file beside `config`, and a configuration file if there is one of its kind. Nothing is written over.
    ///
    /// # Errors
    /// If a file is there already or can't be written.
    pub(super) fn write(
        &self,
        config: &Path,
        broker: &BrokerAddress,
        kind: Option<Kind>,
    ) -> Result<(), MemberFailure> {
        let name = &self.name;
        let path = beside(config, &format!("{name}.toml"));
        if kind.is_some() && path.exists() {
            return Err(MemberFailure::Exists { path });
        }
        self.create(&beside(config, &format!("keys/{name}.key")))?;
        let Some(kind) = kind else { return Ok(()) };
        let text = format!(
            "# Paths count from this file.\nnode = \"{name}\"\nsite = \"site.toml\"\n# Its secrets. Only its owner may read them (mode 0600).\nkeys = \"keys/{name}.key\"\nbroker = \"mqtt://{broker}\"\nstate_dir = \"state/{name}\"\n{kind}"
        );
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| MemberFailure::File { path, error })
    }

    /// Writes a key file beside the one of the same node, and says where.
    ///
    /// # Errors
    /// If a file is there already or can't be written.
    pub(super) fn write_next(&self, config: &Path) -> Result<PathBuf, MemberFailure> {
        let path = beside(config, &format!("keys/{}.next.key", self.name));
        self.create(&path)?;
        Ok(path)
    }

    fn create(&self, path: &Path) -> Result<(), MemberFailure> {
        if path.exists() {
            return Err(MemberFailure::Exists { path: path.to_owned() });
        }
        let created: Result<(), KeyFileError> =
            KeyFile::create(path, &self.name, self.password.reveal(), &self.keys);
        Ok(created?)
    }
}
