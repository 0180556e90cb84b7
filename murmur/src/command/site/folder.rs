//! A site's folder: written whole or not at all, and never over anything.

use std::path::{Path, PathBuf};

use smc_core::name::NodeName;
use smc_mqtt::files::{FilesError, Unfinished};

use super::plan::{HOME_ASSISTANT, OBSERVER, Plan, Tls};
use super::render;

/// The certificate of the site's own authority; every node has a copy.
pub(super) const AUTHORITY: &str = "ca.pem";
/// Its key.
pub(super) const AUTHORITY_KEY: &str = "keys/ca-key.pem";
/// The broker's certificate.
pub(super) const BROKER: &str = "broker.pem";
/// The key of that.
pub(super) const BROKER_KEY: &str = "keys/broker-key.pem";

/// Why a site could not be written; nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// A file could not be written.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// There is a site already.
    #[error("{folder} holds a site already; choose another folder")]
    Site {
        /// The folder.
        folder: PathBuf,
    },
}

/// Writes the site into `folder`, which is made if it is not there; `site` is the text of `site.toml`.
///
/// # Errors
/// If anything is there already or can't be written. Nothing is left behind then.
pub(super) fn write(folder: &Path, plan: &Plan, site: String) -> Result<(), FolderError> {
    if folder.join("site.toml").exists() {
        return Err(FolderError::Site { folder: folder.to_owned() });
    }
    let mut files = Unfinished::begin(folder)?;
    files.secret_folder()?;
    for member in plan.peers.iter().chain(&plan.agents).chain(&plan.clients) {
        let path = format!("keys/{}.key", member.name);
        files.key(&path, &member.name, &member.login.password, &member.keys)?;
    }
    for (name, login) in [(OBSERVER, &plan.observer), (HOME_ASSISTANT, &plan.home_assistant)] {
        files.secret(&format!("keys/{name}.password"), &login.password)?;
    }
    if let Some(Tls { authority, authority_key, broker }) = &plan.tls {
        files.text(AUTHORITY, authority)?;
        files.secret(AUTHORITY_KEY, authority_key)?;
        files.text(BROKER, &broker.certificate)?;
        files.secret(BROKER_KEY, &broker.key)?;
    }
    files.text("broker.toml", &render::broker(plan))?;
    for peer in &plan.peers {
        files.text(&config(&peer.name), &render::peer(plan, peer))?;
    }
    for agent in &plan.agents {
        files.text(&config(&agent.name), &render::agent(plan, agent))?;
    }
    // Last, so that a folder with a site file is a whole site.
    files.text("site.toml", &site)?;
    files.finish();
    Ok(())
}

/// The name of a node's configuration file.
pub(super) fn config(node: &NodeName) -> String {
    format!("{node}.toml")
}
