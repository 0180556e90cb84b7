//! What must hold whatever gets lost, late or doubled, and whoever stops and comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use smc_core::shamir::PeerIndex;
use smc_sim::world::{Fate, Site, World, peer};

/// Trouble comes in this many windows, of epochs of five.
const WINDOWS: u64 = 12;
const AGENTS: usize = 7;

/// One history. Printed when it fails: the seed and the rest repeat it exactly.
#[derive(Debug, Clone)]
struct Schedule {
    sharing: (u8, u8),
    malicious: bool,
    seed: u64,
    /// Of a thousand messages so many are lost, late, or come twice.
    lost: u32,
    late: u32,
    twice: u32,
    /// How late, at most.
    delay_ms: u32,
    /// Of a thousand readings so many are missing.
    gaps: u32,
    acts: Vec<(u64, Act)>,
}

#[derive(Debug, Clone)]
enum Act {
    /// A peer stops, and comes back after so many milliseconds.
    Crash { peer: u8, for_ms: u64 },
    /// A peer is told that another is there, or is not.
    Rumour { at: u8, about: u8, up: bool },
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let sharing = prop_oneof![Just((3, 1)), Just((4, 1)), Just((5, 2))];
    sharing.prop_flat_map(|sharing @ (n, _)| {
        let crash = (1..=n, 1..3000_u64).prop_map(|(peer, for_ms)| Act::Crash { peer, for_ms });
        let rumour = (1..=n, 1..=n, any::<bool>()).prop_map(|(at, about, up)| Act::Rumour { at, about, up });
        let acts = prop::collection::vec((0..WINDOWS * 1000, prop_oneof![crash, rumour]), 0..8);
        let numbers = (any::<u64>(), 0..60_u32, 0..200_u32, 0..200_u32, 0..400_u32, 0..150_u32);
        (Just(sharing), prop::bool::weighted(0.2), numbers, acts).prop_map(
            |(sharing, malicious, (seed, lost, late, twice, delay_ms, gaps), acts)| Schedule {
                sharing,
                malicious,
                seed,
                lost,
                late,
                twice,
                delay_ms,
                gaps,
                acts,
            },
        )
    })
}

fn site(schedule: &Schedule) -> Site {
    let (n, t) = schedule.sharing;
    let site = Site::seeded(n, t, schedule.seed).agents(AGENTS).query("sum").query("count");
    let site = site.scoped("floor-1", "sum", &[("floor", "1")]);
    let site = site.with(|site| {
        site.minimum_cohort = 3;
        site.cohort_epoch = "5s".parse().unwrap();
    });
    if schedule.malicious { site.malicious() } else { site }
}

/// As many as fit into a few seconds; more with `PROPTEST_CASES=1000 cargo test --release --test schedules`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48)
}

/// A number that depends on the seed and on what it is for.
fn noise(seed: u64, what: [u64; 2]) -> u32 {
    let mut rng = ChaCha20Rng::seed_from_u64(seed ^ what[0].rotate_left(32) ^ what[1]);
    rng.next_u32()
}

impl Schedule {
    fn make_trouble(&self, world: &mut World) {
        let (lost, late, twice) = (self.lost, self.lost + self.late, self.lost + self.late + self.twice);
        let (delay, end) = (u64::from(self.delay_ms), world.window(WINDOWS));
        let mut rng = ChaCha20Rng::seed_from_u64(self.seed);
        world.intercept(move |packet| {
            let (dice, after) = (rng.next_u32() % 1000, u64::from(rng.next_u32()) % (delay + 1));
            match dice {
                _ if packet.content.window() >= end => Fate::Pass,
                dice if dice < lost => Fate::Drop,
                dice if dice < late => Fate::Delay(Duration::from_millis(after)),
                dice if dice < twice => Fate::Twice(Duration::from_millis(after)),
                _ => Fate::Pass,
            }
        });
        let (seed, gaps) = (self.seed, self.gaps);
        world.read(move |agent, w| {
            let speaks = w >= WINDOWS || noise(seed, [agent as u64, w]) % 1000 >= gaps;
            speaks.then_some(f64::from(noise(!seed, [agent as u64, w]) % 10_000))
        });
    }

    /// All acts and returns, in order of time.
    fn play(&self, world: &mut World) {
        let mut acts: Vec<(u64, Option<&Act>, PeerIndex)> = Vec::new();
        for (at, act) in &self.acts {
            match act {
                Act::Crash { peer: who, for_ms } => {
                    acts.push((*at, Some(act), peer(*who)));
                    acts.push((at + for_ms, None, peer(*who)));
                }
                Act::Rumour { about, .. } => acts.push((*at, Some(act), peer(*about))),
            }
        }
        acts.sort_by_key(|&(at, ..)| at);
        for (at, act, who) in acts {
            world.run_into(at / 1000, at % 1000);
            let up = world.host(who).peer.is_some();
            match act {
                Some(Act::Crash { .. }) if up => world.crash(who),
                Some(Act::Rumour { at, up, .. }) => world.presence_at(peer(*at), who, *up),
                None if !up => world.restart(who),
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_history_leads_to_a_wrong_value_or_to_two(schedule in schedule()) {
        let mut world = World::new(site(&schedule));
        schedule.make_trouble(&mut world);
        schedule.play(&mut world);
        world.run(WINDOWS - 1);
        // The trouble is over: from the next epoch on, everything succeeds.
        for index in world.roster.sharing().indices() {
            if world.host(index).peer.is_none() {
                world.restart(index);
            }
            world.presence(index, true);
        }
        world.run(17);
        world.assert_sound();
        let all: Vec<_> = (0..AGENTS).map(|agent| (agent, 17)).collect();
        prop_assert_eq!(world.value("sum", 17), world.plainly("sum", &all));
        let result = &world.published("sum", 17)[0].result;
        prop_assert_eq!((result.peers.len(), result.fresh), (usize::from(schedule.sharing.0), 7));
    }
}
