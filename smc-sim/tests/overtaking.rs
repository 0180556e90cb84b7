//! A window that has no plan when the next one closes is given up (docs/protocol.md, 4.2). What would happen otherwise, step
//! by step: the messages of window 0 are slow, so that its inputs are still being checked when window 1 closes; the
//! inventories of window 1 say that nobody has voted yet; so window 1 is planned afresh, with other agents than window 0,
//! in which votes are still to come. Both are agreed, and their results differ by those who spoke in one of them alone.
//!
//! `RUSTFLAGS='--cfg mutation' cargo test -p smc-sim --test overtaking --target-dir target/mutation` sees it happen.

use smc_sim::action::{Action, Schedule, Shape, Timed};

/// Messages take up to half a second while seven tenths are waited for; some agents are silent in window 0.
fn slow_window() -> Schedule {
    let site = Shape {
        peers: 3,
        threshold: 1,
        malicious: false,
        agents: 9,
        minimum: 3,
        epoch: 3,
        step: 700,
        function: "sum".to_owned(),
        sums: true,
        lone: false,
    };
    let slow = Action::Weather { lost: 0, delay: 500, late: 1000, twice: 0 };
    let actions = vec![
        Timed { at: 0, lasts: 500, action: Action::Gaps { of_1000: 300 } },
        Timed { at: 1190, lasts: 1800, action: slow },
    ];
    Schedule { seed: 21, site, liars: Vec::new(), trouble: 3, actions }
}

#[cfg(not(mutation))]
#[test]
fn a_window_without_a_plan_is_given_up_when_the_next_one_closes() {
    let outcome = smc_sim::run::run(&slow_window());
    assert_eq!(outcome.violation, None);
    let given_up = "failed: the next window closed before enough peers had answered";
    assert!(outcome.coverage.outcomes.contains_key(given_up), "{}", outcome.coverage);
}

#[cfg(mutation)]
#[test]
fn without_that_rule_two_cohorts_are_agreed_in_one_epoch() {
    use smc_core::mutation::{Rule, disable};
    use smc_sim::run::{hold, run};

    let broken = |outcome: smc_sim::run::Outcome| outcome.violation.map(|violation| violation.invariant);
    disable(Some(Rule::Overtaking));
    assert_eq!(broken(run(&slow_window())), Some("one vote"), "noticed as early as that");
    assert_eq!(broken(hold(&slow_window(), "one cohort")), Some("one cohort"));
}
