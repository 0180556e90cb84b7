//! Is there room for what nodes keep?

use std::path::Path;

use nix::sys::statvfs::statvfs;
use smc_mqtt::config::beside;

use crate::command::doctor::findings::Findings;
use crate::command::doctor::local::Local;
use crate::command::doctor::seen::Seen;

const CHECK: &str = "disk";
/// With less, a peer soon takes no part any more.
const LITTLE: u64 = 32 << 20;
/// With less, somebody should make room.
const SOME: u64 = 256 << 20;
const REMEDY: &str = "make room, or let `state_dir` be on a larger disk while the node does not run";

/// The disk of a node's `state_dir`.
pub(in crate::command::doctor) fn local(local: &Local, findings: &mut Findings) {
    let Some(folder) = &local.own.state_dir else { return };
    let folder = beside(&local.path, folder);
    let shown = folder.display();
    // A node makes the folder when it starts.
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let free = match free(there) {
        Ok(free) => free,
        Err(error) => return findings.problem(CHECK, format!("{shown}: {error}"), "check `state_dir`"),
    };
    let says = format!("{shown}: {} MB free", free / 1_000_000);
    match free {
        0..LITTLE => findings.problem(CHECK, says, REMEDY),
        LITTLE..SOME => findings.note(CHECK, says, REMEDY),
        _ => findings.ok(CHECK, says),
    }
}

/// How many bytes a node can still write there.
fn free(folder: &Path) -> nix::Result<u64> {
    let disk = statvfs(folder)?;
    #[allow(clippy::useless_conversion, reason = "narrower on other machines")]
    let (blocks, size) = (u64::from(disk.blocks_available()), u64::from(disk.fragment_size()));
    Ok(blocks.saturating_mul(size))
}

/// What peers say of theirs.
pub(in crate::command::doctor) fn told(seen: &Seen, findings: &mut Findings) {
    for (peer, heard) in seen.peers() {
        if let Some(why) = heard.and_then(|heard| heard.disk.as_ref()) {
            findings.problem(CHECK, format!("{peer} can't write, and takes no part: {why}"), REMEDY);
        }
    }
}
