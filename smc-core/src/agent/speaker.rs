//! What speaks at its own instants: the single numbers of one period together, or one vector, part after part.

use std::time::Duration;

use super::latest::Latest;
use super::{GapReason, offset};
use crate::protocol::input::Steps;
use crate::roster::{BundleIndex, Roster};
use crate::time::{Period, Timestamp, WindowIndex};

/// Parts follow each other within this fraction of the period, so that the last one comes in time.
const FRACTION: u32 = 10;

/// A bundle, or all bundles of one vector.
#[derive(Debug)]
pub(super) struct Speaker {
    /// Where its readings begin.
    pub(super) first: BundleIndex,
    /// How many bundles they take.
    parts: u32,
    pub(super) is_vector: bool,
    pub(super) period: Period,
    /// When in its window it begins.
    offset: Duration,
    /// From one part to the next.
    pause: Duration,
    /// The window it shares next, or is sharing.
    next: WindowIndex,
    /// How many parts of that window are shared.
    done: u32,
    /// What that window shares: taken when it began, so that all parts are of the same reading.
    pub(super) readings: Vec<Result<Steps, GapReason>>,
    pub(super) streams: Vec<Latest>,
}

impl Speaker {
    /// What begins in the bundle `first` of the agent called `name`.
    pub(super) fn new(
        roster: &Roster,
        name: &str,
        first: BundleIndex,
        maximum_age: Option<Duration>,
        now: Timestamp,
    ) -> Self {
        let definition = roster.bundle(first);
        let period = definition.period;
        let age = maximum_age.unwrap_or(period.as_duration());
        let siblings = &roster.agent(definition.agent).bundles;
        let all = siblings.iter().filter(|&&bundle| roster.bundle(bundle).period == period);
        let parts: u32 = all.map(|&bundle| u32::from(roster.bundle(bundle).part > 0)).sum();
        let pause = period.as_duration() / FRACTION / parts.max(1);
        let elements = |stream: &crate::roster::Stream| roster.quantity(stream.quantity).quantity.elements();
        Self {
            first,
            parts: definition.rest + 1,
            is_vector: definition.part > 0,
            period,
            // One vector after the other, each at an instant of its own: they never make a burst together.
            offset: offset(name, period) + pause * definition.part.saturating_sub(1),
            pause,
            next: period.window_at(now).next(),
            done: 0,
            readings: Vec::new(),
            streams: definition.streams.iter().map(|stream| Latest::new(age, elements(stream))).collect(),
        }
    }

    /// When it speaks next.
    pub(super) fn due(&self) -> Timestamp {
        self.period.start(self.next) + self.offset + self.pause * self.done
    }

    /// Goes on to the window that runs at `now`; returns how many were not shared, or not to the end.
    pub(super) fn skip(&mut self, now: Timestamp) -> Option<u64> {
        let current = self.period.window_at(now);
        let windows = current.age_since(self.next).filter(|&windows| windows > 0)?;
        self.next = current;
        self.done = 0;
        self.readings.clear();
        Some(windows)
    }

    /// Which bundle speaks now, and of which window; `readings` are what it shares.
    pub(super) fn begin(&mut self) -> (BundleIndex, WindowIndex) {
        if self.done == 0 {
            let due = self.due();
            self.readings = self.streams.iter_mut().map(|stream| stream.at(due)).collect();
        }
        (BundleIndex(self.first.0 + self.done), self.next)
    }

    /// Notes that it spoke; returns what the window shared if that was all of it.
    pub(super) fn end(&mut self) -> Option<Vec<Result<Steps, GapReason>>> {
        self.done += 1;
        if self.done < self.parts {
            return None;
        }
        self.done = 0;
        self.next = self.next.next();
        Some(std::mem::take(&mut self.readings))
    }
}
