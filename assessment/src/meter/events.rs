//! Counters of the processor, where the kernel lets them be read.

/// The counters of one process and all that it starts.
#[derive(Debug, Default)]
pub(crate) struct Events {}

impl Events {
    /// CPU cycles.
    pub(crate) fn cycles(&self) -> Option<u64> {
        None
    }

    /// Instructions.
    pub(crate) fn instructions(&self) -> Option<u64> {
        None
    }
}
