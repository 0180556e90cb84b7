//! `murmur site broker`: a site's logins and rules in the words of other brokers.

mod hash;
mod logins;
mod mosquitto;
mod nats;
mod rabbitmq;

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use broker::settings::{Settings, SettingsError};
use broker::{Account, ClientCertificates, Limits, TlsListener};
use clap::{Args, ValueEnum};
use smc_core::name::SiteName;
use smc_mqtt::entropy::{self, NoEntropy};
use smc_mqtt::files;
use smc_mqtt::settings::Secret;
use zeroize::Zeroizing;

use self::logins::{Login, LoginsError};
use super::told::path as shell;
use crate::command::Outcome;

const EXAMPLES: &str = "\
Examples:
  murmur site broker mosquitto hq
  murmur site broker nats hq --listen 0.0.0.0:1883 --into /etc/murmur/nats
  murmur site broker rabbitmq hq --tls-cert broker.crt --tls-key broker.key --listen 0.0.0.0:8883

The accounts and what each may publish and subscribe are those of broker.toml; the passwords are read from keys/, so run it
before the key files are handed out. The password of an account that you added belongs in keys/<account>.password.";

/// `murmur site broker KIND DIR`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Broker {
    /// Which broker
    kind: Kind,
    /// The site's folder, with broker.toml and keys/
    #[arg(value_name = "DIR")]
    site: PathBuf,
    /// Where the files go; a folder in DIR, called like the kind of broker, if not given
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Where the broker will listen; as in broker.toml if not given
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Its certificate chain, in PEM: then it speaks TLS alone; that of a site made with --tls if not given
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

/// The brokers that are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Eclipse Mosquitto, 2.0 or newer
    Mosquitto,
    /// NATS server with JetStream, 2.9 or newer
    Nats,
    /// RabbitMQ with its MQTT plugin, 3.10 or newer
    Rabbitmq,
}

/// Why no configuration was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerFailure {
    /// There is no entropy.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// A file is there already.
    #[error("{path} exists; write over it with --force, or choose another folder with --into")]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// A password can't be found, or can't be hashed.
    #[error(transparent)]
    Logins(#[from] LoginsError),
    /// The broker can't choose a port by itself.
    #[error("broker.toml has no address with a port to listen on; name one with --listen")]
    NoPort,
    /// A password has a form that the broker's hash can't take.
    #[error("the password of {account:?} is too long for bcrypt, or holds a zero; choose another one")]
    Password {
        /// Whose.
        account: String,
    },
    /// A certificate or its key is not there.
    #[error("{path}: {error}; name the file that the broker will read")]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// broker.toml can't be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A rule of an account can't be said to this broker.
    #[error(
        "account {account:?}: {kind} can't tell `{filter}` apart from other topics, since it takes {what} in it for something \
         else; give the topic another name in broker.toml"
    )]
    Unspeakable {
        /// Whose.
        account: String,
        /// Which broker.
        kind: &'static str,
        /// Which topics.
        filter: String,
        /// What is in the way.
        what: &'static str,
    },
    /// A path is not text.
    #[error("{path}: a path in a configuration file must be UTF-8 without quotes, backslashes and line ends")]
    Unwritable {
        /// The path.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("{path}: {error}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// All that a configuration is made of.
struct Plan {
    site: SiteName,
    logins: Vec<Login>,
    /// The account of clients without a login, if they may come.
    anonymous: Option<String>,
    listen: SocketAddr,
    /// The longest packet, in bytes, and the most connections at once.
    limits: (usize, usize),
    tls: Option<Tls>,
    /// Where the files will be.
    folder: Folder,
}

/// The certificate and the key of the broker, for its file.
struct Tls {
    cert: String,
    key: String,
    /// The authority of clients' certificates, if clients must have one.
    client_ca: Option<String>,
}

/// A folder whose path can stand in a configuration file.
struct Folder(String);

/// A file that is to be written; only its owner may read it.
struct Draft {
    name: &'static str,
    text: Zeroizing<String>,
}

impl Draft {
    fn new(name: &'static str, text: String) -> Self {
        Self { name, text: Zeroizing::new(text) }
    }
}

impl Broker {
    pub(super) fn run(self) -> Result<Outcome, BrokerFailure> {
        let folder = self.into.clone().unwrap_or_else(|| self.site.join(self.kind.name()));
        fs::create_dir_all(&folder).map_err(|error| written(&folder, error))?;
        let plan = self.plan(&folder)?;
        let drafts = match self.kind {
            Kind::Mosquitto => mosquitto::files(&plan)?,
            Kind::Nats => nats::files(&plan)?,
            Kind::Rabbitmq => rabbitmq::files(&plan)?,
        };
        self.write(&folder, &drafts)?;
        let _ = io::stdout().write_all(self.report(&folder, &plan, &drafts).as_bytes());
        Ok(Outcome::Done)
    }

    fn plan(&self, folder: &Path) -> Result<Plan, BrokerFailure> {
        let path = self.site.join("broker.toml");
        let settings = Settings::read(&path)?;
        let site = settings.site().clone();
        let config = settings.into_config(&path)?;
        // A site whose own broker speaks TLS alone is to have another one that does, with the same certificate.
        let own = config.tls.as_ref().filter(|_| config.listen.is_none());
        let tls = self.tls(own)?;
        let listen = self.listen.or(config.listen).or(own.map(|tls| tls.listen));
        let listen = listen.filter(|listen| listen.port() != 0).ok_or(BrokerFailure::NoPort)?;
        let rng = &mut entropy::rng()?;
        let logins = logins::find(&self.site, config.accounts, config.anonymous.as_deref(), rng)?;
        let folder = Folder(writable(&fs::canonicalize(folder).map_err(|error| written(folder, error))?)?);
        let limits = (config.limits.packet_bytes, config.limits.connections);
        Ok(Plan { site, logins, anonymous: config.anonymous, listen, limits, tls, folder })
    }

    /// The certificate of the command line, or else of broker.toml; clients need one of theirs if it says so.
    fn tls(&self, written: Option<&TlsListener>) -> Result<Option<Tls>, BrokerFailure> {
        let given = self.tls_cert.as_deref().zip(self.tls_key.as_deref());
        let own = written.map(|tls| (tls.certificate.as_path(), tls.key.as_path()));
        let Some((cert, key)) = given.or(own) else { return Ok(None) };
        let required = |tls: &&TlsListener| tls.client_certificates == ClientCertificates::Required;
        let client_ca = written.filter(required).and_then(|tls| tls.client_ca.as_deref());
        let client_ca = client_ca.map(existing).transpose()?;
        Ok(Some(Tls { cert: existing(cert)?, key: existing(key)?, client_ca }))
    }

    /// Looks before the first file is written, so that what is refused changes nothing.
    fn write(&self, folder: &Path, drafts: &[Draft]) -> Result<(), BrokerFailure> {
        let paths = || drafts.iter().map(|draft| folder.join(draft.name));
        if let Some(path) = paths().find(|path| !self.force && fs::symlink_metadata(path).is_ok()) {
            return Err(BrokerFailure::Exists { path });
        }
        for (draft, path) in drafts.iter().zip(paths()) {
            files::replace_secret(&path, draft.text.as_bytes()).map_err(|error| written(&path, error))?;
        }
        Ok(())
    }

    fn report(&self, folder: &Path, plan: &Plan, drafts: &[Draft]) -> String {
        let mut text = format!(
            "Wrote the configuration of {} for the site {}: {} accounts, listening on {}{}.\n\n",
            self.kind,
            plan.site,
            plan.logins.len(),
            plan.listen,
            if plan.tls.is_some() { " with TLS alone" } else { "" },
        );
        for draft in drafts {
            text += &format!("  {}\n", shell(folder, draft.name));
        }
        text += &format!("\nStart it with:\n  {}\n", self.kind.start(folder));
        text + "\nOnly you may read these files: who runs the broker as another user gives them to that user (chown).\n"
    }
}

/// Writes Mosquitto's files for a site whose logins are known, into `folder`; the path of its configuration.
///
/// # Errors
/// If a file can't be written, or a path can't stand in one.
pub(crate) fn mosquitto(
    folder: &Path,
    site: &SiteName,
    logins: Vec<(Account, Secret)>,
    listen: SocketAddr,
    tls: Option<(&Path, &Path)>,
) -> Result<PathBuf, BrokerFailure> {
    fs::create_dir_all(folder).map_err(|error| written(folder, error))?;
    let tls = match tls {
        Some((cert, key)) => Some(Tls { cert: existing(cert)?, key: existing(key)?, client_ca: None }),
        None => None,
    };
    let limits = Limits::default();
    let plan = Plan {
        site: site.clone(),
        logins: logins.into_iter().map(|(account, password)| Login { account, password }).collect(),
        anonymous: None,
        listen,
        limits: (limits.packet_bytes, limits.connections),
        tls,
        folder: Folder(writable(&fs::canonicalize(folder).map_err(|error| written(folder, error))?)?),
    };
    for mut draft in mosquitto::files(&plan)? {
        if draft.name == mosquitto::CONFIG {
            // Who starts it as root has it stay so: its files are for nobody else.
            draft.text.push_str("user root\n");
        }
        let path = folder.join(draft.name);
        files::replace_secret(&path, draft.text.as_bytes()).map_err(|error| written(&path, error))?;
    }
    Ok(folder.join(mosquitto::CONFIG))
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Nats => "nats",
            Self::Rabbitmq => "rabbitmq",
        }
    }

    fn start(self, folder: &Path) -> String {
        match self {
            Self::Mosquitto => format!("mosquitto -c {}", shell(folder, mosquitto::CONFIG)),
            Self::Nats => format!("nats-server -c {}", shell(folder, nats::CONFIG)),
            Self::Rabbitmq => format!(
                "RABBITMQ_CONFIG_FILE={} RABBITMQ_ENABLED_PLUGINS_FILE={} rabbitmq-server",
                shell(folder, rabbitmq::CONFIG),
                shell(folder, rabbitmq::PLUGINS)
            ),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mosquitto => "Mosquitto",
            Self::Nats => "NATS",
            Self::Rabbitmq => "RabbitMQ",
        })
    }
}

impl Folder {
    /// The path of a file in it.
    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }
}

/// The absolute path of a file that must be there, for a configuration file.
fn existing(path: &Path) -> Result<String, BrokerFailure> {
    let path = fs::canonicalize(path).map_err(|error| BrokerFailure::Tls { path: path.to_owned(), error })?;
    writable(&path)
}

fn writable(path: &Path) -> Result<String, BrokerFailure> {
    let plain = |text: &&str| !text.contains(['"', '\\', '\n', '\r']);
    let text =
        path.to_str().filter(plain).ok_or_else(|| BrokerFailure::Unwritable { path: path.to_owned() })?;
    Ok(text.to_owned())
}

fn written(path: &Path, error: io::Error) -> BrokerFailure {
    BrokerFailure::Write { path: path.to_owned(), error }
}
