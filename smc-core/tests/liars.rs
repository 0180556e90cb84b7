//! Nodes that do not follow the protocol.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::collections::BTreeSet;

use smc_core::document::Signed;
use smc_core::field::Fp;
use smc_core::identity::SigningKey;
use smc_core::message::PeerMessage;
use smc_core::peer::{Blame, Refusal};
use smc_core::protocol::inventory::HeldList;
use smc_core::protocol::standing::{Members, Standing};
use smc_core::protocol::terms::TERMS_BYTES;
use smc_core::result::Status;
use smc_core::shamir::PeerIndex;
use smc_sim::world::{Content, Fate, Packet, Sender, Site, Step, World, peer};

/// What peer 3 says to `to` in `step` is changed.
fn liar(world: &mut World, step: Step, mut lie: impl FnMut(&mut Packet, &SigningKey) + 'static) {
    let key = world.signing_key(peer(3));
    world.intercept(move |packet| {
        if packet.from == Sender::Peer(peer(3)) && packet.content.step() == step {
            lie(packet, &key);
        }
        Fate::Pass
    });
}

fn false_share(packet: &mut Packet, _: &SigningKey) {
    if let Content::Peer(PeerMessage::Partial(partial)) = &mut packet.content {
        partial.shares.0.iter_mut().for_each(|share| *share += Fp::ONE);
    }
}

#[test]
fn an_agent_that_says_two_things_is_flagged_and_held_to_the_first() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run_into(2, 900);
    let mut sent = world.log.sent.iter().rev().map(|(_, packet)| packet);
    let mut second = sent.find(|packet| packet.from == Sender::Agent(3)).cloned().unwrap();
    if let Content::Input { plaintext, .. } = &mut second.content {
        plaintext[TERMS_BYTES + 1] ^= 1;
    }
    let to = second.to;
    assert_eq!(world.deliver(second), Err(Refusal::Contradicts));
    let blame = Blame::Equivocation { agent: "room-104".parse().unwrap(), window: world.window(2) };
    assert_eq!(world.log.blamed, [(to, blame)]);
    world.run(2);
    world.assert_values_are_plain();
    assert_eq!(world.succeeded("sum"), 3);
}

#[test]
fn an_agent_that_demands_different_things_cannot_make_peers_release_different_results() {
    // Beside `floor-1`, `sum` would tell about the four of floor 2; agent 0 forbids `floor-1` at two of four peers.
    let site = Site::of(4, 1).agents(10).query("sum").scoped("floor-1", "sum", &[("floor", "1")]);
    let mut world = World::new(site);
    world.read(|agent, _| (agent != 1).then_some(500.0));
    world.intercept(|packet| {
        if let (Sender::Agent(0), 3.., Content::Input { plaintext, .. }) =
            (packet.from, packet.to.get(), &mut packet.content)
        {
            plaintext[..2].copy_from_slice(&[0, 6]);
        }
        Fate::Pass
    });
    world.run(1);
    world.assert_sound();
    let mut partials: Vec<BTreeSet<_>> = vec![BTreeSet::new(); 4];
    for (_, packet) in &world.log.sent {
        if let (Sender::Peer(from), Content::Peer(PeerMessage::Partial(partial))) =
            (packet.from, &packet.content)
        {
            partials[from.offset()].insert((partial.of.clone(), partial.window));
        }
    }
    assert!(partials.iter().all(|released| *released == partials[0]), "{partials:?}");
    assert_eq!(world.reason("floor-1", 1), "withheld: cohort 5 of 6");
    assert_eq!(world.published("sum", 1)[0].result.cohort, 9);
}

#[test]
fn a_false_partial_among_three_is_detected() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    liar(&mut world, Step::Partial, false_share);
    world.run(1);
    world.assert_values_are_plain();
    let told = world.told("sum", 1);
    let honest = told.iter().filter(|told| told.peer != peer(3));
    for told in honest {
        let reason = told.signed.result.reason.as_deref().unwrap();
        assert!(reason.contains("3 partial results disagree, too few to tell which are wrong"), "{reason}");
    }
    assert!(world.reason("sum", 1).starts_with("failed: the output could not be opened"));
}

#[test]
fn a_false_partial_among_four_is_corrected_and_its_sender_named() {
    let mut world = World::new(Site::of(4, 1).agents(6).query("sum"));
    liar(&mut world, Step::Partial, false_share);
    world.run(1);
    world.assert_values_are_plain();
    let all: Vec<_> = (0..6).map(|agent| (agent, 1)).collect();
    assert_eq!(world.value("sum", 1), world.plainly("sum", &all));
    let named: BTreeSet<_> = world.log.blamed.iter().map(|(at, blame)| (*at, format!("{blame:?}"))).collect();
    for at in [1, 2, 4] {
        let said = |w| Blame::FalsePartial {
            peer: "peer-3".parse().unwrap(),
            query: "sum".parse().unwrap(),
            window: world.window(w),
        };
        assert!(named.contains(&(peer(at), format!("{:?}", said(1)))), "{named:?}");
    }
}

#[test]
fn a_peer_that_votes_for_something_else_only_fails_the_window() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    liar(&mut world, Step::Vote, |packet, key| {
        if let Content::Peer(PeerMessage::Vote(vote)) = &mut packet.content {
            vote.document.digest.0[0] ^= 1;
            *vote = Signed::new(vote.document.clone(), key);
        }
    });
    world.run(2);
    let reason = world.reason("sum", 1);
    assert_eq!(reason, "failed: the peers saw different readings: peer-3 voted for another plan");
    assert_eq!(world.succeeded("sum"), 0);
}

#[test]
fn a_signature_under_another_result_is_noticed_and_left_out() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    liar(&mut world, Step::Endorsement, |packet, key| {
        if let Content::Peer(PeerMessage::Endorsement(endorsement)) = &mut packet.content {
            endorsement.sig = key.sign("murmuration/1/result", b"another result");
        }
    });
    world.run(0);
    let signed = world.published("sum", 0);
    let ok = signed.iter().find(|signed| signed.result.status == Status::Ok).unwrap();
    assert_eq!(ok.signatures.len(), 2);
    ok.verify(&world.roster).unwrap();
    assert!(world.log.blamed.iter().any(|(_, blame)| matches!(blame, Blame::OtherResult { .. })));
}

/// Hides the first half of the streams from peer 1 only.
fn two_inventories(packet: &mut Packet, key: &SigningKey) {
    if let (1, Content::Peer(PeerMessage::Inventory(inventory))) = (packet.to.get(), &mut packet.content) {
        let mut held = inventory.document.held.as_slice().to_vec();
        let half = held.len() / 3;
        held[..half].fill(Default::default());
        inventory.document.held = HeldList::new(held);
        *inventory = Signed::new(inventory.document.clone(), key);
    }
}

#[test]
fn two_inventories_never_lead_to_two_agreements() {
    for (n, t) in [(3, 1), (4, 1), (5, 2)] {
        let mut world = World::new(Site::of(n, t).malicious().agents(9).query("sum"));
        liar(&mut world, Step::Inventory, two_inventories);
        world.run(3);
        world.assert_one_vote();
        world.assert_values_are_plain();
        world.assert_one_result();
        world.assert_cohorts_are_frozen();
        assert!(world.log.agreed.iter().all(|(at, ..)| *at != peer(1)), "peer 1 saw something else");
    }
}

#[test]
fn where_peers_may_lie_a_larger_quorum_is_needed() {
    let mut world = World::new(Site::of(3, 1).malicious().agents(6).query("sum"));
    world.crash(peer(2));
    world.run(1);
    assert_eq!(world.reason("sum", 1), "failed: waiting: 2 of 3 peers");
    world.restart(peer(2));
    world.run(3);
    world.assert_sound();
    assert!(world.published("sum", 3)[0].result.verified);
}

#[test]
fn one_liar_cannot_change_a_frozen_cohort() {
    for (n, t) in [(3, 1), (4, 1), (5, 1), (5, 2), (7, 2)] {
        let mut world = World::new(Site::of(n, t).malicious().agents(9).query("sum"));
        world.run(1);
        let everybody = world.roster.sharing().indices().collect();
        // Peer 3 claims to have voted, in the window before, for a cohort without the first agent.
        liar(&mut world, Step::Inventory, move |packet, key| {
            if let Content::Peer(PeerMessage::Inventory(inventory)) = &mut packet.content
                && let Some(standing) = &inventory.document.standing
            {
                inventory.document.standing = Some(Standing {
                    window: smc_core::time::WindowIndex(inventory.document.window.0 - 1),
                    peers: everybody,
                    members: Members::new(9, 1..9),
                    ..standing.clone()
                });
                *inventory = Signed::new(inventory.document.clone(), key);
            }
        });
        // In window 3 its vote gets lost, so that its claim is newer than what the others know.
        world.run(6);
        world.assert_cohorts_are_frozen();
        world.assert_values_are_plain();
        world.assert_one_vote();
    }
}

/// Agent `agent` adds `what` to the share of its first bit that goes to the peers for which `to` holds, in window `w`.
fn false_input(world: &mut World, agent: usize, w: u64, what: u32, to: fn(PeerIndex) -> bool) {
    let when = world.window(w);
    world.intercept(move |packet| {
        if let (Sender::Agent(from), Content::Input { window, plaintext, .. }) =
            (packet.from, &mut packet.content)
            && (from, *window) == (agent, when)
            && to(packet.to)
        {
            let share = &mut plaintext[TERMS_BYTES + 1..TERMS_BYTES + 9];
            let changed = Fp::from_bytes(share.try_into().unwrap()).unwrap() + Fp::from(what);
            share.copy_from_slice(&changed.to_bytes());
        }
        Fate::Pass
    });
}

/// After agent 2 lied in window 2, it is named, left out for the rest of the epoch, and the windows go on.
fn assert_left_out(world: &World) {
    let blamed: BTreeSet<_> = world.log.blamed.iter().map(|(_, blame)| format!("{blame:?}")).collect();
    let expected = Blame::InvalidInput { agent: "room-103".parse().unwrap(), window: world.window(2) };
    assert_eq!(blamed, BTreeSet::from([format!("{expected:?}")]));
    let others: Vec<_> = (0..7).filter(|&agent| agent != 2).collect();
    for w in 1..=10 {
        let result = &world.published("sum", w)[0].result;
        // The next epoch begins with window 10.
        let cohort = if (2..10).contains(&w) { 6 } else { 7 };
        assert_eq!((result.cohort, result.validated), (cohort, true), "window {w}: {result:?}");
        if cohort == 6 {
            let covered: Vec<_> = others.iter().map(|&agent| (agent, w)).collect();
            assert_eq!(world.value("sum", w), world.plainly("sum", &covered));
        }
    }
    world.assert_values_are_plain();
    world.assert_one_vote();
}

#[test]
fn an_agent_whose_bit_is_none_is_named_and_left_out() {
    for (n, t) in [(3, 1), (4, 1), (5, 2)] {
        let mut world = World::new(Site::of(n, t).agents(7).query("sum"));
        false_input(&mut world, 2, 2, 5, |_| true);
        world.run(5);
        let left_out = |world: &mut World| world.host(peer(1)).peer.as_ref().unwrap().left_out();
        assert_eq!(left_out(&mut world), ["room-103".parse().unwrap()]);
        world.run(10);
        assert_eq!(left_out(&mut world), []);
        assert_left_out(&world);
    }
}

#[test]
fn an_agent_whose_shares_contradict_each_other_is_named_and_left_out() {
    for (n, t) in [(3, 1), (4, 1), (5, 2)] {
        let mut world = World::new(Site::of(n, t).agents(7).query("sum"));
        false_input(&mut world, 2, 2, 1, |to| to == peer(2));
        world.run(10);
        assert_left_out(&world);
    }
}

#[test]
fn a_peer_that_lies_in_the_check_cannot_have_agents_left_out() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    liar(&mut world, Step::Check, false_share);
    world.run(2);
    assert!(world.reason("sum", 1).starts_with("failed: "), "{}", world.reason("sum", 1));
    assert!(!world.log.blamed.iter().any(|(_, blame)| matches!(blame, Blame::InvalidInput { .. })));
    world.intercept(|_| Fate::Pass);
    world.run(4);
    assert_eq!(world.published("sum", 4)[0].result.cohort, 6);
}

#[test]
fn the_coin_is_open_only_after_the_inventories() {
    let mut world = World::new(Site::of(3, 1).agents(6).query("sum"));
    world.run(3);
    let mut inventories: Vec<BTreeSet<_>> = vec![BTreeSet::new(); 4];
    for (_, packet) in &world.log.sent {
        let (Sender::Peer(from), w) = (packet.from, packet.content.window()) else { continue };
        let w = world.since_noon(w.max(world.window(0))) as usize;
        match packet.content.step() {
            Step::Inventory => drop(inventories[w].insert(from)),
            // Whoever shows its share of the coin has all inventories, so all have been sent.
            Step::Check => assert_eq!(inventories[w].len(), 3),
            _ => {}
        }
    }
}
