//! The agreement as a model, searched exhaustively: whatever is lost, whoever crashes and restarts, whatever one peer lies,
//! for any number of windows. Who computes on what is decided by smc-core's own `plan` and `standing::frozen` with its own
//! `Quorum`; the model says who says what and what may follow.
//!
//! Of a peer nothing matters but how it voted last. So a peer that crashes is one that is silent from some window on, and one
//! that restarts is one that speaks in a later window and remembers its vote, which was on disk. Each receiver plans with
//! whatever part of the inventories, and with whatever holdings in them: so readings may be lost on their way to anybody, and
//! a restarted peer may say within one window that it holds less than before. An agreement is there as soon as all of P voted
//! alike, whether or not anybody gets to know and opens anything.
//!
//! Why so few states are all there are:
//! - `standing::frozen` asks which of two votes was earlier and nothing else of windows. So the windows of the last votes are
//!   numbered anew all the time, no count of windows is kept, and epochs of any length are searched.
//! - Within a window inventories do not depend on each other, nor do votes. So a window begins with what each peer may vote
//!   for, and the peers vote in turn. How they voted before is forgotten at once by those that vote again.
//! - Peers' numbers do not matter: `standing::frozen` looks for peers in sets and counts them. `plan` breaks ties by
//!   number, but with at most four peers nobody is left out by a tie, as `are_nameless` checks.
//!
//! A liar has no state. To every receiver it may tell whatever passes that receiver's check (docs/protocol.md, 4.2): that it
//! never voted, or any vote, before, in, between or after the windows of the others' votes; to each another one in every
//! window. Only its first inventory counts, and only the standing that it has then: so each receiver is offered the plans of
//! all that it might be told. Its own vote reaches whom it likes and is for whatever they need: what the honest peers of a P
//! voted for alike is agreed.
//!
//! Cohorts are told apart and nothing more; two streams make three of them. Not in the model: the check of inputs, by which
//! a cohort may lose members within its epoch (4.5), and what makes one epoch follow another.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

mod model;
mod plans;
mod site;

use model::{Agreement, ONE_AGREEMENT, ONE_COHORT};
use plans::Plans;
use smc_core::roster::{Quorum, Tolerate};
use smc_core::shamir::Sharing;
use stateright::{Checker, HasDiscoveries, Model};

/// The quorum of so many peers, of which one may stop or lie.
fn quorum(peers: u8, tolerate: Tolerate) -> Quorum {
    Quorum::new(Sharing::new(peers, 1).unwrap(), tolerate)
}

/// Searches all there is; says how many states that were.
fn search<const HONEST: usize>(model: Agreement<HONEST>) -> usize {
    let failed = HasDiscoveries::AnyFailures;
    let checker = model.checker().threads(2).finish_when(failed).spawn_bfs().join();
    checker.assert_properties();
    println!("{} states, {} steps deep", checker.unique_state_count(), checker.max_depth());
    checker.unique_state_count()
}

/// Whether the model finds that the invariant is broken.
fn breaks<const HONEST: usize>(model: Agreement<HONEST>, invariant: &'static str) -> bool {
    let failed = HasDiscoveries::AnyOf([invariant].into());
    let checker = model.checker().threads(2).finish_when(failed).spawn_bfs().join();
    checker.discovery(invariant).is_some()
}

#[test]
fn three_peers_never_agree_on_two_cohorts_of_one_epoch() {
    let model = || Agreement::<3>::new(3, quorum(3, Tolerate::Crash));
    // With all names told apart as well: nothing may depend on the numbers of peers.
    assert!(search(model()) < search(model().with_names()));
}

#[test]
fn four_peers_never_agree_on_two_cohorts_of_one_epoch() {
    search(Agreement::<4>::new(4, quorum(4, Tolerate::Crash)));
}

#[test]
fn one_liar_of_three_or_four_never_leads_to_two_cohorts_of_one_epoch() {
    search(Agreement::<2>::new(3, quorum(3, Tolerate::Malicious)));
    search(Agreement::<3>::new(4, quorum(4, Tolerate::Malicious)));
}

#[test]
fn plans_do_not_depend_on_the_numbers_of_peers() {
    for (peers, tolerate) in [3, 4].into_iter().flat_map(|n| [(n, Tolerate::Crash), (n, Tolerate::Malicious)])
    {
        assert!(Plans::new(peers.into(), quorum(peers, tolerate)).are_nameless(peers.into()));
    }
}

// Else the searches above would prove nothing: a model that has one thing wrong must find what comes of it.

#[test]
fn with_a_quorum_too_small_the_model_finds_two_cohorts() {
    // Two of four peers agree without the other two; two of three do so with a liar among them, and again.
    let two = quorum(3, Tolerate::Crash);
    assert!(breaks(Agreement::<4>::new(4, two), ONE_COHORT));
    assert!(breaks(Agreement::<2>::new(3, two), ONE_COHORT));
    assert!(breaks(Agreement::<3>::new(4, two), ONE_AGREEMENT));
}

#[test]
fn where_a_vote_does_not_bind_the_model_finds_two_cohorts() {
    assert!(breaks(Agreement::<3>::new(3, quorum(3, Tolerate::Crash)).forgetting(), ONE_COHORT));
    assert!(breaks(Agreement::<3>::new(4, quorum(4, Tolerate::Malicious)).forgetting(), ONE_COHORT));
}

#[test]
fn a_liar_where_none_is_expected_frees_a_frozen_cohort() {
    // Of four peers the quorum is three in either case: it is the refuting and the dissenting that make the difference.
    assert!(breaks(Agreement::<3>::new(4, quorum(4, Tolerate::Crash)), ONE_COHORT));
}
