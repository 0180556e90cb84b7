//! What becomes of a packet between its host and the one that it goes to.

use rand_core::Rng;

use super::super::impairment::Shape;
use super::pacer::Pacer;
use super::wander::Wander;

/// One host's way to all others.
#[derive(Debug, Default)]
pub(super) struct Line {
    pacer: Pacer,
    /// The ways to the others, by their numbers.
    ways: Vec<Way>,
}

/// One host's way to one other.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    wander: Wander,
    /// When the last packet arrives, so that the next one does not overtake it, whatever is asked for in between.
    last_ns: u64,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives then.
    Arrives(u64),
    /// Too much waits for the line.
    Dropped,
    /// It was thrown for, and lost.
    Lost,
}

impl Line {
    /// What becomes of a packet of so many bytes that comes at `now_ns`.
    pub(super) fn fate(
        &mut self,
        now_ns: u64,
        to: usize,
        bytes: usize,
        shape: &Shape,
        dice: &mut impl Rng,
    ) -> Fate {
        let Some(left) = self.pacer.leaves(now_ns, bytes, shape.ns_per_byte) else { return Fate::Dropped };
        // After the line: a packet that is lost has been sent.
        if !shape.loss.is_none() && shape.loss.hits(dice.next_u32()) {
            return Fate::Lost;
        }
        if !shape.reorder.is_none() && shape.reorder.hits(dice.next_u32()) {
            return Fate::Arrives(left);
        }
        if self.ways.len() <= to {
            self.ways.resize(to + 1, Way::default());
        }
        let way = &mut self.ways[to];
        // The jitter is at most the delay.
        let shortest = shape.delay_ns - shape.jitter_ns;
        let arrives = left + shortest + way.wander.at(left, shape.jitter_ns, dice);
        way.last_ns = arrives.max(way.last_ns);
        Fate::Arrives(way.last_ns)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::super::super::Impairment;
    use super::*;

    fn shape(impairment: &Impairment) -> Shape {
        Shape::try_from(impairment).unwrap()
    }

    fn arrivals(shape: &Shape, packets: u64, apart_ns: u64, seed: u64) -> Vec<(u64, u64)> {
        let (mut line, mut dice) = (Line::default(), ChaCha8Rng::seed_from_u64(seed));
        (0..packets)
            .filter_map(|number| match line.fate(number * apart_ns, 0, 100, shape, &mut dice) {
                Fate::Arrives(at) => Some((number * apart_ns, at)),
                Fate::Dropped | Fate::Lost => None,
            })
            .collect()
    }

    proptest! {
        #[test]
        fn jitter_keeps_the_order_and_its_bounds(
            latency_ms in 0.0_f64..50.0, part in 0.0_f64..=1.0, apart_ns in 0_u64..1_000_000, seed: u64,
        ) {
            let jitter_ms = latency_ms * part;
            let shape = shape(&Impairment { latency_ms, jitter_ms, ..Impairment::NONE });
            let mut last = 0;
            for (sent, arrives) in arrivals(&shape, 200, apart_ns, seed) {
                prop_assert!(arrives >= last, "one overtook another");
                last = arrives;
                let took = arrives - sent;
                prop_assert!(took >= shape.delay_ns - shape.jitter_ns && took <= shape.delay_ns + shape.jitter_ns);
            }
        }
    }

    #[test]
    fn packets_overtake_others_as_often_as_asked() {
        let shape = shape(&Impairment { latency_ms: 10.0, reorder_percent: 25.0, ..Impairment::NONE });
        let early = arrivals(&shape, 10_000, 100_000, 1).iter().filter(|(sent, at)| sent == at).count();
        assert!((2300..2700).contains(&early), "{early} of 10000");
    }

    #[test]
    fn packets_are_lost_as_often_as_asked_and_to_the_line_they_count() {
        let asked = Impairment { loss_percent: 10.0, rate_mbit_s: Some(8.0), ..Impairment::NONE };
        let arrived = arrivals(&shape(&asked), 10_000, 0, 1).len();
        // 100 ms at 1000 bytes per ms take 1001 packets of 100 bytes, of which a tenth is lost.
        assert!((860..940).contains(&arrived), "{arrived} of 1001");
    }
}
