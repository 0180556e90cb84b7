//! What this process has allocated, where that is counted: with the feature `heap`.

use super::said::Heap;

#[cfg(feature = "heap")]
#[global_allocator]
static COUNTING: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// What is allocated now, and the most that ever was.
#[cfg(feature = "heap")]
pub(super) fn used() -> Option<Heap> {
    Some(Heap { live_bytes: COUNTING.current_usage() as u64, peak_bytes: COUNTING.peak_usage() as u64 })
}

/// Not counted.
#[cfg(not(feature = "heap"))]
pub(super) fn used() -> Option<Heap> {
    None
}
