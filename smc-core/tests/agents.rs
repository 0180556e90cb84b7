//! Agents: their rhythm, and what they make of clocks that jump.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::agent::{Agent, Event, GapReason, NotNoted};
use smc_core::protocol::terms::Terms;
use smc_core::roster::AgentIndex;
use smc_core::time::{Timestamp, WindowIndex};
use smc_sim::world::Site;

const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);

fn agent(i: u32) -> (Agent, ChaCha20Rng) {
    let roster = Arc::new(Site::of(3, 1).agents(6).query("sum").roster());
    (Agent::new(AgentIndex(i), roster, Terms::default(), None, NOON), ChaCha20Rng::seed_from_u64(i.into()))
}

fn events(agent: &mut Agent) -> Vec<Event> {
    std::iter::from_fn(|| agent.poll_event()).collect()
}

#[test]
fn every_window_is_shared_once_and_each_agent_keeps_its_instant() {
    for i in 0..6 {
        let (mut agent, mut rng) = agent(i);
        let first = agent.poll_timeout().unwrap();
        let offset = first.since(NOON + Duration::from_secs(1));
        assert!(offset >= Duration::from_millis(100) && offset <= Duration::from_millis(800), "{offset:?}");
        for w in 1..20 {
            let due = agent.poll_timeout().unwrap();
            assert_eq!(due, NOON + Duration::from_secs(w) + offset);
            agent.handle_timeout(due - Duration::from_micros(1), &mut rng);
            assert!(agent.poll_transmit().is_none(), "too early");
            agent.handle_timeout(due, &mut rng);
            let dealt = agent.poll_transmit().unwrap();
            assert_eq!(dealt.window, WindowIndex(NOON.as_micros() / 1_000_000 + w));
            assert_eq!(dealt.plaintexts.len(), 3);
            agent.handle_timeout(due, &mut rng);
            assert!(agent.poll_transmit().is_none(), "once");
        }
    }
}

#[test]
fn after_a_jump_an_agent_still_waits_for_its_instant() {
    let (mut agent, mut rng) = agent(0);
    let offset = agent.poll_timeout().unwrap().since(NOON + Duration::from_secs(1));
    // It wakes up a few windows later, a moment before it would speak.
    let woken = NOON + Duration::from_secs(7) + offset - Duration::from_millis(5);
    agent.handle_timeout(woken, &mut rng);
    assert!(matches!(events(&mut agent)[..], [Event::Skipped { windows: 6 }]));
    assert!(agent.poll_transmit().is_none());
    let due = agent.poll_timeout().unwrap();
    assert_eq!(due, NOON + Duration::from_secs(7) + offset);
    agent.handle_timeout(due, &mut rng);
    assert_eq!(agent.poll_transmit().unwrap().window.0, NOON.as_micros() / 1_000_000 + 7);
    // Had it woken a moment after, it would have shared the window at once.
    agent.handle_timeout(due + Duration::from_millis(2_001), &mut rng);
    assert_eq!(agent.poll_transmit().unwrap().window.0, NOON.as_micros() / 1_000_000 + 9);
}

#[test]
fn a_clock_that_goes_back_shares_nothing_twice() {
    let (mut agent, mut rng) = agent(0);
    let due = agent.poll_timeout().unwrap();
    agent.handle_timeout(due, &mut rng);
    assert!(agent.poll_transmit().is_some());
    for back in [1, 1_000, 60_000] {
        agent.handle_timeout(due - Duration::from_millis(back), &mut rng);
        assert!(agent.poll_transmit().is_none());
    }
}

#[test]
fn why_there_is_no_reading_is_told() {
    let (mut agent, mut rng) = agent(0);
    let stream = "s0".parse().unwrap();
    let mut due = agent.poll_timeout().unwrap();
    let mut tell = |agent: &mut Agent| {
        agent.handle_timeout(due, &mut rng);
        due = agent.poll_timeout().unwrap();
        match events(agent).pop() {
            Some(Event::Published { readings, .. }) => {
                readings[0].as_ref().map(|steps| steps.elements()[0]).map_err(|reason| *reason)
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(tell(&mut agent), Err(GapReason::NoReading));
    let mut now = NOON + Duration::from_secs(2);
    for (value, told) in [
        (f64::NAN, Err(GapReason::NotANumber)),
        (10_000.01, Err(GapReason::AboveMaximum)),
        (-0.01, Err(GapReason::BelowMinimum)),
        (812.4, Ok(812)),
    ] {
        agent.handle_reading(now, &stream, now, value).unwrap();
        assert_eq!(tell(&mut agent), told);
        now = now + Duration::from_secs(1);
    }
    assert_eq!(tell(&mut agent), Err(GapReason::Stale));
    let unknown = "s9".parse().unwrap();
    assert_eq!(agent.handle_reading(now, &unknown, now, 1.0), Err(NotNoted::UnknownStream));
    let future = now + Duration::from_secs(3);
    assert_eq!(agent.handle_reading(now, &stream, future, 1.0), Err(NotNoted::Future));
    let old = now - Duration::from_secs(10);
    assert_eq!(agent.handle_gap(now, &stream, old, GapReason::Missing), Err(NotNoted::Old));
}
