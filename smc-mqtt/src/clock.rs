//! The time that all nodes of a process share: the wall clock, or a replay of a day gone by.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use smc_core::time::Timestamp;
use tokio::time::{Instant, sleep};

/// The longest single sleep: after it the clock is read again, in case the wall clock was set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);
/// No machine that runs this is in an earlier time: 2025-01-01.
const EARLIEST: Timestamp = Timestamp::from_secs(1_735_689_600);

/// Tells the time; clones tell the same time. It never goes back.
#[derive(Debug, Clone)]
pub struct Clock {
    face: Face,
}

#[derive(Debug, Clone)]
enum Face {
    Replay { start: Timestamp, since: Instant, speed: Speed },
    System(Arc<Mutex<Reading>>),
}

/// What the clock last told, and when by the operating system's steady clock.
#[derive(Debug)]
struct Reading {
    told: Timestamp,
    at: Instant,
}

impl Clock {
    /// The wall clock, made monotonic: when it is set forward this one follows; when it is set back this one
    /// runs at half speed until the wall clock has caught up.
    pub fn system() -> Self {
        let reading = Reading { told: wall_clock(), at: Instant::now() };
        Self { face: Face::System(Arc::new(Mutex::new(reading))) }
    }

    /// A clock that shows `start` now and runs `speed` times as fast as the wall clock.
    pub fn replay(start: Timestamp, speed: Speed) -> Self {
        Self { face: Face::Replay { start, since: Instant::now(), speed } }
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        match &self.face {
            Face::Replay { start, since, speed } => *start + since.elapsed().mul_f64(speed.0),
            Face::System(last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                *last = last.next(wall_clock(), Instant::now());
                last.told
            }
        }
    }

    /// Whether the time can be true: a machine whose clock has not been set since it began to run is years behind.
    pub fn is_set(&self) -> bool {
        match &self.face {
            Face::Replay { .. } => true,
            Face::System(_) => self.now() >= EARLIEST,
        }
    }

    /// How far the machine's clock was set back and has not caught up; zero as long as it only ever went forward.
    pub fn set_back(&self) -> Duration {
        match &self.face {
            Face::Replay { .. } => Duration::ZERO,
            Face::System(_) => {
                // In this order: the wall clock is the later of the two unless it was set back.
                let told = self.now();
                told.since(wall_clock())
            }
        }
    }

    /// Waits until the clock shows `time`; returns at once if it is past.
    pub async fn sleep_until(&self, time: Timestamp) {
        loop {
            let left = time.since(self.now());
            if left.is_zero() {
                return;
            }
            // At least the timer's own grain, so that a fast replay doesn't spin.
            sleep(self.wall(left).clamp(Duration::from_millis(1), LONGEST_SLEEP)).await;
        }
    }

    /// How long `span` of this clock's time lasts by the wall clock.
    pub fn wall(&self, span: Duration) -> Duration {
        match &self.face {
            Face::Replay { speed, .. } => {
                Duration::try_from_secs_f64(span.as_secs_f64() / speed.0).unwrap_or(Duration::MAX)
            }
            Face::System(_) => span,
        }
    }
}

impl Reading {
    /// Follows `wall`, but never runs slower than half of the steady clock, hence never back.
    fn next(&self, wall: Timestamp, at: Instant) -> Self {
        let at = at.max(self.at);
        let slowest = self.told + (at - self.at) / 2;
        Self { told: wall.max(slowest), at }
    }
}

fn wall_clock() -> Timestamp {
    // Before 1970 the machine has no idea of the time; the epoch is as good a guess as any.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::default() + since_epoch
}

/// How many times faster than the wall clock a replay runs: above 0, at most [`Speed::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Speed(f64);

/// Why a number can't be a replay's speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a speed is a number above 0 and at most 100000")]
pub struct SpeedError;

impl Speed {
    /// As fast as time passes.
    pub const REAL: Self = Self(1.0);
    /// The fastest replay: a day in less than a second.
    pub const MAX: f64 = 100_000.0;
    /// The slowest replay: a second in eleven days.
    const MIN: f64 = 1e-6;
}

impl Default for Speed {
    fn default() -> Self {
        Self::REAL
    }
}

impl TryFrom<f64> for Speed {
    type Error = SpeedError;
    fn try_from(factor: f64) -> Result<Self, SpeedError> {
        if (Self::MIN..=Self::MAX).contains(&factor) { Ok(Self(factor)) } else { Err(SpeedError) }
    }
}

impl From<Speed> for f64 {
    fn from(speed: Speed) -> f64 {
        speed.0
    }
}

impl FromStr for Speed {
    type Err = SpeedError;
    fn from_str(text: &str) -> Result<Self, SpeedError> {
        text.parse::<f64>().map_err(|_| SpeedError)?.try_into()
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);

    fn speed(factor: f64) -> Speed {
        factor.try_into().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_replay_runs_at_its_speed_for_all_its_clones() {
        let clock = Clock::replay(NOON, speed(120.0));
        let other = clock.clone();
        sleep(Duration::from_secs(30)).await;
        assert_eq!(clock.now(), NOON + Duration::from_secs(3600));
        assert_eq!(other.now(), clock.now());
        assert_eq!(clock.wall(Duration::from_secs(60)), Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn sleeping_ends_when_the_clock_shows_the_time_and_not_before() {
        let clock = Clock::replay(NOON, speed(7.0));
        let began = Instant::now();
        clock.sleep_until(NOON + Duration::from_secs(700)).await;
        assert!(clock.now() >= NOON + Duration::from_secs(700));
        assert!((100_000..=100_002).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        clock.sleep_until(NOON).await;
        assert!((100_000..=100_002).contains(&began.elapsed().as_millis()), "the past is not waited for");
    }

    #[test]
    fn the_system_clock_is_the_wall_clock() {
        let (before, told, after) = (wall_clock(), Clock::system().now(), wall_clock());
        assert!(before <= told && told <= after + Duration::from_millis(50));
    }

    #[test]
    fn a_clock_that_was_set_back_knows_by_how_much() {
        assert_eq!(Clock::system().set_back(), Duration::ZERO);
        let told = wall_clock() + Duration::from_secs(180);
        let ahead = Clock { face: Face::System(Arc::new(Mutex::new(Reading { told, at: Instant::now() }))) };
        assert!((170..=180).contains(&ahead.set_back().as_secs()), "{:?}", ahead.set_back());
    }

    #[test]
    fn a_wall_clock_set_forward_is_followed_and_one_set_back_is_waited_for() {
        let at = Instant::now();
        let first = Reading { told: NOON, at };
        let ahead = first.next(NOON + Duration::from_secs(3600), at + Duration::from_secs(1));
        assert_eq!(ahead.told, NOON + Duration::from_secs(3600));

        let back = ahead.next(NOON + Duration::from_secs(3590), at + Duration::from_secs(3));
        assert_eq!(back.told, NOON + Duration::from_secs(3601), "half speed, not back");
        let caught_up = back.next(NOON + Duration::from_secs(3608), at + Duration::from_secs(21));
        assert_eq!(caught_up.told, NOON + Duration::from_secs(3610));
        let level = caught_up.next(NOON + Duration::from_secs(3612), at + Duration::from_secs(23));
        assert_eq!(level.told, NOON + Duration::from_secs(3612));
    }

    #[test]
    fn a_speed_is_positive_and_finite() {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(Speed::try_from(wrong), Err(SpeedError), "{wrong}");
        }
        assert_eq!("120".parse::<Speed>(), Ok(speed(120.0)));
        assert_eq!("fast".parse::<Speed>(), Err(SpeedError));
    }
}
