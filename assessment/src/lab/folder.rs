//! A lab's folder: for what its nodes keep.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::owner::Owner;
use super::{LabError, frequency};

/// A folder that nobody else may look into; removed when this is dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Removes those of dead labs in `parent`, which puts back the frequencies that they set, and makes this lab's.
    pub(super) fn make(parent: &Path, owner: &Owner, cpufreq: &Path) -> Result<Self, LabError> {
        sweep(parent, cpufreq);
        let path = parent.join(owner.to_string());
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(LabError::Folder { path, source }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it with all that is in it. What can't be removed the next lab sweeps.
    pub(super) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Whatever is of another user stays: it can't be removed.
fn sweep(parent: &Path, cpufreq: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let gone = entry.file_name().to_str().and_then(Owner::parse).is_some_and(|owner| owner.is_gone());
        // A link by that name is nobody's folder.
        if gone && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            frequency::put_back_of(&entry.path(), cpufreq);
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
