//! Peers that stop, messages that get lost, and what nobody should have sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use smc_core::message::{PeerMessage, Purpose};
use smc_core::peer::{Message, Recovered, Refusal, Taken};
use smc_core::protocol::input::{Input, plaintext_len};
use smc_core::roster::{BundleIndex, Roster};
use smc_core::shamir::PeerIndex;
use smc_sim::world::{Content, Fate, Packet, Sender, Site, Step, World, peer};

const STEPS: [Step; 5] = [Step::Input, Step::Inventory, Step::Vote, Step::Partial, Step::Endorsement];

#[test]
fn the_others_go_on_without_a_peer_that_is_down_from_the_start() {
    for (n, t) in [(3, 1), (4, 1), (5, 2)] {
        for down in 1..=n {
            let mut world = World::new(Site::of(n, t).agents(6).query("sum").query("count"));
            world.crash(peer(down));
            world.run(2);
            world.assert_sound();
            for w in 0..=2 {
                let all: Vec<_> = (0..6).map(|agent| (agent, w)).collect();
                assert_eq!(world.value("sum", w), world.plainly("sum", &all), "({n}, {t}) without {down}");
                let result = &world.published("sum", w)[0].result;
                assert_eq!(result.peers.len(), usize::from(n) - 1);
                assert_eq!(result.verified, n > t + 2, "({n}, {t})");
            }
        }
    }
}

#[test]
fn too_few_peers_say_so_and_reveal_nothing() {
    let mut world = World::new(Site::of(5, 2).agents(6).query("sum"));
    for down in 3..=5 {
        world.crash(peer(down));
    }
    world.run(1);
    assert_eq!(world.reason("sum", 0), "failed: waiting: 2 of 3 peers");
    for back in 3..=5 {
        world.restart(peer(back));
    }
    world.run(3);
    world.assert_sound();
    assert_eq!(world.published("sum", 3)[0].result.cohort, 6);
}

/// In window 2, `victim` stops with the `nth` message of a step; nobody knows until window 3 begins. It is back
/// in window 5.
fn stop_in(n: u8, t: u8, victim: PeerIndex, step: Step, nth: usize) -> World {
    let mut world = World::new(Site::of(n, t).agents(6).query("sum").query("count"));
    let (window, sent, stopped) = (world.window(2), Cell::new(0), Rc::new(Cell::new(false)));
    let hears = Rc::clone(&stopped);
    world.intercept(move |packet| {
        let speaks = packet.from == Sender::Peer(victim);
        let listens = packet.to == victim;
        let at_step = packet.content.step() == step && packet.content.window() == window;
        if at_step && (speaks || (listens && step == Step::Input)) {
            sent.set(sent.get() + 1);
            stopped.set(stopped.get() || sent.get() > nth);
        }
        if stopped.get() && (speaks || listens) { Fate::Drop } else { Fate::Pass }
    });
    world.run_into(3, 900);
    world.crash(victim);
    world.run_into(5, 50);
    world.intercept(|_| Fate::Pass);
    world.restart(victim);
    assert!(hears.get(), "{step:?} of {victim} came to pass");
    world.run(8);
    world
}

#[test]
fn a_peer_that_stops_in_any_step_costs_at_most_the_windows_until_it_is_missed() {
    for (n, t) in [(3, 1), (4, 1), (5, 2)] {
        for victim in 1..=n {
            for step in STEPS {
                for nth in if n == 3 { 0..2 } else { 1..2 } {
                    let world = stop_in(n, t, peer(victim), step, nth);
                    world.assert_sound();
                    for w in [0, 1, 4, 5, 6, 7, 8] {
                        let result = world.published("sum", w);
                        assert_eq!(result.len(), 1, "({n}, {t}) {victim} {step:?} {nth} window {w}");
                        assert!(
                            result[0].result.value.is_some(),
                            "({n}, {t}) {victim} {step:?} {nth} window {w}: {:?}",
                            result[0].result.reason
                        );
                    }
                    // The window in which it stopped ended with a value or with a reason.
                    assert!(!world.told("sum", 2).is_empty());
                    assert_eq!(world.published("sum", 8)[0].result.peers.len(), usize::from(n));
                }
            }
        }
    }
}

#[test]
fn a_restarted_peer_neither_votes_nor_releases_twice() {
    for millis in [205, 210, 215, 220] {
        let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
        // Window 2 closes 200 ms into window 3.
        world.run_into(3, millis);
        world.crash(peer(2));
        world.restart(peer(2));
        world.run(6);
        world.assert_sound();
        for w in [4, 5, 6] {
            assert!(world.published("sum", w)[0].result.verified, "all three again in window {w}");
        }
    }
}

#[test]
fn a_clock_that_went_back_across_a_restart_leads_to_no_second_inventory_of_a_window_voted_in() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run_into(3, 230);
    world.crash(peer(2));
    let now = world.now;
    world.now = now - Duration::from_millis(100);
    world.restart(peer(2));
    world.now = now;
    world.run(5);
    world.assert_sound();
    let inventories = world.log.sent.iter().filter(|(_, p)| {
        let sent = (p.from, p.content.step(), p.content.window(), p.to);
        sent == (Sender::Peer(peer(2)), Step::Inventory, world.window(2), peer(1))
    });
    assert_eq!(inventories.count(), 1);
}

#[test]
fn a_window_survives_the_restart_of_a_peer_that_kept_its_inputs() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run_into(2, 950);
    world.crash(peer(3));
    world.restart(peer(3));
    world.run(3);
    world.assert_sound();
    let result = &world.published("sum", 2)[0].result;
    assert_eq!((result.peers.len(), result.fresh), (3, 6));
}

#[test]
fn a_peer_without_memory_stays_out_of_the_running_window() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run_into(2, 500);
    world.crash(peer(3));
    world.host(peer(3)).disk = smc_sim::world::Disk::default();
    world.start(peer(3), None);
    world.run(4);
    world.assert_sound();
    assert_eq!(world.published("sum", 2)[0].result.peers.len(), 2);
    assert_eq!(world.published("sum", 3)[0].result.peers.len(), 3);
}

#[test]
fn votes_that_differ_do_not_set_a_frozen_cohort_free() {
    let mut world = World::new(Site::of(3, 1).agents(7).query("sum"));
    world.read(|agent, w| (agent != 6 || w >= 1).then_some(500.0));
    let differ = world.window(2);
    world.intercept(move |packet| {
        let lost = packet.from == Sender::Peer(peer(3)) && packet.to == peer(2);
        let hit = lost && packet.content.step() == Step::Inventory && packet.content.window() == differ;
        if hit { Fate::Drop } else { Fate::Pass }
    });
    world.run(4);
    world.assert_sound();
    // Peer 2 plans without peer 3, and so does not take part in the check that the others wait for.
    assert_eq!(world.reason("sum", 2), "failed: 2 of 3 peers checked the inputs in time");
    assert_eq!(world.published("sum", 3)[0].result.cohort, 6);
}

#[test]
fn a_reading_lost_on_the_way_to_one_peer_is_replaced_by_the_last_that_all_hold() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    let lost = world.window(3);
    world.intercept(move |packet| {
        let hit = packet.from == Sender::Agent(4) && packet.to == peer(2);
        if hit && packet.content.window() == lost { Fate::Drop } else { Fate::Pass }
    });
    world.run(4);
    world.assert_sound();
    let covered: Vec<_> = (0..6).map(|agent| (agent, if agent == 4 { 2 } else { 3 })).collect();
    assert_eq!(world.value("sum", 3), world.plainly("sum", &covered));
    assert_eq!(world.published("sum", 3)[0].result.peers.len(), 3);
}

#[test]
fn a_peer_that_missed_a_carried_reading_sits_out_until_the_agent_speaks() {
    let mut world = World::new(Site::of(3, 1).agents(7).query("sum"));
    world.read(|agent, w| (agent != 0 || w == 0 || w >= 5).then_some(500.0));
    // Peer 3 misses window 0, hence the reading of agent 0 that the others carry.
    world.intercept(|packet| match packet.from {
        Sender::Agent(0) if packet.to == peer(3) => Fate::Drop,
        _ => Fate::Pass,
    });
    world.run(2);
    world.intercept(|_| Fate::Pass);
    world.run(6);
    world.assert_sound();
    let peers = |w| world.published("sum", w)[0].result.peers.len();
    assert_eq!((0..=6).map(peers).collect::<Vec<_>>(), [2, 2, 2, 2, 2, 3, 3]);
    assert_eq!(world.log.sat_out.len(), 5);
}

#[test]
fn messages_may_come_twice_and_in_any_order() {
    let mut world = World::new(Site::of(4, 1).agents(6).query("sum").query("count"));
    let mut turn = 0;
    world.intercept(move |packet| {
        turn += 1;
        match packet.content.step() {
            Step::Input => Fate::Twice(Duration::from_millis(30)),
            // One peer hears everything late, so that votes and partials overtake inventories.
            Step::Inventory if packet.to == peer(2) => Fate::Delay(Duration::from_millis(90)),
            Step::Vote if packet.to == peer(3) => Fate::Delay(Duration::from_millis(60)),
            _ => Fate::Twice(Duration::from_millis(7 * (turn % 5))),
        }
    });
    world.run(4);
    world.assert_sound();
    for w in 0..=4 {
        let result = &world.published("sum", w)[0].result;
        assert_eq!((result.peers.len(), result.fresh), (4, 6), "window {w}");
    }
    assert_eq!(world.log.refused, []);
}

#[test]
fn a_peer_with_another_site_file_is_refused_and_not_waited_for_beyond_the_deadline() {
    let site = Site::of(3, 1).agents(6).query("sum");
    let other = Arc::new(Roster::try_from(site.document.clone()).unwrap());
    let mut document = site.document.clone();
    document.site.minimum_cohort = 6;
    let foreign = Arc::new(Roster::try_from(document).unwrap());
    assert_ne!(other.digest(), foreign.digest());
    let mut world = World::new(site);
    world.crash(peer(3));
    world.host(peer(3)).roster = foreign;
    world.start(peer(3), None);
    world.run(2);
    world.assert_sound();
    for w in 0..=2 {
        assert_eq!(world.published("sum", w)[0].result.peers.len(), 2);
        let told = world.told("sum", w);
        let alone = told.iter().find(|told| told.peer == peer(3)).unwrap();
        assert_eq!(alone.signed.result.reason.as_deref(), Some("waiting: 1 of 2 peers"));
        assert!(!alone.publish);
    }
    assert!(world.log.refused.contains(&(peer(1), Refusal::ForeignRoster)));
}

#[test]
fn too_few_peers_say_so_also_where_a_step_is_longer_than_a_window() {
    let site = Site::of(3, 1).agents(6).query("sum").with(|site| site.step = "3s".parse().unwrap());
    let mut world = World::new(site);
    world.run(1);
    world.crash(peer(1));
    world.crash(peer(3));
    world.run(4);
    assert_eq!(world.reason("sum", 3), "failed: waiting: 1 of 2 peers");
    world.restart(peer(1));
    world.run(6);
    assert_eq!(world.published("sum", 6)[0].result.peers.len(), 2);
    world.assert_sound();
}

#[test]
fn a_window_that_is_given_up_says_so() {
    // Steps longer than windows: a window is over before its deadline.
    let site = Site::of(3, 1).agents(6).query("sum").with(|site| site.step = "3s".parse().unwrap());
    let mut world = World::new(site);
    let (votes, partials) = (world.window(1), world.window(2));
    world.intercept(move |packet| match (packet.content.step(), packet.content.window()) {
        (Step::Vote, w) if w == votes && packet.to == peer(1) => Fate::Drop,
        (Step::Partial, w) if w == partials && packet.to == peer(2) => Fate::Drop,
        _ => Fate::Pass,
    });
    world.run(6);
    world.assert_sound();
    for (w, at, reason) in
        [(1, 1, "1 of 3 peers voted in time"), (2, 2, "1 of 3 peers gave their share of the output in time")]
    {
        let told = world.told("sum", w);
        let told = told.iter().find(|told| told.peer == peer(at)).unwrap();
        assert_eq!(told.signed.result.reason.as_deref(), Some(reason));
    }
    assert_eq!(world.published("sum", 6)[0].result.peers.len(), 3);
}

#[test]
fn inputs_of_another_form_are_refused_and_not_recovered() {
    let mut world = World::new(Site::of(3, 1).agents(6).agent(&[], &["co2", "co2"]).query("sum"));
    world.run_into(2, 900);
    let mut sent = world.log.sent.iter().rev().map(|(_, packet)| packet);
    let input = sent.find(|p| p.from == Sender::Agent(0) && p.to == peer(1)).cloned().unwrap();
    let Content::Input { bundle, .. } = input.content else { panic!("{input:?}") };
    let definition = world.roster.bundle(bundle).clone();
    let plaintext = vec![0; plaintext_len(&definition)];
    let read = || Input::read(&definition, &plaintext).unwrap();
    let (now, window, other) = (world.now, world.window(2), BundleIndex(6));
    let message = Message::Input { bundle: other, window, input: read() };
    let peer_1 = world.host(peer(1)).peer.as_mut().unwrap();
    assert_eq!(peer_1.handle_message(now, message), Err(Refusal::Malformed));
    let message = Message::Input { bundle: BundleIndex(7), window, input: read() };
    assert_eq!(peer_1.handle_message(now, message), Err(Refusal::Unknown));
    let inputs = vec![(other, window, read()), (BundleIndex(7), window, read()), (bundle, window, read())];
    world.start(peer(1), Some(Recovered { votes: vec![], inputs }));
    assert_eq!(world.host(peer(1)).peer.as_ref().unwrap().inputs_held(), 1);
    assert_eq!(world.deliver(input), Err(Refusal::Contradicts), "the recovered one came first");
}

#[test]
fn a_query_is_computed_once_all_peers_define_it_alike() {
    let site = Site::of(3, 1).agents(10).query("sum").scoped("floor", "sum", &[("floor", "1")]);
    let mut document = site.document.clone();
    document.query[1].scope.insert("floor".to_owned(), "2".to_owned());
    let (ours, theirs) = (Arc::new(site.roster()), Arc::new(Roster::try_from(document).unwrap()));
    assert_eq!(ours.digest(), theirs.digest(), "the site is the same");
    let mut world = World::new(site);
    world.crash(peer(3));
    world.host(peer(3)).roster = theirs;
    world.start(peer(3), None);
    world.run(1);
    world.assert_one_vote();
    let reason = "withheld: fewer than 2 peers compute this query, or one that takes part does not know it";
    assert_eq!(world.reason("floor", 1), reason);
    assert_eq!(world.published("sum", 1)[0].result.peers.len(), 3);
    world.crash(peer(3));
    world.host(peer(3)).roster = ours;
    world.restart(peer(3));
    world.run(3);
    assert_eq!(world.published("floor", 3)[0].result.cohort, 5);
}

/// The last message of `step` that peer 2 sent to peer 1.
fn captured(world: &World, step: Step) -> Packet {
    let mut sent = world.log.sent.iter().rev().map(|(_, packet)| packet);
    let wanted = |p: &&Packet| {
        let from = matches!(p.from, Sender::Agent(_)) || p.from == Sender::Peer(peer(2));
        from && p.to == peer(1) && p.content.step() == step
    };
    sent.find(wanted).cloned().unwrap()
}

#[test]
fn what_comes_too_late_is_refused() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run(1);
    let old: Vec<_> = STEPS.iter().map(|&step| captured(&world, step)).collect();
    world.run(3);
    world.presence_at(peer(1), peer(2), false);
    let state = |world: &World| {
        let peer = world.peers[0].peer.as_ref().unwrap();
        (peer.inputs_held(), peer.online(), peer.poll_timeout())
    };
    let before = state(&world);
    for packet in old {
        assert_eq!(world.deliver(packet.clone()), Err(Refusal::Late), "{packet:?}");
    }
    assert_eq!(state(&world), before);
}

#[test]
fn what_comes_too_early_is_refused() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run(1);
    let ahead: Vec<_> = STEPS.iter().map(|&step| captured(&world, step)).collect();
    let mut behind = World::new(Site::of(3, 1).agents(6).query("sum"));
    behind.run_into(0, 300);
    for packet in ahead {
        assert_eq!(behind.deliver(packet.clone()), Err(Refusal::Early), "{packet:?}");
    }
    assert_eq!(behind.log.results.len(), 0);
    behind.run(1);
    behind.assert_sound();
}

#[test]
fn the_same_again_changes_nothing_and_a_contradiction_is_refused() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run_into(2, 900);
    let input = captured(&world, Step::Input);
    assert_eq!(world.deliver(input.clone()), Ok(Taken::Duplicate));
    world.run_into(3, 250);
    for step in [Step::Inventory, Step::Vote, Step::Partial, Step::Endorsement] {
        let again = captured(&world, step);
        assert_eq!(world.deliver(again), Ok(Taken::Duplicate), "{step:?}");
    }
    world.run(3);
    world.assert_sound();
}

#[test]
fn strangers_and_unknown_names_are_refused() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run(1);
    let mut partial = captured(&world, Step::Partial);
    partial.from = Sender::Peer(peer(4));
    assert_eq!(world.deliver(partial.clone()), Err(Refusal::Unknown));
    partial.from = Sender::Peer(peer(1));
    assert_eq!(world.deliver(partial.clone()), Err(Refusal::Unknown), "from itself");
    partial.from = Sender::Peer(peer(2));
    if let Content::Peer(PeerMessage::Partial(partial)) = &mut partial.content {
        partial.of = Purpose::Query("unheard-of".parse().unwrap());
    }
    assert_eq!(world.deliver(partial), Err(Refusal::Unknown));
    let mut inventory = captured(&world, Step::Inventory);
    if let Content::Peer(PeerMessage::Inventory(inventory)) = &mut inventory.content {
        // Known to the site, but nobody asked for it.
        inventory.document.quantity = "power".parse().unwrap();
    }
    assert_eq!(world.deliver(inventory), Err(Refusal::Unknown));
    let mut vote = captured(&world, Step::Vote);
    if let Content::Peer(PeerMessage::Vote(vote)) = &mut vote.content {
        vote.document.quantity = "unheard-of".parse().unwrap();
    }
    assert_eq!(world.deliver(vote), Err(Refusal::Unknown));
}

#[test]
fn a_document_that_somebody_else_signed_is_refused() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.intercept(|packet| match packet.content.step() {
        Step::Inventory | Step::Vote => {
            // The network tells peer 1 that peer 3 said what peer 2 said.
            if packet.from == Sender::Peer(peer(2)) && packet.to == peer(1) {
                packet.from = Sender::Peer(peer(3));
            }
            Fate::Pass
        }
        _ => Fate::Pass,
    });
    world.run(0);
    assert!(world.log.refused.contains(&(peer(1), Refusal::Unsigned)));
    world.assert_one_vote();
}

#[test]
fn false_alarms_about_who_is_there_do_no_harm() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    for (w, about) in [(1, 2), (2, 1), (3, 3)] {
        world.run_into(w, 100);
        world.presence(peer(about), false);
    }
    world.run(4);
    world.assert_sound();
    assert_eq!(world.published("sum", 4)[0].result.peers.len(), 3);
}

#[test]
fn a_peer_that_has_heard_of_nobody_yet_waits_for_the_others() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    for at in 1..=3 {
        for about in 1..=3 {
            world.presence_at(peer(at), peer(about), false);
        }
    }
    world.run(1);
    world.assert_sound();
    assert_eq!(world.succeeded("sum"), 2);
}
