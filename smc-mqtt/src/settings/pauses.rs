//! How long a node waits before it connects again (docs/decisions/0019).

use std::ops::RangeInclusive;
use std::time::Duration;

/// Between which lengths the longest possible pause between two attempts to connect lies: it is as long as the broker
/// has been away, and each pause is a random part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// What it is at first: over this time those are spread whom a broker lost together.
    pub first: Duration,
    /// What it is at most.
    pub longest: Duration,
}

impl Default for Pauses {
    /// For who has no windows to keep.
    fn default() -> Self {
        Self { first: SOONEST, longest: *LONGEST.end() }
    }
}

impl Pauses {
    /// For an agent of a site of so many, whose shortest windows last for `period`.
    pub fn of_agent(period: Duration, agents: u32) -> Self {
        let first = (agents * PER_AGENT).max(SOONEST);
        Self { first, longest: longest(period).max(first) }
    }

    /// For a peer, for which others wait; there are only a few.
    pub fn of_peer(period: Duration) -> Self {
        Self { first: SOONEST, longest: longest(period) }
    }
}

/// The shortest time over which attempts are spread.
const SOONEST: Duration = Duration::from_millis(200);
/// How much longer it is for each agent of the site, so that a broker has 5,000 logins a second at most to answer.
const PER_AGENT: Duration = Duration::from_micros(200);
/// The longest pause is half a window, so that who missed one window for it is back for the next; but with short windows
/// nobody tries more than once a second in the mean, and with long ones a broker is found within half a minute.
const LONGEST: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(30);

fn longest(period: Duration) -> Duration {
    (period / 2).clamp(*LONGEST.start(), *LONGEST.end())
}
