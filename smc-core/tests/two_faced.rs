//! A peer that tells each of the others what it likes and then votes along with everybody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use smc_core::document::Signed;
use smc_core::identity::SigningKey;
use smc_core::message::PeerMessage;
use smc_core::protocol::inventory::{Held, HeldList, Inventory};
use smc_core::protocol::standing::{Members, Standing};
use smc_core::time::WindowIndex;
use smc_sim::world::site::EPOCH_WINDOWS;
use smc_sim::world::{Content, Fate, Packet, Sender, Site, World, peer};

const WINDOWS: u64 = 12;

/// Peer 3 of a site.
struct TwoFaced {
    key: SigningKey,
    rng: ChaCha20Rng,
    peers: u8,
    /// Out of ten inventories so many are true.
    honest: u32,
    /// Of a hundred messages between peers so many are lost.
    lost: u32,
}

impl TwoFaced {
    fn dice(&mut self, sides: u32) -> u32 {
        self.rng.next_u32() % sides
    }

    fn hook(&mut self, packet: &mut Packet) -> Fate {
        let us = Sender::Peer(peer(3));
        let lost = self.dice(100) < self.lost;
        match (&mut packet.content, packet.from) {
            (Content::Peer(PeerMessage::Inventory(inventory)), from) if from == us => {
                if self.dice(10) >= self.honest {
                    self.distort(&mut inventory.document);
                    *inventory = Signed::new(inventory.document.clone(), &self.key);
                }
                Fate::Pass
            }
            // What its own state machine votes is of no interest: it says yes to all.
            (Content::Peer(PeerMessage::Vote(_)), from) if from == us => Fate::Drop,
            (Content::Peer(PeerMessage::Vote(vote)), Sender::Peer(from)) if packet.to == peer(3) => {
                let vote = PeerMessage::Vote(Signed::new(vote.document.clone(), &self.key));
                Fate::Answered(Box::new(Packet { from: us, to: from, content: Content::Peer(vote) }))
            }
            _ if lost => Fate::Drop,
            _ => Fate::Pass,
        }
    }

    /// Hides readings, and makes up a last vote that an honest peer could have cast.
    fn distort(&mut self, inventory: &mut Inventory) {
        let mut held = inventory.held.as_slice().to_vec();
        for held in &mut held {
            if self.dice(4) == 0 {
                *held = Held::NOTHING;
            }
        }
        let window = WindowIndex(inventory.window.0 - 1 - u64::from(self.dice(3)));
        let members =
            Members::new(held.len(), (0..held.len()).filter(|_| self.dice(6) > 0).collect::<Vec<_>>());
        let absent = 1 + self.dice(u32::from(self.peers)) as u8;
        let peers = (1..=self.peers).filter(|&i| i == 3 || i != absent).map(peer).collect();
        let (frozen, roster, epoch) = (self.dice(2) == 0, inventory.roster, window.0 / EPOCH_WINDOWS);
        let vote = Standing { epoch, window, peers, members, frozen, roster };
        inventory.held = HeldList::new(held);
        inventory.standing = (self.dice(3) > 0).then_some(vote);
    }
}

fn two_faced(site: Site, seed: u64, honest: u32, lost: u32) -> World {
    let peers = site.keys.len() as u8;
    let mut world = World::new(site);
    let (key, rng) = (world.signing_key(peer(3)), ChaCha20Rng::seed_from_u64(seed));
    let mut liar = TwoFaced { key, rng, peers, honest, lost };
    world.intercept(move |packet| liar.hook(packet));
    world.read(|agent, w| {
        (!(agent as u64 + 3 * w).is_multiple_of(11)).then_some((100 * agent as u64 + w) as f64)
    });
    world.run(WINDOWS - 1);
    world
}

/// As many as fit into a few seconds; more with `PROPTEST_CASES=1000 cargo test --release --test two_faced`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    })]

    #[test]
    fn honest_peers_never_agree_on_two_cohorts(
        (n, t) in prop_oneof![Just((3, 1)), Just((4, 1)), Just((5, 1)), Just((5, 2))],
        seed in any::<u64>(),
        honest in 0..10_u32,
        lost in 0..5_u32,
    ) {
        let site = Site::seeded(n, t, seed).malicious().agents(9).query("sum").query("count");
        let world = two_faced(site.with(|site| site.minimum_cohort = 3), seed, honest, lost);
        world.assert_one_vote();
        world.assert_one_result();
        world.assert_cohorts_are_frozen();
        world.assert_values_are_plain();
    }
}

#[test]
fn the_liar_of_these_tests_is_a_danger_where_nobody_expects_one() {
    // Sites that tolerate crashes alone have smaller quorums: there it finds a way, or these tests would prove nothing.
    let found = (0..40).any(|seed| {
        let site = Site::seeded(4, 1, seed).agents(9).query("sum").with(|site| site.minimum_cohort = 3);
        let world = two_faced(site, seed, 3, 4);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            world.assert_one_result();
            world.assert_cohorts_are_frozen();
        }))
        .is_err()
    });
    assert!(found);
}
