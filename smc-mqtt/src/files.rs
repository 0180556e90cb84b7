//! The files of a node or a site: written whole or not at all; new ones never over anything.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use smc_core::identity::NodeKeys;
use smc_core::name::NodeName;

use crate::config::{KeyFile, KeyFileError};
use crate::settings::Secret;

/// Why files could not be written; nothing of them is left.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Something is there already.
    #[error("{path} exists; nothing is written over, so choose an empty folder or another name")]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A key file could not be written.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// A file or folder could not be made.
    #[error("{path}: {error}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Files that vanish again unless all of them could be written.
#[derive(Debug)]
pub struct Unfinished {
    folder: PathBuf,
    /// What to remove, in the order it was made.
    made: Vec<PathBuf>,
}

impl Unfinished {
    /// Begins with a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn begin(folder: &Path) -> Result<Self, FilesError> {
        let mut this = Self { folder: folder.to_owned(), made: Vec::new() };
        this.make_folders(folder)?;
        Ok(this)
    }

    fn make_folders(&mut self, folder: &Path) -> Result<(), FilesError> {
        let missing: Vec<_> = folder.ancestors().take_while(|path| is_missing(path)).collect();
        for path in missing.into_iter().rev() {
            fs::create_dir(path).map_err(|error| failed(path, error))?;
            self.made.push(path.to_owned());
        }
        Ok(())
    }

    /// Makes `keys/` if it is not there: for its owner's eyes only, and kept out of version control.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn secret_folder(&mut self) -> Result<(), FilesError> {
        let path = self.folder.join("keys");
        if !is_missing(&path) {
            return Ok(());
        }
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| failed(&path, error))?;
        self.made.push(path);
        self.text("keys/.gitignore", "*\n")
    }

    /// Writes a key file at `path` in the folder.
    ///
    /// # Errors
    /// If it is there already or can't be written.
    pub fn key(
        &mut self,
        path: &str,
        name: &NodeName,
        password: &Secret,
        keys: &NodeKeys,
    ) -> Result<(), FilesError> {
        let path = self.claim(path)?;
        Ok(KeyFile::create(&path, name, password.reveal(), keys)?)
    }

    /// Writes a text that only its owner may read.
    ///
    /// # Errors
    /// If it is there already or can't be written.
    pub fn secret(&mut self, path: &str, secret: &Secret) -> Result<(), FilesError> {
        let path = self.claim(path)?;
        create(&path, 0o600, &[secret.reveal(), "\n"])
    }

    /// Writes a text, with the folders on its way.
    ///
    /// # Errors
    /// If it is there already or can't be written.
    pub fn text(&mut self, path: &str, text: &str) -> Result<(), FilesError> {
        if let Some(folder) = self.folder.join(path).parent() {
            self.make_folders(folder)?;
        }
        let path = self.claim(path)?;
        create(&path, 0o644, &[text])
    }

    /// Notes a file that is about to be made, and that was not there before.
    fn claim(&mut self, name: &str) -> Result<PathBuf, FilesError> {
        let path = self.folder.join(name);
        if !is_missing(&path) {
            return Err(FilesError::Exists { path });
        }
        self.made.push(path.clone());
        Ok(path)
    }

    /// They are to stay.
    pub fn finish(mut self) {
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

/// Writes a file over what is there: whole or not at all, also if the machine stops in between.
///
/// # Errors
/// If it can't be written; what was there stays then.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    // As any program makes a file: who may read it is for the user's mask to say.
    replace_as(path, content, 0o666)
}

/// The same of a file that only its owner may read.
///
/// # Errors
/// If it can't be written; what was there stays then.
pub fn replace_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_as(path, content, 0o600)
}

fn replace_as(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let draft = path.with_extension("draft");
    // What an earlier attempt left may be open to others.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = new(&draft, mode)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}

/// The permission bits of a file with secrets, if others may read it. What systemd hands to a service (`LoadCredential=`) lies in a
/// folder that nobody else gets into; there the service may be let in by an access list, which shows as what the file's group may.
///
/// # Errors
/// If there is no such file.
pub(crate) fn open_to_others(path: &Path) -> io::Result<Option<u32>> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    open_to_others_beside(path, credentials.as_deref())
}

#[cfg(unix)]
fn open_to_others_beside(path: &Path, credentials: Option<&Path>) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    let handed_over = credentials.is_some_and(|folder| path.starts_with(folder));
    let forbidden = if handed_over { 0o037 } else { 0o077 };
    Ok((mode & forbidden != 0).then_some(mode))
}

#[cfg(not(unix))]
fn open_to_others_beside(path: &Path, _: Option<&Path>) -> io::Result<Option<u32>> {
    fs::metadata(path).map(|_| None)
}

/// Also where it can't be told: making it then says why not.
fn is_missing(path: &Path) -> bool {
    !path.as_os_str().is_empty() && fs::symlink_metadata(path).is_err()
}

fn create(path: &Path, mode: u32, parts: &[&str]) -> Result<(), FilesError> {
    let write = |error| failed(path, error);
    let mut file = new(path, mode).map_err(write)?;
    parts.iter().try_for_each(|part| file.write_all(part.as_bytes())).map_err(write)
}

fn new(path: &Path, mode: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    options.open(path)
}

fn failed(path: &Path, error: io::Error) -> FilesError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::AlreadyExists => FilesError::Exists { path },
        _ => FilesError::Write { path, error },
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn secrets_that_others_may_read_are_refused_unless_a_service_was_handed_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "").unwrap();
        let usable = |mode: u32, credentials: Option<&Path>| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            open_to_others_beside(&path, credentials).unwrap().is_none()
        };
        let elsewhere = Path::new("/run/credentials/other.service");
        for (mode, alone, handed_over) in
            [(0o600, true, true), (0o440, false, true), (0o444, false, false), (0o460, false, false)]
        {
            assert_eq!(usable(mode, None), alone, "{mode:o}");
            assert_eq!(usable(mode, Some(elsewhere)), alone, "{mode:o}");
            assert_eq!(usable(mode, Some(folder.path())), handed_over, "{mode:o}");
        }
    }
}
