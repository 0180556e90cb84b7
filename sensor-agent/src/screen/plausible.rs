//! Whether a reading can be true.

use smc_core::agent::GapReason;
use smc_core::quantity::Quantity;
use smc_core::time::Timestamp;
use zeroize::Zeroize;

use super::rules::StreamRules;

/// What is known of a stream's readings, as far as the next one is judged by it.
#[derive(Debug)]
pub(super) struct Plausible {
    rules: StreamRules,
    quantity: Quantity,
    /// The last reading that was plausible.
    last: Option<Known>,
    /// The last reading of all.
    still: Option<Still>,
}

#[derive(Clone, Copy)]
struct Known {
    at: Timestamp,
    number: f64,
}

/// A number that a sensor says again and again.
#[derive(Clone, Copy)]
struct Still {
    number: f64,
    since: Timestamp,
    last: Timestamp,
}

impl Plausible {
    pub(super) fn new(rules: StreamRules, quantity: Quantity) -> Self {
        Self { rules, quantity, last: None, still: None }
    }

    /// Judges the reading `number`, taken at `at`; readings come in the order of time.
    pub(super) fn judge(&mut self, at: Timestamp, number: f64) -> Result<(), GapReason> {
        let is_stuck = self.is_stuck(at, number);
        // The quantity's own range: a mean of what is outside could lie within.
        self.quantity.encode(number).map_err(GapReason::from)?;
        let StreamRules { minimum, maximum, .. } = self.rules;
        if minimum.is_some_and(|minimum| number < minimum) || maximum.is_some_and(|maximum| number > maximum)
        {
            return Err(GapReason::Implausible);
        }
        if self.jumps(at, number) {
            return Err(GapReason::Jumped);
        }
        self.last = Some(Known { at, number });
        if is_stuck { Err(GapReason::Stuck) } else { Ok(()) }
    }

    /// Whether it lies further from the last plausible reading than it can have come since. A step that is real is
    /// believed once enough time has passed.
    fn jumps(&self, at: Timestamp, number: f64) -> bool {
        let (Some(limit), Some(last)) = (self.rules.change_per_minute, self.last) else { return false };
        // Within a minute the whole of it, or a sensor that reads often could not have noise.
        let minutes = (at.since(last.at).as_secs_f64() / 60.0).max(1.0);
        (number - last.number).abs() > limit * minutes
    }

    /// Whether the sensor has said exactly this for too long.
    fn is_stuck(&mut self, at: Timestamp, number: f64) -> bool {
        let Some(limit) = self.rules.stuck_after.map(|span| span.get()) else { return false };
        let since = match self.still {
            // Silence says nothing: not of a sensor that was away, and not of a clock that was set.
            Some(still) if still.number == number && at.since(still.last) <= limit => still.since,
            _ => at,
        };
        self.still = Some(Still { number, since, last: at });
        at.since(since) > limit
    }
}

impl Drop for Plausible {
    fn drop(&mut self) {
        if let Some(last) = &mut self.last {
            last.number.zeroize();
        }
        if let Some(still) = &mut self.still {
            still.number.zeroize();
        }
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

impl std::fmt::Debug for Still {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}
