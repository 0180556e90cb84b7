//! `murmur site renew`

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;
use smc_core::name::SiteName;
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use smc_mqtt::config::{ConfigError, load_site};
use smc_mqtt::files::{replace, replace_secret};
use smc_mqtt::settings::Secret;
use smc_mqtt::tls::{Facts, PemError, certificates};

use super::authority::{Authority, Issued};
use super::folder::{AUTHORITY, AUTHORITY_KEY, BROKER, BROKER_KEY};
use crate::command::Outcome;

const EXAMPLES: &str = "\
Examples:
  murmur site renew hq                      renews what ends within 30 days
  murmur site renew hq --days 400           renews the broker's now
  murmur site renew hq --name mqtt.example  has the broker's certificate be for that name, too

A broker that runs takes the new certificate within seconds, for whoever connects from then on. Its nodes need
nothing: the authority is the same.";

const DAY: Duration = Duration::from_secs(86_400);

/// `murmur site renew DIR`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Renew {
    /// The site's files, as `murmur site init --tls` made them, with the authority's key
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Renew what ends within so many days
    #[arg(long, value_name = "N", default_value_t = 30)]
    days: u16,
    /// A host name or an address that the broker's certificate is to be for besides; may be repeated
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
}

/// Why nothing was renewed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewError {
    /// The site file can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A certificate can't be made.
    #[error("a certificate can't be made: {0}; is a --name no host name?")]
    Make(#[from] rcgen::Error),
    /// What was done could not be told.
    #[error("it is done, but could not be printed: {0}")]
    Output(io::Error),
    /// A certificate can't be read.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A file can't be read or written.
    #[error(
        "{path}: {error}; renew in the folder that `murmur site init --tls` made, where {AUTHORITY_KEY} is"
    )]
    Use {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Renew {
    pub(crate) fn run(self) -> Result<Outcome, RenewError> {
        let roster = load_site(&self.folder.join("site.toml"))?;
        let until = Clock::system().now() + DAY * u32::from(self.days);
        let authority = self.authority(roster.site())?;
        let told = [self.renew_authority(&authority, until)?, self.renew_broker(&authority, until)?];
        io::stdout().write_all(told.concat().as_bytes()).map_err(RenewError::Output)?;
        Ok(Outcome::Done)
    }

    fn authority(&self, site: &SiteName) -> Result<Authority, RenewError> {
        let path = self.folder.join(AUTHORITY_KEY);
        let pem = std::fs::read_to_string(&path).map_err(|error| RenewError::Use { path, error })?;
        Ok(Authority::of_key(site, Secret::from(pem).reveal())?)
    }

    /// The authority's own certificate, which nodes have copies of.
    fn renew_authority(&self, authority: &Authority, until: Timestamp) -> Result<String, RenewError> {
        let facts = self.facts(AUTHORITY)?;
        if facts.not_after > until {
            return Ok(kept(AUTHORITY, &facts));
        }
        self.write(AUTHORITY, authority.certificate(SystemTime::now())?.as_bytes())?;
        let told = renewed(AUTHORITY, &self.facts(AUTHORITY)?);
        Ok(
            told + "  The key is the same, so the old copies go on working; hand the new one out all the same.\n"
        )
    }

    fn renew_broker(&self, authority: &Authority, until: Timestamp) -> Result<String, RenewError> {
        let facts = self.facts(BROKER)?;
        let new: Vec<_> = self.name.iter().filter(|name| !facts.names.contains(name)).cloned().collect();
        if facts.not_after > until && new.is_empty() {
            return Ok(kept(BROKER, &facts));
        }
        // The first one is what the certificate is called, and no host.
        let names: Vec<_> = facts.names.iter().skip(1).cloned().chain(new).collect();
        let Issued { certificate, key } = authority.issue(&names, SystemTime::now())?;
        // The key first: until both are there, a broker that looks goes on with what it has.
        self.write_secret(BROKER_KEY, &key)?;
        self.write(BROKER, certificate.as_bytes())?;
        let facts = self.facts(BROKER)?;
        Ok(renewed(BROKER, &facts) + &format!("  It is for {}.\n", names.join(", ")))
    }

    fn facts(&self, file: &str) -> Result<Facts, RenewError> {
        let path = self.folder.join(file);
        let facts = Facts::of_first(&certificates(&path)?);
        Ok(facts.ok_or(PemError::Certificate { path })?)
    }

    fn write(&self, file: &str, content: &[u8]) -> Result<(), RenewError> {
        let path = self.folder.join(file);
        replace(&path, content).map_err(|error| RenewError::Use { path, error })
    }

    fn write_secret(&self, file: &str, secret: &Secret) -> Result<(), RenewError> {
        let path = self.folder.join(file);
        replace_secret(&path, secret.reveal().as_bytes()).map_err(|error| RenewError::Use { path, error })
    }
}

fn kept(file: &str, facts: &Facts) -> String {
    format!("{file} holds until {}: nothing to do\n", facts.not_after)
}

fn renewed(file: &str, facts: &Facts) -> String {
    format!("{file} is renewed and holds until {}\n", facts.not_after)
}
