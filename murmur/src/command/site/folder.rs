//! A site's folder: written whole or not at all, and never over anything.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use smc_core::name::NodeName;
use smc_mqtt::config::{KeyFile, KeyFileError};

use super::plan::{HOME_ASSISTANT, Login, Member, OBSERVER, Plan};
use super::render;

/// Why a site could not be written; nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Something is there already.
    #[error("{path} exists; nothing is written over, so choose an empty folder or another name")]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A key file could not be written.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// There is a site already.
    #[error("{folder} holds a site already; choose another folder")]
    Site {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or folder could not be made.
    #[error("{path}: {error}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
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
        files.key(member)?;
    }
    files.password(OBSERVER, &plan.observer)?;
    files.password(HOME_ASSISTANT, &plan.home_assistant)?;
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

/// Files that vanish again unless all of them could be written.
#[derive(Debug)]
struct Unfinished {
    folder: PathBuf,
    /// What to remove, in the order it was made.
    made: Vec<PathBuf>,
}

impl Unfinished {
    fn begin(folder: &Path) -> Result<Self, FolderError> {
        let mut this = Self { folder: folder.to_owned(), made: Vec::new() };
        let missing: Vec<_> = folder.ancestors().take_while(|path| is_missing(path)).collect();
        for path in missing.into_iter().rev() {
            this.make_folder(path.to_owned())?;
        }
        Ok(this)
    }

    fn make_folder(&mut self, path: PathBuf) -> Result<(), FolderError> {
        fs::create_dir(&path).map_err(|error| failed(&path, error))?;
        self.made.push(path);
        Ok(())
    }

    /// `keys/`, for its owner's eyes only, and kept out of version control.
    fn secret_folder(&mut self) -> Result<(), FolderError> {
        let path = self.folder.join("keys");
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| failed(&path, error))?;
        self.made.push(path);
        self.text("keys/.gitignore", "*\n")
    }

    fn key(&mut self, member: &Member) -> Result<(), FolderError> {
        let Member { name, keys, login } = member;
        let path = self.claim(&format!("keys/{name}.key"))?;
        Ok(KeyFile::create(&path, name, login.password.reveal(), keys)?)
    }

    fn password(&mut self, name: &str, login: &Login) -> Result<(), FolderError> {
        let path = self.claim(&format!("keys/{name}.password"))?;
        create(&path, 0o600, &[login.password.reveal(), "\n"])
    }

    fn text(&mut self, name: &str, text: &str) -> Result<(), FolderError> {
        let path = self.claim(name)?;
        create(&path, 0o644, &[text])
    }

    /// Notes a file that is about to be made, and that was not there before.
    fn claim(&mut self, name: &str) -> Result<PathBuf, FolderError> {
        let path = self.folder.join(name);
        if !is_missing(&path) {
            return Err(FolderError::Exists { path });
        }
        self.made.push(path.clone());
        Ok(path)
    }

    fn finish(mut self) {
        self.made.clear();
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for path in self.made.drain(..).rev() {
            // What can't be removed was not made, or is somebody else's by now; the first error is being told.
            let _ = if path.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// Also where it can't be told: making it then says why not.
fn is_missing(path: &Path) -> bool {
    !path.as_os_str().is_empty() && fs::symlink_metadata(path).is_err()
}

fn create(path: &Path, mode: u32, parts: &[&str]) -> Result<(), FolderError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let write = |error| failed(path, error);
    let mut file = options.open(path).map_err(write)?;
    parts.iter().try_for_each(|part| file.write_all(part.as_bytes())).map_err(write)
}

fn failed(path: &Path, error: io::Error) -> FolderError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::AlreadyExists => FolderError::Exists { path },
        _ => FolderError::Write { path, error },
    }
}
