//! Whole windows of whole sites.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

mod world;

use world::{Site, World};

#[test]
fn every_function_equals_the_plain_computation_for_every_n_and_t() {
    for n in 3..=9 {
        for t in 1..=(n - 1) / 2 {
            let mut world = World::new(Site::of(n, t).agents(6).query("count").query("sum").query("mean"));
            world.run(1);
            world.assert_sound();
            for w in 0..=1 {
                let all: Vec<_> = (0..6).map(|agent| (agent, w)).collect();
                for function in ["count", "sum", "mean"] {
                    let plain = world.plainly(function, &all);
                    assert_eq!(world.value(function, w), plain, "{function} of ({n}, {t})");
                }
                let result = &world.published("sum", w)[0].result;
                assert_eq!((result.cohort, result.fresh, result.carried), (6, 6, 0));
                assert_eq!((result.peers.len(), result.verified), (usize::from(n), true));
                assert_eq!(world.published("sum", w)[0].signatures.len(), usize::from(n));
            }
        }
    }
}
