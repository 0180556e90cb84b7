//! What is made of the readings of one stretch: of those since the agent spoke last, up to and including the instant at
//! which it speaks next.
//!
//! An agent speaks once per window, at an instant within it. So it can't wait for the window's end: what it says of a
//! window is made of the stretch of one period that ends when it speaks. Stretches have no gaps and don't overlap, so each
//! reading counts in one window and no other.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use smc_core::agent::GapReason;
use smc_core::time::{Period, Timestamp, WindowIndex};
use zeroize::Zeroize;

use super::rules::WindowFunction;

/// Readings of the stretch that was spoken of last and of the one after it may be there at the same time.
const MOST_STRETCHES: usize = 2;

/// The readings of a stream, as far as they still count.
#[derive(Debug)]
pub(super) struct Gather {
    function: WindowFunction,
    period: Period,
    /// When in its window the agent speaks.
    speaks: Duration,
    maximum_age: Duration,
    /// Ascending.
    stretches: VecDeque<Stretch>,
    /// When the last reading was taken, whatever it was: a sign of life.
    heard: Option<Timestamp>,
    /// Which stretch was spoken of last.
    settled: Option<WindowIndex>,
}

struct Stretch {
    /// The window in which it ends.
    window: WindowIndex,
    readings: u32,
    sum: f64,
    greatest: f64,
    events: u32,
}

impl Gather {
    pub(super) fn new(
        function: WindowFunction,
        period: Period,
        speaks: Duration,
        maximum_age: Duration,
    ) -> Self {
        let stretches = VecDeque::with_capacity(MOST_STRETCHES);
        Self { function, period, speaks, maximum_age, stretches, heard: None, settled: None }
    }

    /// Takes in a reading; returns what the stream says then. A count waits until it is spoken of.
    pub(super) fn take(&mut self, at: Timestamp, number: f64) -> Option<f64> {
        self.heard = self.heard.max(Some(at));
        if self.function == WindowFunction::Last {
            return Some(number);
        }
        let function = self.function;
        let stretch = self.stretch(at)?;
        stretch.readings = stretch.readings.saturating_add(1);
        stretch.sum += number;
        stretch.greatest = stretch.greatest.max(number);
        stretch.events = stretch.events.saturating_add(u32::from(number != 0.0));
        match function {
            WindowFunction::Count => None,
            WindowFunction::Last => Some(number),
            WindowFunction::Max => Some(stretch.greatest),
            WindowFunction::Mean => Some(stretch.sum / f64::from(stretch.readings)),
        }
    }

    /// Whether a reading at `at` that can't be used leaves the stream without anything to say. One bad reading among good ones
    /// does so only where the last one is all that counts.
    pub(super) fn has_none(&self, at: Timestamp) -> bool {
        match self.function {
            WindowFunction::Count => false,
            WindowFunction::Last => true,
            WindowFunction::Max | WindowFunction::Mean => {
                let window = self.window(at);
                !self.stretches.iter().any(|stretch| stretch.window == window && stretch.readings > 0)
            }
        }
    }

    /// What a count comes to at the last instant of speaking up to `now`, once. No event is a count of 0 only if the sensor
    /// has shown that it is alive.
    pub(super) fn settle(&mut self, now: Timestamp) -> Option<(Timestamp, Result<f64, GapReason>)> {
        if self.function != WindowFunction::Count {
            return None;
        }
        // The stretch that `now` lies in ends later, unless it ends just now.
        let mut window = self.window(now);
        if self.due(window) > now {
            window = WindowIndex(window.0.checked_sub(1)?);
        }
        if self.settled.replace(window) == Some(window) {
            return None;
        }
        let due = self.due(window);
        self.stretches.retain(|stretch| stretch.window >= window);
        let events = self.stretches.front().filter(|stretch| stretch.window == window);
        let events = events.map_or(0, |stretch| stretch.events);
        let says = match self.heard {
            None => Err(GapReason::NoReading),
            Some(heard) if due.since(heard) > self.maximum_age => Err(GapReason::Stale),
            Some(_) => Ok(f64::from(events)),
        };
        Some((due, says))
    }

    /// The stretch of a reading at `at`; none if that is over.
    fn stretch(&mut self, at: Timestamp) -> Option<&mut Stretch> {
        let window = self.window(at);
        match self.stretches.back() {
            Some(last) if last.window >= window => {}
            _ => {
                if self.stretches.len() == MOST_STRETCHES {
                    self.stretches.pop_front();
                }
                self.stretches.push_back(Stretch::of(window));
            }
        }
        self.stretches.iter_mut().find(|stretch| stretch.window == window)
    }

    /// The window in which the stretch of `at` ends: the first whose instant of speaking is not before it.
    fn window(&self, at: Timestamp) -> WindowIndex {
        let shifted = at - self.speaks;
        let window = self.period.window_at(shifted);
        if self.period.start(window) == shifted { window } else { window.next() }
    }

    fn due(&self, window: WindowIndex) -> Timestamp {
        self.period.start(window) + self.speaks
    }
}

impl Stretch {
    fn of(window: WindowIndex) -> Self {
        Self { window, readings: 0, sum: 0.0, greatest: f64::NEG_INFINITY, events: 0 }
    }
}

impl Drop for Stretch {
    fn drop(&mut self) {
        self.sum.zeroize();
        self.greatest.zeroize();
        self.events.zeroize();
    }
}

impl fmt::Debug for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}
