//! How a delay varies.
//!
//! Were it thrown anew for each packet, those that follow each other closely would have to wait for the slowest of them, since
//! none overtakes, and the delay would not be the asked one but nearly the longest. So it wanders: straight up to the longest
//! delay, straight down to the shortest, each way in a time that is thrown for, and never so fast downwards that a packet
//! would overtake the one before it. At any instant it is evenly distributed between both.

use rand_core::Rng;

/// How long one way takes at least and at most, in widths of the whole variation. From 1 on, none is overtaken.
const WAY_MIN: f64 = 1.1;
const WAY_MAX: f64 = 2.0;

/// The variation of one direction between two hosts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wander {
    began_ns: u64,
    ends_ns: u64,
    rises: bool,
}

impl Wander {
    /// By how much the shortest delay is exceeded at an instant, when it varies by so much to both sides. Instants must not
    /// go back.
    pub(super) fn at(&mut self, now_ns: u64, jitter_ns: u64, dice: &mut impl Rng) -> u64 {
        let width = 2.0 * jitter_ns as f64;
        if width == 0.0 {
            return 0;
        }
        if now_ns.saturating_sub(self.ends_ns) as f64 > WAY_MAX * width {
            self.begin_anywhere(now_ns, width, dice);
        }
        while now_ns >= self.ends_ns {
            (self.began_ns, self.rises) = (self.ends_ns, !self.rises);
            self.ends_ns += way(width, dice);
        }
        let part = (now_ns - self.began_ns) as f64 / (self.ends_ns - self.began_ns) as f64;
        (width * if self.rises { part } else { 1.0 - part }) as u64
    }

    /// After a pause nothing is left of what was: some way begins, and is passed to some part.
    fn begin_anywhere(&mut self, now_ns: u64, width: f64, dice: &mut impl Rng) {
        let way = way(width, dice);
        self.rises = dice.next_u32().is_multiple_of(2);
        self.began_ns = now_ns.saturating_sub((way as f64 * part(dice)) as u64);
        self.ends_ns = self.began_ns + way;
    }
}

/// How long one way takes, at least a nanosecond.
fn way(width: f64, dice: &mut impl Rng) -> u64 {
    (width * (WAY_MIN + (WAY_MAX - WAY_MIN) * part(dice))) as u64 + 1
}

/// Evenly between 0 and 1.
fn part(dice: &mut impl Rng) -> f64 {
    f64::from(dice.next_u32()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;

    proptest! {
        #[test]
        fn none_overtakes_and_none_leaves_the_bounds(
            pauses in proptest::collection::vec(0_u64..30_000_000, 1..300), jitter_ns in 0_u64..20_000_000, seed: u64,
        ) {
            let (mut wander, mut dice) = (Wander::default(), ChaCha8Rng::seed_from_u64(seed));
            let (mut now, mut last) = (0, 0);
            for pause in pauses {
                now += pause;
                let more = wander.at(now, jitter_ns, &mut dice);
                prop_assert!(more <= 2 * jitter_ns);
                // Rounding down may gain one nanosecond on the packet before.
                prop_assert!(now + more + 1 >= last || pause as f64 > WAY_MAX * 2.0 * jitter_ns as f64, "one overtook");
                last = now + more;
            }
        }
    }

    /// How many of a hundred thousand values, so far apart, lie in each quarter.
    fn quarters(apart_ns: u64) -> [usize; 4] {
        let (mut wander, mut dice) = (Wander::default(), ChaCha8Rng::seed_from_u64(3));
        let mut quarters = [0; 4];
        for packet in 1..100_000 {
            let more = wander.at(packet * apart_ns, 1_000_000, &mut dice);
            quarters[(more / 500_000).min(3) as usize] += 1;
        }
        quarters
    }

    #[test]
    fn delays_are_spread_evenly_whether_packets_are_near_each_other_or_far() {
        for apart_ns in [50_000, 3_000_000, 100_000_000] {
            let quarters = quarters(apart_ns);
            assert!(
                quarters.iter().all(|count| (23_500..26_500).contains(count)),
                "{apart_ns}: {quarters:?}"
            );
        }
    }
}
