//! A peer takes part late only in a window that it has closed in this life (docs/protocol.md, 4.2). What would happen
//! otherwise: peer 3 sends its inventory of window 1 and restarts with a clock that is a third of a second behind, so that
//! window 1 has yet to close; somebody repeats the inventories of window 0; it takes window 0 for one that it wanted nothing
//! of, answers, and votes there, while its inventory of window 1 says that it has not voted. Found as seed 33.
//!
//! `RUSTFLAGS='--cfg mutation' cargo test -p smc-sim --test turned_back --target-dir target/mutation` sees it happen.

use smc_sim::action::{Action, Ask, Schedule, Shape, Timed};
use smc_sim::run::run;
use smc_sim::world::Loss;

fn answered_twice() -> Schedule {
    let site = Shape {
        peers: 4,
        threshold: 1,
        malicious: false,
        agents: 6,
        minimum: 3,
        epoch: 3,
        step: 200,
        function: "sum".to_owned(),
        sums: true,
        lone: false,
    };
    let crash = |peer| Action::Crash { peer, loss: Loss::Nothing, after: None };
    let ask = Ask {
        query: 3,
        function: "mean".to_owned(),
        floor: Some(2),
        minimum: 3,
        every: 1,
        once: false,
        purpose: "heating".to_owned(),
        allow: vec![1, 2, 4],
        leave: vec![3],
    };
    let actions = vec![
        Timed { at: 2225, lasts: 0, action: Action::Replay { back: 3635, messages: 56 } },
        Timed { at: 195, lasts: 887, action: crash(2) },
        Timed { at: 1201, lasts: 1219, action: crash(4) },
        Timed { at: 2205, lasts: 250, action: Action::Clock { peer: 3, by: -350 } },
        Timed { at: 2213, lasts: 0, action: crash(3) },
        Timed { at: 948, lasts: 0, action: Action::Ask(ask) },
    ];
    Schedule { seed: 33, site, liars: Vec::new(), trouble: 3, actions }
}

#[cfg(not(mutation))]
#[test]
fn a_peer_that_restarts_with_a_clock_that_is_behind_does_not_answer_in_a_window_it_went_beyond() {
    assert_eq!(run(&answered_twice()).violation, None);
}

#[cfg(mutation)]
#[test]
fn without_that_rule_it_votes_after_a_later_inventory() {
    use smc_core::mutation::{Rule, disable};

    disable(Some(Rule::OwnClose));
    let broken = run(&answered_twice()).violation.map(|violation| violation.invariant);
    assert_eq!(broken, Some("one vote"));
}
