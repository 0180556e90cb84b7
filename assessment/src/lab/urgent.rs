//! Threads that go before all others, so that what they do is not late on a busy machine: a network does not wait for the
//! computers that it joins.

use std::fmt;

use thread_priority::ThreadPriority;
use thread_priority::unix::{
    RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// Why a thread has to wait for its turn like any other.
#[derive(Debug)]
pub(super) struct NotUrgent(thread_priority::Error);

/// Lets this thread go before all others that are not urgent. Needs CAP_SYS_NICE.
pub(super) fn become_urgent() -> Result<(), NotUrgent> {
    // The least of all that go before.
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy).map_err(NotUrgent)
}

impl fmt::Display for NotUrgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the relay waits for its turn like any thread ({}), so that delays are longer while all cores are busy; it \
             needs CAP_SYS_NICE: run as root",
            self.0
        )
    }
}
