use proptest::prelude::*;
use smc_core::time::Period;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn at(secs: f64) -> Timestamp {
    Timestamp::from_secs(6_000_000) + Duration::from_secs_f64(secs)
}

fn minute() -> Period {
    Period::from_millis(60_000).unwrap()
}

/// The screen of a thermometer that speaks `speaks` after the full minute.
struct Desk {
    screens: Screens,
    speaks: f64,
}

impl Desk {
    fn new(rules: &str) -> Self {
        Self::of("temperature", rules).unwrap()
    }

    fn of(quantity: &str, rules: &str) -> Result<Self, RulesError> {
        let stream: StreamName = "t".parse().unwrap();
        let rules = [(stream.clone(), toml::from_str(rules).unwrap())].into();
        let streams = [(stream, Quantity::known(quantity, minute()).unwrap())].into();
        let name: NodeName = "room-101".parse().unwrap();
        let speaks = offset(name.as_str(), minute()).as_secs_f64();
        Ok(Self { screens: Screens::new(&rules, &streams, &name, None)?, speaks })
    }

    /// What the stream says after a reading at `secs` after the instant at which it speaks.
    fn says(&mut self, secs: f64, number: f64) -> Option<Result<f64, GapReason>> {
        self.take(secs, Ok(Reading::new(number).unwrap()))
    }

    fn take(&mut self, secs: f64, read: Result<Reading, GapReason>) -> Option<Result<f64, GapReason>> {
        let taken = self.screens.take(&"t".parse().unwrap(), at(self.speaks + secs), read);
        let says = taken.says.map(|says| says.map(|reading| reading.reveal()[0]));
        if let Some(Err(flaw)) = says {
            assert_eq!(taken.flaw, Some(flaw), "what is a gap is counted");
        }
        says
    }

    /// What a count says at `secs`, if it has not been asked before.
    fn counts(&mut self, secs: f64) -> Option<Result<f64, GapReason>> {
        let mut settled = self.screens.settle(at(self.speaks + secs));
        let Settled { at: when, says, .. } = settled.pop()?;
        assert!(when <= at(self.speaks + secs));
        assert_eq!((when.as_micros() - at(self.speaks).as_micros()) % 60_000_000, 0);
        Some(says.map(|reading| reading.reveal()[0]))
    }
}

#[test]
fn without_rules_a_reading_passes_as_it_is() {
    let mut screens = Screens::default();
    let stream = "co2".parse().unwrap();
    let vector = Reading::vector([Ok(1.0), Ok(2.0)]).unwrap();
    for read in [Ok(vector), Ok(Reading::new(-5.0).unwrap()), Err(GapReason::Missing)] {
        let flaw = read.as_ref().err().copied();
        assert_eq!(screens.take(&stream, at(0.0), read.clone()), Taken { flaw, says: Some(read) });
    }
    assert_eq!(screens.settle(at(0.0)), []);
}

#[test]
fn a_mean_is_that_of_the_readings_since_the_agent_spoke_last() {
    let mut desk = Desk::new("window = 'mean'");
    assert_eq!(desk.says(0.0, 40.0), Some(Ok(40.0)));
    assert_eq!(desk.says(0.1, 10.0), Some(Ok(10.0)), "what was spoken of already does not count again");
    assert_eq!(desk.says(30.0, 20.0), Some(Ok(15.0)));
    assert_eq!(desk.says(60.0, 30.0), Some(Ok(20.0)));
    assert_eq!(desk.says(60.1, 30.0), Some(Ok(30.0)));
}

#[test]
fn a_maximum_is_that_of_the_readings_since_the_agent_spoke_last() {
    let mut desk = Desk::new("window = 'max'");
    assert_eq!(desk.says(1.0, -7.0), Some(Ok(-7.0)));
    assert_eq!(desk.says(2.0, -9.0), Some(Ok(-7.0)));
    assert_eq!(desk.says(3.0, 4.0), Some(Ok(4.0)));
    assert_eq!(desk.says(61.0, 1.0), Some(Ok(1.0)));
}

#[test]
fn one_bad_reading_does_not_spoil_a_mean_but_nothing_else_is_a_gap() {
    let mut desk = Desk::new("window = 'mean'\nmaximum = 50");
    assert_eq!(desk.says(1.0, 80.0), Some(Err(GapReason::Implausible)));
    assert_eq!(desk.says(2.0, 20.0), Some(Ok(20.0)));
    assert_eq!(desk.says(3.0, 80.0), None);
    assert_eq!(desk.take(4.0, Err(GapReason::Unparsable)), None);
    assert_eq!(desk.says(5.0, 22.0), Some(Ok(21.0)));
    assert_eq!(desk.take(61.0, Err(GapReason::Unparsable)), Some(Err(GapReason::Unparsable)));
}

#[test]
fn of_a_last_reading_a_bad_one_takes_the_place() {
    let mut desk = Desk::new("minimum = 5\nmaximum = 30");
    for (number, says) in [
        (21.0, Ok(21.0)),
        (30.1, Err(GapReason::Implausible)),
        (4.9, Err(GapReason::Implausible)),
        (30.0, Ok(30.0)),
        (85.1, Err(GapReason::AboveMaximum)),
        (-41.0, Err(GapReason::BelowMinimum)),
    ] {
        assert_eq!(desk.says(1.0, number), Some(says));
    }
}

#[test]
fn events_are_counted_once_each_and_their_absence_needs_a_sign_of_life() {
    let mut desk = Desk::of("occupancy", "window = 'count'").unwrap();
    assert_eq!(desk.counts(0.0), Some(Err(GapReason::NoReading)));
    for (secs, number) in [(10.0, 1.0), (20.0, 0.0), (30.0, 1.0), (60.0, 2.0), (60.1, 1.0)] {
        assert_eq!(desk.says(secs, number), None);
    }
    assert_eq!(desk.counts(60.2), Some(Ok(3.0)), "the last one came after the agent spoke");
    assert_eq!(desk.counts(70.0), None, "once per window");
    assert_eq!(desk.counts(120.0), Some(Ok(1.0)));
    assert_eq!(desk.says(121.0, 0.0), None);
    assert_eq!(desk.counts(180.0), Some(Ok(0.0)), "quiet, and alive");
    assert_eq!(desk.counts(240.0), Some(Err(GapReason::Stale)), "quiet, and perhaps dead");
}

#[test]
fn what_changes_too_fast_is_left_out_until_it_can_have_come_so_far() {
    let mut desk = Desk::new("change_per_minute = 2");
    let jumped = Some(Err(GapReason::Jumped));
    assert_eq!(desk.says(0.0, 20.0), Some(Ok(20.0)), "of the first one nothing is known");
    assert_eq!(desk.says(1.0, 22.0), Some(Ok(22.0)), "within a minute the whole of it");
    assert_eq!(desk.says(2.0, 24.1), jumped);
    assert_eq!(desk.says(61.0, 30.0), jumped);
    assert_eq!(desk.says(241.0, 30.0), Some(Ok(30.0)), "after four minutes it is believed");
    assert_eq!(desk.says(242.0, 27.9), jumped);
}

#[test]
fn a_sensor_that_says_the_same_for_too_long_is_stuck_until_it_says_something_else() {
    let mut desk = Desk::new("stuck_after = '5m'");
    let minutes = |minutes: u32| f64::from(minutes) * 60.0;
    for minute in 0..=5 {
        assert_eq!(desk.says(minutes(minute), 21.0), Some(Ok(21.0)), "{minute}");
    }
    assert_eq!(desk.says(minutes(6), 21.0), Some(Err(GapReason::Stuck)));
    assert_eq!(desk.says(minutes(7), 21.01), Some(Ok(21.01)));
    assert_eq!(desk.says(minutes(8), 21.0), Some(Ok(21.0)));
    // It was away, or the clock was set: that it says the same as before proves nothing.
    assert_eq!(desk.says(minutes(500_000), 21.0), Some(Ok(21.0)));
}

#[test]
fn a_vector_where_rules_expect_a_number_is_a_gap() {
    let mut desk = Desk::new("window = 'mean'");
    let vector = Reading::vector([Ok(1.0)]).unwrap();
    assert_eq!(desk.take(1.0, Ok(vector)), Some(Err(GapReason::WrongType)));
}

#[test]
fn rules_that_make_no_sense_are_named() {
    for (rules, words) in [
        ("minimum = 30\nmaximum = 5", "`minimum` = 30 must be below `maximum` = 5"),
        ("minimum = nan", "[stream.t]: `minimum` = NaN: it must be a number"),
        ("maximum = inf", "`maximum` = inf"),
        ("change_per_minute = 0", "`change_per_minute` = 0: it must be a number above 0"),
        ("change_per_minute = -1", "above 0"),
    ] {
        let error = Desk::of("temperature", rules).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words), "{words} is not in: {error}");
    }
    for wrong in ["window = 'median'", "stuck_after = 5", "minimun = 3"] {
        assert!(toml::from_str::<StreamRules>(wrong).is_err(), "{wrong}");
    }
    let rules = [("hum".parse().unwrap(), StreamRules::default())].into();
    let foreign = Screens::new(&rules, &BTreeMap::new(), &"a".parse().unwrap(), Some(MINUTE)).unwrap_err();
    assert!(foreign.to_string().contains("[stream.hum]"), "{foreign}");
}

#[test]
fn nothing_that_was_read_is_printed() {
    let mut desk = Desk::new("window = 'mean'\nstuck_after = '1m'\nchange_per_minute = 1");
    desk.says(1.0, 27.3125);
    assert!(!format!("{:?}", desk.screens).contains("27.3"));
}

proptest! {
    /// Whatever comes when: each reading counts in one stretch, and that one ends when the agent speaks next.
    #[test]
    fn every_event_is_counted_in_one_window(mut gaps in prop::collection::vec(0.0..90.0_f64, 1..40)) {
        let mut desk = Desk::of("occupancy", "window = 'count'").unwrap();
        let mut now = 0.0;
        let (mut told, mut expected, mut counted, mut next) = (0, 0, 0.0, 60.0);
        gaps.push(200.0);
        for gap in gaps {
            now += gap;
            while next < now {
                if let Some(Ok(count)) = desk.counts(next) {
                    counted += count;
                    expected += told;
                    told = 0;
                } else {
                    // Nothing was heard for a whole period, so nothing was told in this stretch either.
                    prop_assert_eq!(told, 0);
                }
                prop_assert_eq!(counted, f64::from(expected));
                next += 60.0;
            }
            desk.says(now, 1.0);
            told += 1;
        }
    }

    #[test]
    fn a_mean_lies_among_its_readings(numbers in prop::collection::vec((-40.0..85.0_f64, 0.0..20.0_f64), 1..50)) {
        let mut desk = Desk::new("window = 'mean'");
        let mut secs = 0.0;
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for (number, gap) in numbers {
            let before = ((secs - 1e-9_f64) / 60.0).floor();
            secs += gap;
            if ((secs - 1e-9) / 60.0).floor() != before {
                (least, most) = (f64::INFINITY, f64::NEG_INFINITY);
            }
            least = least.min(number);
            most = most.max(number);
            let Some(Ok(mean)) = desk.says(secs, number) else { return Err(TestCaseError::fail("no mean")) };
            prop_assert!((least - 1e-9..=most + 1e-9).contains(&mean), "{mean} of {least} to {most}");
        }
    }
}
