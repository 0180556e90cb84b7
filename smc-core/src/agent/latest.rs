//! What a sensor said last, and what it will have said by a given instant.

use std::collections::VecDeque;
use std::time::Duration;

use super::{GapReason, NotNoted};
use crate::protocol::input::Steps;
use crate::time::Timestamp;

/// How many readings may wait for their time.
const MAX_WAITING: usize = 64;
/// How many elements these may have together, though two readings always may wait: 8 MiB at most, of the largest
/// vector.
const MAX_WAITING_ELEMENTS: usize = 1 << 16;

/// The readings of one stream that may still count, ascending by time.
#[derive(Debug)]
pub(super) struct Latest {
    maximum_age: Duration,
    /// How many readings may wait.
    room: usize,
    readings: VecDeque<(Timestamp, Result<Steps, GapReason>)>,
    paused: bool,
}

impl Latest {
    /// Of a stream whose readings have so many `elements`.
    pub(super) fn new(maximum_age: Duration, elements: u32) -> Self {
        let room = (MAX_WAITING_ELEMENTS / elements as usize).clamp(2, MAX_WAITING);
        Self { maximum_age, room, readings: VecDeque::new(), paused: false }
    }

    /// Yields nothing while it is paused. What is read meanwhile is noted all the same.
    pub(super) fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Notes what the sensor gave at `at`.
    pub(super) fn note(
        &mut self,
        now: Timestamp,
        at: Timestamp,
        reading: Result<Steps, GapReason>,
    ) -> Result<(), NotNoted> {
        match self.readings.back_mut() {
            Some(last) if at < last.0 => return Err(NotNoted::Old),
            Some(last) if at == last.0 => last.1 = reading,
            _ => {
                self.make_room(now)?;
                self.readings.push_back((at, reading));
            }
        }
        Ok(())
    }

    /// Of a sensor that talks fast, the oldest reading gives way as soon as a later one has come to pass.
    fn make_room(&mut self, now: Timestamp) -> Result<(), NotNoted> {
        if self.readings.len() < self.room {
            return Ok(());
        }
        match self.readings.get(1) {
            Some((at, _)) if *at <= now => {
                self.readings.pop_front();
                Ok(())
            }
            _ => Err(NotNoted::Future),
        }
    }

    /// What stands at `now`; forgets what came before it.
    pub(super) fn at(&mut self, now: Timestamp) -> Result<Steps, GapReason> {
        let past = self.readings.iter().take_while(|(at, _)| *at <= now).count();
        self.readings.drain(..past.saturating_sub(1));
        match self.readings.front() {
            _ if self.paused => Err(GapReason::Paused),
            Some((at, reading)) if *at <= now => {
                if now.since(*at) > self.maximum_age {
                    Err(GapReason::Stale)
                } else {
                    reading.clone()
                }
            }
            _ => Err(GapReason::NoReading),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(60);

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn the_newest_reading_up_to_now_counts() {
        let mut latest = Latest::new(AGE, 1);
        assert_eq!(latest.at(at(0)), Err(GapReason::NoReading));
        for (secs, v) in [(10, 1), (20, 2), (70, 3)] {
            latest.note(at(0), at(secs), Ok(Steps::One(v))).unwrap();
        }
        assert_eq!(latest.at(at(30)), Ok(Steps::One(2)));
        assert_eq!(latest.at(at(80)), Ok(Steps::One(3)));
        assert_eq!(latest.at(at(130)), Ok(Steps::One(3)));
        assert_eq!(latest.at(at(131)), Err(GapReason::Stale));
    }

    #[test]
    fn a_refused_reading_takes_the_place_of_the_good_one_before() {
        let mut latest = Latest::new(AGE, 1);
        latest.note(at(10), at(10), Ok(Steps::One(1))).unwrap();
        latest.note(at(11), at(11), Err(GapReason::AboveMaximum)).unwrap();
        assert_eq!(latest.at(at(12)), Err(GapReason::AboveMaximum));
    }

    #[test]
    fn readings_come_in_order_and_in_bounded_number() {
        let mut latest = Latest::new(AGE, 1);
        for secs in 0..MAX_WAITING as u64 {
            latest.note(at(0), at(100 + secs), Ok(Steps::One(secs as u32))).unwrap();
        }
        assert_eq!(latest.note(at(0), at(50), Ok(Steps::One(0))), Err(NotNoted::Old));
        assert_eq!(latest.note(at(0), at(900), Ok(Steps::One(0))), Err(NotNoted::Future));
        assert_eq!(latest.at(at(99)), Err(GapReason::NoReading));
    }

    #[test]
    fn a_sensor_that_talks_fast_is_heard_to_the_last() {
        let mut latest = Latest::new(AGE, 1);
        for secs in 0..1000 {
            latest.note(at(secs), at(secs), Ok(Steps::One(secs as u32))).unwrap();
        }
        assert_eq!(latest.readings.len(), MAX_WAITING);
        assert_eq!(latest.at(at(999)), Ok(Steps::One(999)));
    }

    #[test]
    fn of_large_vectors_few_wait() {
        for (elements, room) in [(1, 64), (1_024, 64), (10_000, 6), (1_000_000, 2)] {
            let mut latest = Latest::new(AGE, elements);
            for secs in 0..100 {
                latest.note(at(secs), at(secs), Ok(Steps::One(secs as u32))).unwrap();
            }
            assert_eq!(latest.readings.len(), room);
            assert_eq!(latest.at(at(99)), Ok(Steps::One(99)));
        }
    }
}
