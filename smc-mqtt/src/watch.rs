//! Files that people or programs change while a program runs.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What tells one state of a file from another without reading it; nothing if it is not there.
pub type Stamp = Option<(u64, u64, SystemTime)>;

/// The state of the file at `path`.
pub fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.len(), file.modified().ok()?))
}

/// Files that are to be read again when they have changed.
#[derive(Debug, Clone)]
pub struct Watch {
    paths: Vec<PathBuf>,
    /// The files as they were read last.
    read: Vec<Stamp>,
    /// The files as they were looked at last.
    seen: Vec<Stamp>,
}

impl Watch {
    /// Watches `paths`, which are read after this.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        let read = stamps(&paths);
        Self { paths, seen: read.clone(), read }
    }

    /// Whether the files are to be read: they have changed and are the same as a call before, so that nothing is taken that is
    /// half written. Says so once for each change.
    pub fn poll(&mut self) -> bool {
        let now = stamps(&self.paths);
        let settled = std::mem::replace(&mut self.seen, now.clone()) == now;
        let news = settled && now != self.read;
        if news {
            self.read = now;
        }
        news
    }

    /// The files are read now, changed or not.
    pub fn skip(&mut self) {
        self.read = stamps(&self.paths);
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    paths.iter().map(|path| stamp(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_when_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("file"), folder.path().join("other"));
        std::fs::write(&file, "1").unwrap();
        let mut watch = Watch::new(vec![file.clone(), other.clone()]);
        assert!(!watch.poll() && !watch.poll(), "nothing has changed");
        std::fs::write(&file, "22").unwrap();
        assert!(!watch.poll(), "it may be half written");
        std::fs::write(&other, "new").unwrap();
        assert!(!watch.poll(), "still");
        assert!(watch.poll());
        assert!(!watch.poll(), "that was told");
        std::fs::remove_file(&file).unwrap();
        watch.skip();
        assert!(!watch.poll() && !watch.poll(), "it was read as it is");
        std::fs::rename(&other, &file).unwrap();
        assert!(!watch.poll() && watch.poll());
    }
}
