//! A lab without root, where the kernel lets users have namespaces of their own.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use nix::sched::{CloneFlags, unshare};

use super::LabError;

/// Makes this process root in a user namespace of its own, so that it may make the namespaces and devices of a lab; true if it
/// is now, and false if it has been root already, so that nothing was done. Outside it keeps the rights that it had: files
/// belong to the user, and control groups can't be written. Programs that it starts can't become other users.
///
/// To be called before any thread is started, and so before the runtime: the kernel lets no other process do it.
///
/// # Errors
///
/// If the kernel lets no user have namespaces, or there are threads. The process is as it was; a lab has proxies then.
pub fn become_root_within() -> Result<bool, LabError> {
    let own = fs::metadata("/proc/self").map_err(|_| LabError::Proc)?;
    if own.uid() == 0 {
        return Ok(false);
    }
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| LabError::Namespace(error.into()))?;
    map(own.uid(), own.gid()).map_err(LabError::Namespace)?;
    Ok(true)
}

/// The user is root inside, and nobody else is anybody.
fn map(user: u32, group: u32) -> io::Result<()> {
    // Before the groups, or else they may not be mapped: membership of a group can also forbid.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}
