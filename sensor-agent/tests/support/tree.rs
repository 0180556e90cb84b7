//! Folders like those of sysfs, from tables.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

/// A folder in place of `/sys`.
pub(crate) struct Tree(TempDir);

impl Tree {
    /// Files with what is in them; `a -> b` is a link at `a` that leads to `b`, seen from the tree's root.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    pub(crate) fn root(&self) -> String {
        self.0.path().display().to_string()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// Writes a file as the kernel does: with a line feed, unless it is empty.
    pub(crate) fn write(&self, path: &str, text: &str) {
        if let Some(target) = text.strip_prefix("-> ") {
            return self.link(path, target);
        }
        let file = self.path(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = if text.is_empty() { String::new() } else { format!("{text}\n") };
        // At once: a reader must not see half of it.
        let new = file.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, file).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let link = self.path(path);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(self.path(target), link).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        let path = self.path(path);
        let is_folder = fs::symlink_metadata(&path).unwrap().is_dir();
        if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
}
