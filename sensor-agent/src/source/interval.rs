//! How often a sensor is read.

use std::time::Duration;

use serde::Deserialize;
use smc_core::time::Timestamp;

/// Time between readings: 0.1 s to an hour, 5 s by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Interval(Duration);

/// Why a number is not an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`interval_s` is a number of seconds from 0.1 to 3600")]
pub struct IntervalError;

impl Default for Interval {
    fn default() -> Self {
        Self(Duration::from_secs(5))
    }
}

impl TryFrom<f64> for Interval {
    type Error = IntervalError;
    fn try_from(seconds: f64) -> Result<Self, IntervalError> {
        if (0.1..=3600.0).contains(&seconds) {
            Ok(Self(Duration::from_secs_f64(seconds)))
        } else {
            Err(IntervalError)
        }
    }
}

impl Interval {
    /// How long it is.
    pub fn get(self) -> Duration {
        self.0
    }

    /// The next whole multiple of it since 1970: later than `now`.
    pub(super) fn next(self, now: Timestamp) -> Timestamp {
        let step = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX).max(1);
        Timestamp::from_micros((now.as_micros() / step).saturating_add(1).saturating_mul(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_fall_on_whole_multiples() {
        let next = |seconds: f64, now: u64| {
            let interval = Interval::try_from(seconds).unwrap();
            interval.next(Timestamp::from_secs(now)).as_micros()
        };
        assert_eq!([next(60.0, 59), next(60.0, 60), next(60.0, 61)], [60_000_000, 120_000_000, 120_000_000]);
        assert_eq!(next(0.1, 7), 7_100_000);
        for seconds in [0.0, 0.09, 3601.0, f64::NAN, -1.0] {
            assert_eq!(Interval::try_from(seconds), Err(IntervalError));
        }
    }
}
