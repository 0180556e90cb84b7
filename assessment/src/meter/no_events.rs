//! Where the processor's counters are not read: on 32 bits.

/// The counters of one process, which are none.
#[derive(Debug)]
pub(crate) struct Events;

impl Events {
    /// Nothing.
    pub(crate) fn of_next_process() -> Self {
        Self
    }

    /// What is to be told.
    pub(crate) fn note() -> Option<&'static str> {
        Some("cycles and instructions are not counted: not on this architecture")
    }

    /// None.
    pub(crate) fn cycles(&mut self) -> Option<u64> {
        None
    }

    /// None.
    pub(crate) fn instructions(&mut self) -> Option<u64> {
        None
    }
}
