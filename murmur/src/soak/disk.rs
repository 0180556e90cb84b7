//! Small disks: a tmpfs per node that keeps a state, which can be filled up. In a mount namespace of its own, so
//! that nothing of it is left however this command ends.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

/// How large a disk is, as `mount` takes it.
const SIZE: &str = "size=32m";
const NOTHING: Option<&str> = None;

/// Lets this process and those that it starts mount without anybody else seeing it. Before any thread is started,
/// for each has its own view of mounts.
///
/// # Errors
/// In words, if that is not allowed here.
pub(crate) fn own_mounts() -> Result<(), String> {
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING))
        .map_err(|error| format!("no tmpfs can be mounted here: {error}"))
}

/// A node's disk. Unmounted when dropped.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts a disk at `folder`, which is made.
    pub(super) fn mount(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("tmpfs"), folder, Some("tmpfs"), flags, Some(SIZE))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Fills it up to the last byte.
    pub(super) fn fill(&self) -> io::Result<()> {
        let mut ballast = File::create(self.ballast())?;
        for chunk in [vec![0; 1 << 20], vec![0; 1 << 12], vec![0; 1]] {
            loop {
                match ballast.write_all(&chunk) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Makes room again.
    pub(super) fn free(&self) -> io::Result<()> {
        fs::remove_file(self.ballast())
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still writes there does so until its end.
        let _ = umount2(&self.folder, MntFlags::MNT_DETACH);
    }
}
