//! Logs as a kill leaves them, and whoever may only read them.

use super::super::recent;
use super::*;

/// Copies of what a log is made of, in a folder of their own.
struct Left(tempfile::TempDir);

impl Left {
    /// What a kill leaves of the log in `folder` at this instant.
    fn by_a_kill(folder: &Path) -> Self {
        let left = tempfile::tempdir().unwrap();
        for name in PARTS {
            if folder.join(name).exists() {
                std::fs::copy(folder.join(name), left.path().join(name)).unwrap();
            }
        }
        Self(left)
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("audit.sqlite")
    }

    fn bytes(&self) -> Vec<Option<Vec<u8>>> {
        PARTS.iter().map(|name| std::fs::read(self.0.path().join(name)).ok()).collect()
    }
}

const PARTS: [&str; 4] = ["audit.sqlite", "audit.sqlite-journal", "audit.sqlite-wal", "audit.sqlite-pending"];

#[test]
fn a_log_whose_peer_was_killed_while_entries_came_into_it_is_read_whole_and_left_as_it_is() {
    let site = Site::new();
    site.kept();
    let mut ledger = site.open_with(0, Some(&site.folder.path().join("run"))).unwrap();
    for hundred in 0..4 {
        let first = 22 + 100 * hundred;
        ledger.append(&(first..first + 100).map(note).collect::<Vec<_>>()).unwrap();
        ledger.sign(NOON).unwrap().unwrap();
    }
    let before = std::fs::read(site.path()).unwrap();
    // With no room for pages in memory, so that some of them are in the file when the process ends.
    ledger.database().execute_batch("PRAGMA main.cache_size = 1; BEGIN").unwrap();
    recent::gather(ledger.database()).unwrap();
    let left = Left::by_a_kill(site.folder.path());
    let found = left.bytes();
    assert!(found[0].as_ref() != Some(&before), "nothing has come into the file");
    assert!(found[1].as_ref().is_some_and(|journal| journal.iter().any(|&byte| byte != 0)), "no way back");

    assert_eq!(site.verify(&left.log()).unwrap(), Ok(422));
    assert_eq!(LogFile::open(&left.log()).unwrap().heads().unwrap().len(), 5);
    assert_eq!(left.bytes(), found, "whoever reads changes nothing");
}

#[test]
fn what_waits_in_a_write_ahead_log_is_read_where_nothing_can_be_written() {
    let site = Site::new();
    site.kept();
    let mut ledger = site.open().unwrap();
    ledger.append(&[note(22), note(23)]).unwrap();
    let left = Left::by_a_kill(site.folder.path());
    // As in a folder that can't be written to, nobody can make the file that SQLite shares memory by: it follows no links.
    std::os::unix::fs::symlink("/nowhere", left.0.path().join("audit.sqlite-shm")).unwrap();
    let found = left.bytes();
    assert_eq!(site.verify(&left.log()).unwrap(), Ok(24));
    assert_eq!(left.bytes(), found, "whoever reads changes nothing");
}
