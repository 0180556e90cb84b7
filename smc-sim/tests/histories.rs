//! A few hundred histories; the many are played by `cargo run --release -p smc-sim -- --seeds 0..100000`.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use smc_sim::Schedule;
use smc_sim::coverage::Coverage;
use smc_sim::run::run;
use smc_sim::shrink::shrink;

/// As many as fit into half a minute in a debug build.
const SEEDS: u64 = 120;

#[test]
fn whatever_a_seed_decides_all_of_it_holds() {
    let mut coverage = Coverage::default();
    for seed in 0..SEEDS {
        let outcome = run(&Schedule::from_seed(seed));
        assert_eq!(outcome.violation, None, "cargo run -p smc-sim -- --seed {seed}");
        coverage.add(&outcome.coverage);
    }
    // Histories in which nothing ever comes to a value, or nothing ever fails, would hold anything.
    let came_to = |what: &str| coverage.outcomes.keys().any(|outcome| outcome.starts_with(what));
    assert!(["ok: validated", "failed: ", "withheld: "].into_iter().all(came_to), "{coverage}");
    assert!(coverage.published > 5 * SEEDS, "{} values of {SEEDS} histories", coverage.published);
    assert!(coverage.asked > SEEDS / 2, "{} values of queries that were asked for", coverage.asked);
    assert!(coverage.declined > 10, "{} values without agents that declined", coverage.declined);
    let verdicts = ["allowed", "asked", "cancelled", "denied", "done", "expired", "paused", "withdrawn"];
    assert!(verdicts.iter().all(|&verdict| coverage.decisions.contains_key(verdict)), "{coverage}");
    assert!(coverage.drawn.keys().filter(|kind| kind.starts_with("function ")).count() > 20);
}

#[test]
fn a_history_repeats_itself_exactly_also_from_its_file() {
    for seed in [1, 5, 12] {
        let schedule = Schedule::from_seed(seed);
        let file = serde_json::to_string(&schedule).unwrap();
        let again: Schedule = serde_json::from_str(&file).unwrap();
        let (first, second) = (smc_sim::run::tell(&schedule), smc_sim::run::tell(&again));
        assert_eq!((first.history, first.coverage), (second.history, second.coverage));
    }
}

#[test]
fn a_panic_breaks_a_history_like_anything_else_that_must_not_be() {
    let mut schedule = Schedule::from_seed(3);
    schedule.actions = Schedule::from_seed(5).actions;
    // No site file has such a function: the world can't be built.
    schedule.site.function = "horoscope".to_owned();
    let violation = run(&schedule).violation.unwrap();
    assert_eq!(violation.invariant, "no panic");
    assert!(violation.what.contains("horoscope"), "{violation}");
    assert_eq!(shrink(&schedule).actions, []);
    assert_eq!(run(&Schedule::from_seed(3)).violation, None, "the next one is played as ever");
}
