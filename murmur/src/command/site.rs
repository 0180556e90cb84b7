//! `murmur site`

mod folder;
mod init;
mod names;
mod password;
mod plan;
mod render;
mod told;

use clap::{Args, Subcommand};

pub(crate) use self::init::InitError;
use super::Outcome;

/// `murmur site ...`
#[derive(Debug, Args)]
pub(crate) struct Site {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a new site: site.toml, a key file and a configuration file per node
    Init(Box<init::Init>),
}

impl Site {
    pub(crate) fn run(self) -> Result<Outcome, InitError> {
        match self.action {
            Action::Init(init) => init.run(),
        }
    }
}
