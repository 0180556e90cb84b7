//! A node's own file, on the machine of the node.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use smc_core::name::NodeName;
use smc_mqtt::config::{ConfigError, load};

/// A file, and what all programs' files have in common.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) path: PathBuf,
    pub(super) own: Own,
}

/// What is read of it whichever program it is for.
#[derive(Debug, Deserialize)]
pub(super) struct Own {
    pub(super) node: Option<NodeName>,
    /// The site file; of a broker the site's name.
    pub(super) site: Option<PathBuf>,
    pub(super) state_dir: Option<PathBuf>,
    account: Option<IgnoredAny>,
    listen: Option<IgnoredAny>,
    source: Option<IgnoredAny>,
}

/// Which program a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Agent,
    Broker,
    Peer,
}

impl Local {
    /// # Errors
    /// If it is no such file.
    pub(super) fn read(path: &Path) -> Result<Self, ConfigError> {
        let own = load(path, &["node", "site", "state_dir"])?;
        Ok(Self { path: path.to_owned(), own })
    }

    pub(super) fn program(&self) -> Program {
        let Own { account, listen, source, .. } = &self.own;
        match (account.is_some() || listen.is_some(), source.is_some()) {
            (true, _) => Program::Broker,
            (false, true) => Program::Agent,
            (false, false) => Program::Peer,
        }
    }
}
