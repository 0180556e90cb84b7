//! `--site site.toml --members members.json`: whose signatures count, and how that changed.

use std::path::PathBuf;

use clap::Args;
use smc_core::audit::Lists;
use smc_mqtt::config::{ConfigError, load_document, load_told};
use smc_mqtt::members::Members;

/// The files that whoever verifies goes by.
#[derive(Debug, Args)]
pub(crate) struct Told {
    /// The site whose peers must have signed
    #[arg(long, value_name = "FILE", default_value = "site.toml")]
    pub(crate) site: PathBuf,
    /// How its member list changed: a node's members.json, or what the broker keeps on murmur/SITE/charter
    #[arg(long, value_name = "FILE")]
    pub(crate) members: Option<PathBuf>,
}

impl Told {
    /// The member lists.
    ///
    /// # Errors
    /// If a file can't be used.
    pub(crate) fn members(&self) -> Result<Members, ConfigError> {
        load_told(&self.site, self.members.as_deref())
    }

    /// By which of them the entries of a log are judged.
    ///
    /// # Errors
    /// If a file can't be used.
    pub(crate) fn lists(&self) -> Result<Lists, ConfigError> {
        let told = self.members()?.register().clone();
        let lists = Lists::new(load_document(&self.site)?, told);
        lists.map_err(|error| ConfigError::Site { path: self.site.clone(), error: Box::new(error) })
    }
}
