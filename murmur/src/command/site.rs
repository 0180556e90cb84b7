//! `murmur site`

mod authority;
mod broker;
mod folder;
mod init;
mod names;
mod password;
mod plan;
mod render;
mod renew;
mod told;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::{Args, Subcommand};

pub(crate) use self::authority::Authority;
pub(crate) use self::broker::{BrokerFailure, mosquitto};
pub(crate) use self::init::InitError;
pub(crate) use self::renew::RenewError;
use super::{Failure, Outcome};

/// `murmur site ...`
#[derive(Debug, Args)]
pub(crate) struct Site {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write the configuration of another broker: who may connect, and to which topics
    Broker(broker::Broker),
    /// Make a new site: site.toml, a key file and a configuration file per node
    Init(Box<init::Init>),
    /// Renew the certificates that `init --tls` made, before they end
    Renew(renew::Renew),
}

impl Site {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match self.action {
            Action::Broker(broker) => Ok(broker.run()?),
            Action::Init(init) => Ok(init.run()?),
            Action::Renew(renew) => Ok(renew.run()?),
        }
    }
}

/// Has this program make a site in `folder`, as whoever types the command would; else what it says.
pub(crate) fn init(folder: &Path, flags: &[impl AsRef<OsStr>]) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    let made = command.args(["site", "init"]).arg(folder).args(flags).stdin(Stdio::null()).output();
    match made {
        Ok(made) if made.status.success() => Ok(()),
        Ok(made) => Err(String::from_utf8_lossy(&made.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
