//! Cores that do not fall asleep: one that does takes up to a millisecond to wake, which would add to delays.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};

/// Where the kernel is told how long waking may take; for as long as the file is open.
const WAKING: &str = "/dev/cpu_dma_latency";

/// Keeps all cores awake until it is dropped, also by a kill.
#[derive(Debug)]
pub(super) struct Awake(#[allow(dead_code, reason = "it is held open")] File);

impl Awake {
    /// From now on.
    ///
    /// # Errors
    /// If the kernel has no such file, or does not let it be written to.
    pub(super) fn keep() -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).open(WAKING)?;
        // So many microseconds.
        file.write_all(&0_i32.to_ne_bytes())?;
        Ok(Self(file))
    }
}
