//! What was written to disks.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::node::Node;
use super::{BenchError, WATCHED};
use crate::usage;

/// Bytes written so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// By the watched peer's process, as the kernel counts pages that have to be written back for it.
    pub(super) process: u64,
    /// To the device with the peer's state, by whoever uses it, the file system itself included; none if it is no block device.
    pub(super) device: Option<u64>,
}

impl Written {
    /// Counts, with all written back that is in memory.
    pub(super) fn of(peers: &[Node], state: &Path) -> Result<Self, BenchError> {
        // Whatever comes of it is in the figures: less is seen without it.
        let _ = Command::new("sync").arg("--file-system").arg(state).status();
        let watched = peers.get(WATCHED as usize - 1).and_then(Node::pid);
        let unknown = || BenchError::Footprint("the system does not tell what the peer wrote".to_owned());
        let process = watched.and_then(usage::written_bytes).ok_or_else(unknown)?;
        Ok(Self { process, device: device_bytes(state).ok() })
    }

    pub(super) fn since(self, before: &Self) -> Self {
        Self {
            process: self.process.saturating_sub(before.process),
            device: self.device.zip(before.device).map(|(now, before)| now.saturating_sub(before)),
        }
    }
}

/// The seventh field of a block device's `stat`: sectors written.
fn device_bytes(folder: &Path) -> io::Result<u64> {
    const SECTOR: u64 = 512;
    let device = std::fs::metadata(folder)?.dev();
    // As Linux packs the two numbers into one.
    let (major, minor) = (device >> 8 & 0xfff | device >> 32 & !0xfff, device & 0xff | device >> 12 & !0xff);
    let stat = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"))?;
    let sectors = stat.split_ascii_whitespace().nth(6).and_then(|sectors| sectors.parse::<u64>().ok());
    sectors.map(|sectors| sectors * SECTOR).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
