//! Who is in the room when: a day's comings and goings.

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
/// Everybody is gone by now.
const CLOSING: f64 = 23.5 * HOUR;

/// From `second` of the day on there are `occupants` people in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) second: u32,
    pub(super) occupants: u32,
}

/// The changes of one day in order of time; the room is empty before the first and after the last.
///
/// Each person comes on most working days, around 8:40, leaves around 17:20, and in between alternates
/// between the room and elsewhere, a two-state Markov process: in for 55 minutes on average, out for 15.
pub(super) fn plan_day(people: u32, working_day: bool, rng: &mut ChaCha20Rng) -> Vec<Change> {
    let attendance = if working_day { 0.85 } else { 0.06 };
    let mut steps = Vec::new();
    for _ in 0..people {
        if uniform(rng) < attendance {
            visits(rng, &mut steps);
        }
    }
    steps.sort_unstable();
    let mut occupants = 0_u32;
    let mut changes: Vec<Change> = Vec::with_capacity(steps.len());
    for (second, enters) in steps {
        occupants = if enters { occupants + 1 } else { occupants.saturating_sub(1) };
        changes.push(Change { second, occupants });
    }
    changes
}

/// One person's entries (`true`) and exits (`false`), by second of the day.
fn visits(rng: &mut ChaCha20Rng, steps: &mut Vec<(u32, bool)>) {
    let mut now = (8.0 * HOUR + 40.0 * MINUTE + 45.0 * MINUTE * normal(rng)).clamp(HOUR, 20.0 * HOUR);
    let leaves = (17.0 * HOUR + 20.0 * MINUTE + 70.0 * MINUTE * normal(rng)).clamp(now + MINUTE, CLOSING);
    while now < leaves {
        let exit = (now + MINUTE + 55.0 * MINUTE * exponential(rng)).min(leaves);
        steps.extend([(now as u32, true), (exit as u32, false)]);
        now = exit + MINUTE + 15.0 * MINUTE * exponential(rng);
    }
}

/// 0 <= u < 1.
pub(super) fn uniform(rng: &mut ChaCha20Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Mean 1.
fn exponential(rng: &mut ChaCha20Rng) -> f64 {
    -(1.0 - uniform(rng)).ln()
}

/// Mean 0, variance 1, within 3.5 of the mean: the sum of four uniform numbers is bell-shaped enough.
fn normal(rng: &mut ChaCha20Rng) -> f64 {
    let sum: f64 = (0..4).map(|_| uniform(rng)).sum();
    (sum - 2.0) * 3.0_f64.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_core::SeedableRng;

    proptest! {
        #[test]
        fn people_come_and_go_but_never_stay_overnight(seed: u64, people in 0_u32..40, working_day: bool) {
            let changes = plan_day(people, working_day, &mut ChaCha20Rng::seed_from_u64(seed));
            prop_assert!(changes.is_sorted_by_key(|change| change.second));
            prop_assert!(changes.iter().all(|change| change.occupants <= people && change.second < 86_400));
            prop_assert_eq!(changes.last().map_or(0, |change| change.occupants), 0);
        }
    }

    #[test]
    fn working_days_are_busy_and_weekends_are_not() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut visits =
            |working_day| -> usize { (0..50).map(|_| plan_day(10, working_day, &mut rng).len()).sum() };
        let (week, weekend) = (visits(true), visits(false));
        assert!(week > 5 * weekend, "{week} and {weekend}");
    }

    #[test]
    fn the_bell_curve_has_mean_zero_and_variance_one() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let sample: Vec<f64> = (0..20_000).map(|_| normal(&mut rng)).collect();
        let mean = sample.iter().sum::<f64>() / 20_000.0;
        let variance = sample.iter().map(|x| x * x).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
