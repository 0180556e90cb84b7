//! A node that joins a site: its fresh keys, its login, and the files that it starts with.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRng;
use smc_core::charter::{LoginHash, LoginHashError};
use smc_core::identity::{NodeKeys, SealingPublic, VerifyingKey};
use smc_core::name::NodeName;
use smc_core::pairing::InvitedAs;
use smc_core::roster::document::ClientTable;
use zeroize::Zeroizing;

use crate::config::{KeyFile, KeyFileError};
use crate::entropy::{self, NoEntropy};
use crate::files::{FilesError, Unfinished};
use crate::password::{Password, PasswordHash, PasswordHashError};
use crate::settings::{BrokerAddress, Secret};

/// Readings of an agent that nobody has told where its sensors are.
const INVENTED_ROOM: &str = "
# Where the readings come from. This one invents a room; replace it by your sensors, see docs/sensors.md.
[[source]]
kind = \"simulated\"
interval_s = 0.5
";

/// The keys and the password of a node that joins.
pub struct Newcomer {
    /// Its name.
    pub name: NodeName,
    /// What a broker checks its password against.
    pub login: LoginHash,
    keys: NodeKeys,
    password: Secret,
}

/// Where a newcomer's broker is, as its file will say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// The address; without one it will look for a broker.
    pub broker: Option<&'a BrokerAddress>,
    /// The file of the authority that the broker's certificate is of.
    pub ca: Option<&'a str>,
}

/// Why there is no newcomer, or none of its files.
#[derive(Debug, thiserror::Error)]
pub enum NewcomerError {
    /// There is no entropy.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// A file can't be written.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A password can't be hashed.
    #[error(transparent)]
    Hash(#[from] PasswordHashError),
    /// The keys that are there already can't be used.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The hash is of no form that a charter takes.
    #[error(transparent)]
    Login(#[from] LoginHashError),
}

impl Newcomer {
    /// Draws keys and a password.
    ///
    /// # Errors
    /// Without entropy.
    pub fn draw(name: NodeName) -> Result<Self, NewcomerError> {
        let mut rng = entropy::rng()?;
        let (keys, password) = (NodeKeys::generate(&mut rng), password_for_node(&mut rng));
        Ok(Self { name, login: login(&password)?, keys, password })
    }

    /// Takes the keys and the password of a key file that is there already.
    ///
    /// # Errors
    /// Without entropy.
    pub fn of(secrets: KeyFile) -> Result<Self, NewcomerError> {
        let KeyFile { node, password, keys } = secrets;
        Ok(Self { name: node, login: login(&password)?, keys, password })
    }

    /// Its keys.
    pub fn keys(&self) -> &NodeKeys {
        &self.keys
    }

    /// Its Ed25519 public key.
    pub fn identity(&self) -> VerifyingKey {
        self.keys.signing.verifying_key()
    }

    /// Its X25519 public key.
    pub fn sealing(&self) -> SealingPublic {
        *self.keys.sealing.public()
    }

    /// What the member list says of it as a client, which may ask.
    pub fn client(&self, groups: Vec<String>) -> ClientTable {
        ClientTable {
            name: self.name.clone(),
            identity: Some(self.identity()),
            sealing: self.sealing(),
            groups,
        }
    }

    /// Writes its key file, and its configuration if what it will be has one.
    ///
    /// # Errors
    /// If a file is there already or can't be written.
    pub fn write(
        &self,
        files: &mut Unfinished,
        place: Place<'_>,
        invited_as: InvitedAs,
        sources: Option<&str>,
    ) -> Result<(), NewcomerError> {
        self.write_keys(files, &key_path(&self.name))?;
        if let Some(text) = configuration(&self.name, place, invited_as, sources) {
            files.text(&config_path(&self.name), &text)?;
        }
        Ok(())
    }

    /// Writes a key file beside the one of the same node in `folder`, and says where.
    ///
    /// # Errors
    /// If it is there already or can't be written.
    pub fn write_next(&self, folder: &Path) -> Result<PathBuf, NewcomerError> {
        let path = format!("keys/{}.next.key", self.name);
        let mut files = Unfinished::begin(folder)?;
        self.write_keys(&mut files, &path)?;
        files.finish();
        Ok(folder.join(path))
    }

    fn write_keys(&self, files: &mut Unfinished, path: &str) -> Result<(), NewcomerError> {
        files.secret_folder()?;
        Ok(files.key(path, &self.name, &self.password, &self.keys)?)
    }
}

/// Where the keys of a node are, from its folder.
pub fn key_path(name: &NodeName) -> String {
    format!("keys/{name}.key")
}

/// Where the configuration of a node is, from its folder.
pub fn config_path(name: &NodeName) -> String {
    format!("{name}.toml")
}

/// A password for a program: 256 bits in base64url.
pub fn password_for_node(rng: &mut impl CryptoRng) -> Secret {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *bytes);
    Secret::from(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

fn login(password: &Secret) -> Result<LoginHash, NewcomerError> {
    let hash = PasswordHash::of_random_key(&Password::new(password.reveal().as_bytes()))?;
    Ok(hash.to_string().try_into()?)
}

/// The configuration of an agent or a peer; a client has none.
fn configuration(
    name: &NodeName,
    place: Place<'_>,
    invited_as: InvitedAs,
    sources: Option<&str>,
) -> Option<String> {
    let rest = match invited_as {
        InvitedAs::Agent => sources.unwrap_or(INVENTED_ROOM),
        InvitedAs::Client => return None,
        InvitedAs::Peer => "consent = \"ask\"\n",
    };
    // Whoever typed an address without TLS is not told to trust anybody there.
    let ca = place.ca.filter(|_| place.broker.is_none_or(BrokerAddress::is_tls));
    let ca = ca.map(|ca| format!("ca = \"{ca}\"\n")).unwrap_or_default();
    let broker = place.broker.map_or_else(
        || {
            "# One that announces the site is looked for. If it is not found: broker = \"mqtt://10.0.0.2\""
                .to_owned()
        },
        |broker| format!("broker = \"{}\"", broker.url()),
    );
    Some(format!(
        "# Paths count from this file.
node = \"{name}\"
site = \"site.toml\"
# Its secrets. Only its owner may read them (mode 0600).
keys = \"{}\"
{broker}
{ca}state_dir = \"state/{name}\"
{rest}",
        key_path(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_the_bits_it_claims() {
        let password = password_for_node(&mut entropy::rng().unwrap());
        assert_eq!(URL_SAFE_NO_PAD.decode(password.reveal()).unwrap().len(), 32);
    }

    #[test]
    fn a_newcomer_that_comes_again_has_the_same_keys() {
        let folder = tempfile::tempdir().unwrap();
        let (name, broker) =
            ("room-7".parse::<NodeName>().unwrap(), "10.0.0.2".parse::<BrokerAddress>().unwrap());
        let first = Newcomer::draw(name.clone()).unwrap();
        let mut files = Unfinished::begin(folder.path()).unwrap();
        first.write(&mut files, Place { broker: Some(&broker), ca: None }, InvitedAs::Agent, None).unwrap();
        files.finish();
        let again =
            Newcomer::of(KeyFile::load(&folder.path().join(key_path(&name)), &name).unwrap()).unwrap();
        assert_eq!((first.identity(), first.sealing()), (again.identity(), again.sealing()));
        let login: PasswordHash = again.login.as_str().parse().unwrap();
        assert!(login.verify(&Password::new(first.password.reveal().as_bytes())));
        let written = std::fs::read_to_string(folder.path().join(config_path(&name))).unwrap();
        assert!(
            written.contains("broker = \"mqtt://10.0.0.2:1883\"") && written.contains("simulated"),
            "{written}"
        );
    }

    #[test]
    fn files_that_did_not_come_to_an_end_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let newcomer = Newcomer::draw("display".parse().unwrap()).unwrap();
        let mut files = Unfinished::begin(folder.path()).unwrap();
        newcomer.write(&mut files, Place::default(), InvitedAs::Client, None).unwrap();
        assert!(
            folder.path().join("keys/display.key").exists() && !folder.path().join("display.toml").exists()
        );
        drop(files);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
