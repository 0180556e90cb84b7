//! The pause between attempts to connect.

use std::collections::VecDeque;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::entropy;
use crate::settings::Pauses;

/// How many connections that worked may break within [`RECENT`] before that no longer makes the next pause short: two
/// programs under one client id push each other out for ever.
const FORGIVEN: usize = 10;
/// For how long a break counts.
const RECENT: Duration = Duration::from_secs(60);

/// Says how long to wait: at random, and at most as long as there has been no connection that worked.
///
/// So whoever could not connect for some time is back after at most as much again, and those whom one broker lost
/// together come back one by one.
#[derive(Debug)]
pub(super) struct Backoff {
    pauses: Pauses,
    /// Since when no connection has worked.
    since: Instant,
    /// Whether the newest connection has.
    works: bool,
    /// When the last ones that had worked broke, oldest first; at most [`FORGIVEN`].
    breaks: VecDeque<Instant>,
    rng: ChaCha20Rng,
}

impl Backoff {
    /// `salt` stands in for entropy where the system has none: jitter guards no secret.
    pub(super) fn new(pauses: Pauses, salt: &str, now: Instant) -> Self {
        let fallback = salt.bytes().fold(0, |hash: u64, b| hash.wrapping_mul(31).wrapping_add(b.into()));
        let rng = entropy::rng().unwrap_or_else(|_| ChaCha20Rng::seed_from_u64(fallback));
        Self { pauses, since: now, works: false, breaks: VecDeque::with_capacity(FORGIVEN), rng }
    }

    /// The connection works: whatever happened before is forgotten once it breaks.
    pub(super) fn works(&mut self) {
        self.works = true;
    }

    /// How long to wait, now that there is no connection.
    pub(super) fn pause(&mut self, now: Instant) -> Duration {
        if std::mem::take(&mut self.works) && self.forgives(now) {
            self.since = now;
        }
        let Pauses { first, longest } = self.pauses;
        let most = now.duration_since(self.since).min(longest).max(first);
        most.mul_f64(f64::from(self.rng.next_u32()) / f64::from(u32::MAX))
    }

    /// Whether a connection that worked may break at `now` like one that never had trouble.
    fn forgives(&mut self, now: Instant) -> bool {
        while self.breaks.front().is_some_and(|&earlier| now.duration_since(earlier) >= RECENT) {
            self.breaks.pop_front();
        }
        let forgives = self.breaks.len() < FORGIVEN;
        if forgives {
            self.breaks.push_back(now);
        }
        forgives
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Windows of a second.
    fn quick() -> Pauses {
        Pauses::of_agent(SECOND, 40)
    }

    /// How long after its return a broker is found that was away for so long, and at which attempt.
    fn found(backoff: &mut Backoff, lost: Instant, away: Duration) -> (Duration, u32) {
        let mut at = lost;
        for attempt in 1.. {
            at += backoff.pause(at);
            if at >= lost + away {
                return (at - (lost + away), attempt);
            }
        }
        unreachable!()
    }

    #[test]
    fn a_broker_that_was_away_is_found_within_as_much_time_again() {
        let now = Instant::now();
        for pauses in [quick(), Pauses::of_agent(60 * SECOND, 40), Pauses::of_peer(60 * SECOND)] {
            for millis in [0, 100, 500, 1_000, 5_000, 60_000, 3_600_000] {
                let away = Duration::from_millis(millis);
                for _ in 0..200 {
                    let mut backoff = Backoff::new(pauses, "a", now);
                    backoff.works();
                    let (late, attempts) = found(&mut backoff, now, away);
                    assert!(late <= away.min(pauses.longest).max(pauses.first), "{away:?}: {late:?}");
                    let longest = away.as_secs_f64() / pauses.longest.as_secs_f64();
                    assert!(f64::from(attempts) <= 60.0 + 4.0 * longest, "{away:?}: {attempts} attempts");
                }
            }
        }
    }

    #[test]
    fn what_came_before_a_connection_that_worked_is_forgotten() {
        let mut now = Instant::now();
        let mut backoff = Backoff::new(quick(), "a", now);
        for _ in 0..8 {
            backoff.works();
            assert!(backoff.pause(now) <= quick().first);
            let (late, _) = found(&mut backoff, now, 10 * SECOND);
            now += 10 * SECOND + late;
        }
    }

    /// How often it is tried in an hour in which no connection lasts, whether they work or not.
    fn attempts_in_an_hour(works: bool) -> u32 {
        let began = Instant::now();
        let mut backoff = Backoff::new(Pauses::default(), "a", began);
        let (mut now, mut attempts) = (began, 0);
        while now - began < 3_600 * SECOND {
            if works {
                backoff.works();
            }
            now += backoff.pause(now);
            attempts += 1;
        }
        attempts
    }

    #[test]
    fn connections_that_never_work_are_tried_ever_less() {
        // 15 s apart in the mean.
        let attempts = attempts_in_an_hour(false);
        assert!((150..400).contains(&attempts), "{attempts}");
    }

    #[test]
    fn two_programs_under_one_name_do_not_push_each_other_out_at_full_speed() {
        let attempts = attempts_in_an_hour(true);
        assert!((600..1_500).contains(&attempts), "{attempts}");
    }

    #[test]
    fn a_crowd_does_not_come_back_at_once() {
        const CROWD: u32 = 10_000;
        let lost = Instant::now();
        let away = Duration::from_millis(300);
        let pauses = Pauses::of_agent(SECOND, CROWD);
        let mut back = [0; 100];
        for agent in 0..CROWD {
            let mut backoff = Backoff::new(pauses, &agent.to_string(), lost);
            backoff.works();
            let (late, _) = found(&mut backoff, lost, away);
            back[(late.as_millis() / 100) as usize] += 1;
        }
        let most = back.into_iter().max().unwrap_or_default();
        assert!(most <= 700, "{most} within a tenth of a second");
    }
}
