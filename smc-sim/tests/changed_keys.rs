//! Peers draw randomness from the contributions that they agreed on and from no others (docs/protocol.md, 3.2). What would
//! happen otherwise: peer 3 restarts and contributes anew; after the vote somebody repeats its old contributions to one
//! of the others, which takes them for the newest. The peers then multiply with shares of different numbers, and the
//! value is wrong. Found as seed 6115.
//!
//! `RUSTFLAGS='--cfg mutation' cargo test -p smc-sim --test changed_keys --target-dir target/mutation` sees it happen.

use smc_sim::action::{Action, Schedule, Shape, Timed};
use smc_sim::run::run;
use smc_sim::world::Loss;

fn repeated_contributions() -> Schedule {
    let site = Shape {
        peers: 3,
        threshold: 1,
        malicious: false,
        agents: 8,
        minimum: 3,
        epoch: 3,
        step: 200,
        function: "correlation".to_owned(),
        sums: true,
        lone: false,
    };
    let restart = Action::Crash { peer: 3, loss: Loss::Nothing, after: None };
    let actions = vec![
        Timed { at: 3205, lasts: 0, action: Action::Replay { back: 3829, messages: 31 } },
        Timed { at: 2196, lasts: 18, action: restart },
        Timed { at: 2184, lasts: 0, action: Action::Rumour { at: 2, about: 1, up: true } },
        Timed {
            at: 1199,
            lasts: 213,
            action: Action::Weather { lost: 34, delay: 262, late: 197, twice: 167 },
        },
    ];
    Schedule { seed: 6115, site, liars: Vec::new(), trouble: 4, actions }
}

#[cfg(not(mutation))]
#[test]
fn contributions_that_change_after_the_vote_fail_the_window() {
    let outcome = run(&repeated_contributions());
    assert_eq!(outcome.violation, None);
    let changed = |outcome: &String| outcome.contains("changed after it was agreed on");
    assert!(outcome.coverage.outcomes.keys().any(changed), "{}", outcome.coverage);
}

#[cfg(mutation)]
#[test]
fn without_that_rule_a_wrong_value_is_published() {
    smc_core::mutation::disable(Some(smc_core::mutation::Rule::AgreedKeys));
    let violation = run(&repeated_contributions()).violation;
    assert_eq!(violation.map(|violation| violation.invariant), Some("plain values"));
}
