//! Clocks that differ, jump, and peers that are slow: what is tolerated, and what is told of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use smc_core::agent::offset;
use smc_core::name::NodeName;
use smc_core::peer::{Condition, Notices};
use smc_core::shamir::PeerIndex;
use smc_core::time::Period;
use smc_sim::world::site::PERIOD;
use smc_sim::world::{Content, Fate, Sender, Site, Step, World, peer};

fn notices(world: &mut World, at: PeerIndex) -> Notices {
    world.host(at).peer.as_ref().unwrap().notices()
}

/// The clocks that `at` finds to differ, in whole tenths of a second.
fn clocks(world: &mut World, at: PeerIndex) -> BTreeMap<String, i64> {
    let clocks = notices(world, at).clocks.into_iter();
    clocks.map(|(node, ahead)| (node.to_string(), (ahead.0 + ahead.0.signum() * 50_000) / 100_000)).collect()
}

fn only(node: &str, tenths: i64) -> BTreeMap<String, i64> {
    BTreeMap::from([(node.to_owned(), tenths)])
}

/// An agent that speaks within that part of a window's length, in thousandths.
fn agent_that_speaks(world: &World, within: std::ops::Range<u128>) -> usize {
    let period = Period::from_millis(PERIOD.as_millis() as u64).unwrap();
    let instant = |name: &NodeName| offset(name.as_str(), period).as_millis() * 1_000 / PERIOD.as_millis();
    let agents = world.roster.agents().iter();
    agents.map(|agent| instant(&agent.node.name)).position(|at| within.contains(&at)).unwrap()
}

#[test]
fn clocks_that_agree_are_not_told_of() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run(5);
    for at in 1..=3 {
        let told = notices(&mut world, peer(at));
        assert_eq!((told.clocks.len(), told.own_clock), (0, None));
        assert!(told.peers.values().all(|&condition| condition == Condition::Online), "{told:?}");
        assert_eq!(told.peers.len(), 2);
    }
}

#[test]
fn an_agents_clock_may_be_half_a_period_ahead_and_is_told_of() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.set_clock(Sender::Agent(2), 500);
    // Started ahead of noon by its own clock only, it missed the first epoch's first window.
    world.run(14);
    world.assert_sound();
    for w in 10..=14 {
        assert_eq!(world.published("sum", w)[0].result.fresh, 6, "window {w}");
    }
    assert_eq!(clocks(&mut world, peer(1)), only("room-103", 5));
}

#[test]
fn an_agents_clock_may_be_behind_by_what_is_left_of_its_window_and_the_grace() {
    let mut world = World::new(Site::of(3, 1).agents(12).query("sum"));
    let early = agent_that_speaks(&world, 100..400);
    // Half a period later it is still within the window, or the grace after it.
    world.set_clock(Sender::Agent(early), -500);
    world.run(6);
    world.assert_sound();
    for w in 2..=6 {
        assert_eq!(world.published("sum", w)[0].result.fresh, 12, "window {w}");
    }
    let name = world.roster.agents()[early].node.name.to_string();
    assert_eq!(clocks(&mut world, peer(1)), only(&name, -5));
}

#[test]
fn a_clock_that_is_minutes_off_is_told_of_and_costs_its_own_agent_only() {
    for (ahead, tenths) in [(180_000, 1_800), (-180_000, -1_800)] {
        let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
        world.set_clock(Sender::Agent(4), ahead);
        world.run(8);
        assert_eq!(world.published("sum", 8)[0].result.cohort, 5, "the others go on");
        assert_eq!(clocks(&mut world, peer(2)), only("room-105", tenths));
        world.assert_values_are_plain();
    }
}

/// Peer 3 starts anew, with a clock that many milliseconds ahead.
fn start_with_clock(world: &mut World, ahead: i64) {
    world.crash(peer(3));
    world.set_clock(Sender::Peer(peer(3)), ahead);
    world.start(peer(3), None);
}

#[test]
fn a_peers_clock_that_is_off_by_minutes_is_told_of_by_all_and_the_others_go_on() {
    for (ahead, tenths) in [(180_000, 1_800), (-180_000, -1_800)] {
        let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
        start_with_clock(&mut world, ahead);
        world.run(8);
        let result = &world.published("sum", 8).last().unwrap().result;
        assert_eq!((result.cohort, result.peers.len()), (6, 2));
        assert_eq!(clocks(&mut world, peer(1)), only("peer-3", tenths));
        assert_eq!(clocks(&mut world, peer(2)), only("peer-3", tenths));
        let own = notices(&mut world, peer(3)).own_clock.expect("it knows that it is the one");
        assert!((own.0 - ahead * 1_000).abs() < 100_000, "{own:?}");
        assert_eq!(clocks(&mut world, peer(3)), BTreeMap::new(), "nobody else is off");
        world.assert_values_are_plain();
        world.assert_one_vote();
        // It is set right and started again: all is well.
        start_with_clock(&mut world, 0);
        world.run(14);
        assert_eq!(world.published("sum", 14)[0].result.peers.len(), 3);
        for at in 1..=3 {
            let told = notices(&mut world, peer(at));
            assert_eq!((told.clocks.len(), told.own_clock), (0, None));
        }
    }
}

#[test]
fn a_peers_clock_may_be_half_a_period_off() {
    for ahead in [-450, -250, 250, 450] {
        // A step is longer than the clocks differ: as much as a site whose clocks are not kept needs.
        let site = Site::of(3, 1).agents(12).query("sum");
        let mut world = World::new(site.with(|site| site.step = smc_core::roster::Span::new(PERIOD / 2)));
        start_with_clock(&mut world, ahead);
        world.run(14);
        world.assert_values_are_plain();
        world.assert_one_vote();
        world.assert_one_result();
        for w in 1..=14 {
            assert!(world.published("sum", w)[0].result.value.is_some(), "{ahead}: window {w}");
        }
        // It knows that its clock is the wrong one, and by how much, and closes windows when the others do.
        let own = notices(&mut world, peer(3)).own_clock.expect("it knows that it is the one");
        assert!((own.0 - ahead * 1_000).abs() < 50_000, "{own:?}");
        assert_eq!(clocks(&mut world, peer(1)), BTreeMap::new(), "so the others notice nothing any more");
        for w in 11..=14 {
            let result = &world.published("sum", w)[0].result;
            assert_eq!((result.peers.len(), result.fresh), (3, 12), "{ahead}: {result:?}");
        }
    }
}

#[test]
fn inventories_that_are_late_everywhere_tell_of_no_clock_of_ones_own() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.intercept(|packet| match packet.content.step() {
        Step::Inventory => Fate::Delay(Duration::from_millis(150)),
        _ => Fate::Pass,
    });
    world.run(8);
    for at in 1..=3 {
        let told = notices(&mut world, peer(at));
        assert_eq!(told.own_clock, None);
        assert!(told.peers.values().all(|&condition| condition == Condition::Slow), "{told:?}");
    }
    assert_eq!(world.succeeded("sum"), 9);
}

#[test]
fn a_slow_peer_and_one_that_is_gone_are_told_apart() {
    let mut world = World::new(Site::of(4, 1).agents(6).query("sum"));
    let (from, until) = (world.window(3), world.window(6));
    world.intercept(move |packet| {
        let slow = packet.from == Sender::Peer(peer(2)) && packet.content.step() != Step::Seeds;
        let then =
            matches!(packet.content, Content::Peer(_)) && (from..until).contains(&packet.content.window());
        if slow && then { Fate::Delay(Duration::from_millis(150)) } else { Fate::Pass }
    });
    world.run(2);
    world.crash(peer(3));
    world.run(5);
    let told = |world: &mut World| {
        let peers = notices(world, peer(1)).peers;
        let name = |name: &str| peers[&name.parse::<NodeName>().unwrap()];
        [name("peer-2"), name("peer-3"), name("peer-4")]
    };
    assert_eq!(told(&mut world), [Condition::Slow, Condition::Gone, Condition::Online]);
    // Who answers as late as it speaks has no wrong clock.
    assert_eq!(clocks(&mut world, peer(1)), BTreeMap::new());
    world.restart(peer(3));
    world.run(8);
    assert_eq!(told(&mut world), [Condition::Online; 3]);
    assert_eq!(world.succeeded("sum"), 9);
}

#[test]
fn a_peer_that_says_nothing_at_all_is_slow_as_long_as_it_is_connected() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run(2);
    world.crash(peer(3));
    world.presence(peer(3), true);
    world.run(4);
    let name: NodeName = "peer-3".parse().unwrap();
    assert_eq!(notices(&mut world, peer(1)).peers[&name], Condition::Slow);
    world.presence(peer(3), false);
    assert_eq!(notices(&mut world, peer(1)).peers[&name], Condition::Gone);
}

#[test]
fn a_peer_that_abstains_holds_nobody_up_and_goes_on_with_the_readings_of_meanwhile() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run(2);
    // In the middle of a window, with its vote not on disk.
    world.run_into(3, 100);
    world.host(peer(1)).peer.as_mut().unwrap().handle_abstention(true);
    world.presence(peer(1), false);
    world.run(5);
    let votes = |world: &World| {
        let mut sent = world.log.sent.iter().map(|(_, packet)| packet);
        sent.any(|p| {
            p.from == Sender::Peer(peer(1))
                && p.content.step() != Step::Seeds
                && p.content.window() >= world.window(3)
        })
    };
    assert!(!votes(&world), "it said something");
    assert_eq!(world.published("sum", 5)[0].result.peers.len(), 2);
    world.host(peer(1)).peer.as_mut().unwrap().handle_abstention(false);
    world.presence(peer(1), true);
    world.run(7);
    let back = &world.published("sum", 7)[0].result;
    assert_eq!((back.peers.len(), back.fresh), (3, 6));
    world.assert_sound();
}
