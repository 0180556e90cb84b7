//! Keeps a flood of events from becoming a flood of log lines.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most one line per second of each kind; the others are counted.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<(Option<Instant>, u64)>);

const PAUSE: Duration = Duration::from_secs(1);

impl Gate {
    /// Whether a line may be written now; if so, how many were suppressed since the last one.
    pub(crate) fn open(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0.is_some_and(|last| last.elapsed() < PAUSE) {
            state.1 += 1;
            return None;
        }
        state.0 = Some(Instant::now());
        Some(std::mem::take(&mut state.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_passes_as_one_line() {
        let gate = Gate::default();
        assert_eq!(gate.open(), Some(0));
        assert!((0..100).all(|_| gate.open().is_none()));
    }
}
