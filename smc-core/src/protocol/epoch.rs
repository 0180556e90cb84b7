//! When cohorts begin and end (docs/protocol.md, 4.3 and 4.4).

use std::time::Duration;

use crate::time::{Period, Timestamp, WindowIndex};

/// A cohort epoch: the windows that begin in one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// Its number since the Unix epoch.
    pub index: u64,
    /// Its first window.
    pub first: WindowIndex,
    /// The first window in which a new cohort no longer waits for the members of the last one.
    pub settled: WindowIndex,
}

impl Epoch {
    /// The epoch of length `length` that window `w` begins in.
    pub fn of(length: Duration, period: Period, w: WindowIndex) -> Self {
        let length = (length.as_micros() as u64).max(1);
        let index = period.start(w).as_micros() / length;
        let begin = Timestamp::from_micros(index.saturating_mul(length));
        let first = period.window_at(begin);
        let first = if period.start(first) < begin { first.next() } else { first };
        // A tenth of the epoch, and long enough for nodes to connect again, but at most half of it.
        let micros = (period.as_duration().as_micros() as u64).max(1);
        let windows = length / micros;
        let waits = windows.div_ceil(10).max(BACK.div_ceil(micros)).min(windows / 2);
        Self { index, first, settled: WindowIndex(first.0.saturating_add(waits)) }
    }
}

/// How long a new cohort waits for the last one at least, in microseconds: where windows are short, whoever was cut off for
/// some of them is back by then (docs/decisions/0019).
const BACK: u64 = 5_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_starts_with_the_first_window_that_begins_in_it() {
        let period = Period::from_millis(7_000).unwrap();
        let epoch = Epoch::of(Duration::from_secs(60), period, WindowIndex(9));
        // Window 9 begins at 63 s, in the second minute, which begins at 60 s; window 8 began at 56 s.
        assert_eq!(epoch, Epoch { index: 1, first: WindowIndex(9), settled: WindowIndex(10) });
        assert_eq!(Epoch::of(Duration::from_secs(60), period, WindowIndex(17)).first, WindowIndex(9));
    }

    #[test]
    fn a_tenth_of_an_epoch_waits_or_five_seconds_but_at_most_half_of_it() {
        let waits = |windows: u64| {
            let period = Period::from_millis(1_000).unwrap();
            let epoch = Epoch::of(Duration::from_secs(windows), period, WindowIndex(0));
            epoch.settled.0 - epoch.first.0
        };
        assert_eq!([1, 2, 3, 10, 30, 60, 61].map(waits), [0, 1, 1, 5, 5, 6, 7]);
    }
}
