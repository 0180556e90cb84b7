//! A peer's login and keys in the wrong hands.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use smc_core::card::Card;
use smc_core::digest::Digest;
use smc_core::document::Signed;
use smc_core::envelope::{Binding, KeyEpoch};
use smc_core::identity::SigningKey;
use smc_core::message::PeerMessage;
use smc_core::peers::PeerSet;
use smc_core::protocol::inventory::{Held, HeldList, Inventory};
use smc_core::protocol::standing::{Members, Standing};
use smc_core::protocol::vote::Vote;
use smc_core::prss::SeedBatch;
use smc_core::time::WindowIndex;

use super::forge::{Forger, garbage, tampered, window};
use super::hostile_site::{Sender, assert_counted, plan, start};
use crate::support::site::Site;

/// Whose login the enemy has.
const HOSTILE: &str = "peer-3";
const TOPIC: &str = "murmur/hq/peer/peer-1/peer-3";

#[test]
fn whatever_a_peer_sends_is_counted_and_the_others_go_on() {
    let mut site = plan();
    let observer = start(&mut site, HOSTILE);
    let mut sender = Sender::new(&site, HOSTILE);
    for (reason, payload) in garbage() {
        sender.send_bad(reason, TOPIC, payload);
    }
    let mut forger = Forger::new(&site, HOSTILE);
    let mut seal = |message: &[u8]| forger.seal("peer-1", &Binding::Peer, message);
    for (reason, payload) in tampered(&seal(b"{}")) {
        sender.send_bad(reason, TOPIC, payload);
    }
    sender.send_bad("wrong_topic", TOPIC, seal(b"{}").replace("\"from\":\"peer-3\"", "\"from\":\"peer-2\""));
    let deep = "[".repeat(50_000);
    let w = window(&site);
    let shown = |of: &str, round: u32, part: u16, parts: u16, share: [u8; 8]| {
        let header = format!(
            "{{\"step\":\"partial\",\"of\":{{\"query\":\"{of}\"}},\"window\":{w},\"round\":{round},\
             \"part\":{part},\"parts\":{parts}}}\n"
        );
        [header.as_bytes(), &share].concat()
    };
    let mut cut = shown("co2-sum", 0, 0, 1, [0; 8]);
    cut.pop();
    for content in [
        b"".to_vec(),
        b"{}".to_vec(),
        b"[]".to_vec(),
        b"\0".to_vec(),
        deep.into_bytes(),
        format!("{{\"step\":\"news\",\"window\":{w}}}").into_bytes(),
        shown("co2-sum", 0, 0, 1, u64::MAX.to_le_bytes()),
        cut,
        shown("co2-sum", 0, 0, 1, [0; 8]).split(|&byte| byte == b'\n').next().unwrap().to_vec(),
    ] {
        sender.send_bad("garbled_content", TOPIC, seal(&content));
    }
    for (reason, content) in [
        ("early", shown("co2-sum", 9, 0, 1, [0; 8])),
        ("malformed", shown("co2-sum", 0, 0, 0, [0; 8])),
        ("malformed", shown("co2-sum", 0, 1, 1, [0; 8])),
        ("malformed", shown("co2-sum", 0, 0, u16::MAX, [0; 8])),
        ("unknown_quantity_or_query", shown("none", 0, 0, 1, [0; 8])),
    ] {
        sender.send_bad(reason, TOPIC, seal(&content));
    }
    for (reason, message) in documents(&site) {
        sender.send_bad(reason, TOPIC, seal(&message.to_bytes()));
    }
    let as_input =
        Binding::Input { period: site.roster().bundles()[0].period, window: w, part: 0, definition: [0; 32] };
    sender.send_bad("wrong_kind", TOPIC, forger.seal("peer-1", &as_input, b"{}"));
    about_itself(&site, &mut sender);
    two_votes(&site, &mut sender, &mut forger);

    let due = std::mem::take(&mut sender.due);
    assert_counted(&mut site, observer, &due, (HOSTILE, "two_faced"));
}

/// The first vote counts, and would only if the others had planned with this peer. The second is evidence.
fn two_votes(site: &Site, sender: &mut Sender<'_>, forger: &mut Forger<'_>) {
    let next = window(site).next();
    let begins = site.roster().bundles()[0].period.start(next);
    crate::support::wait::eventually("the next window", || (super::forge::now() >= begins).then_some(()));
    let own = signing(site);
    let mut sealed = |digest: u8| {
        let vote = Vote { quantity: "co2".parse().unwrap(), window: next, digest: Digest([digest; 32]) };
        forger.seal("peer-1", &Binding::Peer, &PeerMessage::Vote(Signed::new(vote, &own)).to_bytes())
    };
    let (one, other) = (sealed(1), sealed(2));
    sender.send(TOPIC, one);
    sender.send_bad("contradiction", TOPIC, other);
}

fn signing(site: &Site) -> SigningKey {
    site.key_file(&HOSTILE.parse().unwrap()).keys.signing
}

fn inventory(site: &Site, window: WindowIndex) -> Inventory {
    let streams = site.agents().len();
    Inventory {
        quantity: "co2".parse().unwrap(),
        window,
        roster: Digest(*site.roster().digest()),
        held: HeldList::new(vec![Held::NOTHING; streams]),
        terms: Vec::new(),
        demands: Vec::new(),
        standing: None,
        queries: Vec::new(),
        known: Vec::new(),
        seeds: vec![None; usize::from(site.roster().sharing().peers())],
    }
}

/// Contributions to common keys: peers 1 and 3 of three share one set.
fn seeds(epoch: u64, contributions: usize) -> PeerMessage {
    let contribution = URL_SAFE_NO_PAD.encode([7; 32]);
    PeerMessage::Seeds(SeedBatch {
        epoch: KeyEpoch(epoch),
        name: Digest([7; 32]),
        contributions: vec![contribution.try_into().unwrap(); contributions],
    })
}

fn key_epoch(site: &Site) -> KeyEpoch {
    smc_core::card::epoch_at(site.roster(), smc_mqtt::clock::Clock::system().now())
}

/// Well-formed messages that don't fit: signed by another, of another site, time or thing, or twice in two ways.
fn documents(site: &Site) -> Vec<(&'static str, PeerMessage)> {
    let (own, other) = (signing(site), site.key_file(&"peer-2".parse().unwrap()).keys.signing);
    let w = window(site);
    let inventory = |window| inventory(site, window);
    let signed = |inventory| PeerMessage::Inventory(Signed::new(inventory, &own));
    let standing = |window: WindowIndex, members| {
        let peers: PeerSet = site.roster().sharing().indices().collect();
        let (epoch, roster) = (window.0 / 2, Digest(*site.roster().digest()));
        Some(Standing { epoch, window, peers, members, frozen: false, roster })
    };
    let everybody = || Members::new(6, 0..6);
    let vote = Vote { quantity: "co2".parse().unwrap(), window: w, digest: Digest([7; 32]) };
    let two_bytes = Members::new(12, 0..12);
    vec![
        ("unsigned", PeerMessage::Inventory(Signed::new(inventory(w), &other))),
        ("unsigned", PeerMessage::Vote(Signed::new(vote, &other))),
        ("other_site_file", signed(Inventory { roster: Digest([7; 32]), ..inventory(w) })),
        ("malformed", signed(Inventory { held: HeldList::new(vec![Held::NOTHING; 5]), ..inventory(w) })),
        ("malformed", signed(Inventory { standing: standing(w, everybody()), ..inventory(w) })),
        (
            "malformed",
            signed(Inventory { standing: standing(WindowIndex(w.0 - 1), two_bytes), ..inventory(w) }),
        ),
        ("malformed", signed(Inventory { demands: vec![(6, 5)], ..inventory(w) })),
        ("malformed", signed(Inventory { demands: vec![(1, 5), (1, 5)], ..inventory(w) })),
        ("malformed", signed(Inventory { queries: vec![Digest([7; 32]); 2], ..inventory(w) })),
        (
            "unknown_quantity_or_query",
            signed(Inventory { quantity: "radon".parse().unwrap(), ..inventory(w) }),
        ),
        (
            "unknown_quantity_or_query",
            signed(Inventory { quantity: "power".parse().unwrap(), ..inventory(w) }),
        ),
        ("early", signed(inventory(WindowIndex(w.0 + 1_000)))),
        ("early", signed(inventory(WindowIndex(1 << 50)))),
        // Signed JSON can't tell such numbers apart.
        ("garbled_content", signed(inventory(WindowIndex(u64::MAX)))),
        ("late", signed(inventory(WindowIndex(w.0 - 100)))),
        ("late", signed(inventory(WindowIndex(0)))),
        ("early", seeds(1 << 50, 1)),
        ("garbled_content", seeds(u64::MAX, 1)),
        ("malformed", seeds(key_epoch(site).0, 0)),
        ("malformed", seeds(key_epoch(site).0, 2)),
    ]
}

/// Cards and statuses that say nothing, or something untrue, of the peer itself.
fn about_itself(site: &Site, sender: &mut Sender<'_>) {
    let card = |site_name: &str, epoch: u64, node: &str| {
        let keys = site.key_file(&HOSTILE.parse().unwrap()).keys;
        let sealing = *keys.sealing.public();
        let (site, node) = (site_name.parse().unwrap(), node.parse().unwrap());
        let card = Card { v: 1, site, node, epoch: KeyEpoch(epoch), sealing };
        serde_json::to_vec(&Signed::new(card, &keys.signing)).unwrap()
    };
    for payload in [
        b"garbage".to_vec(),
        "[".repeat(100_000).into_bytes(),
        card("hr", 20_000, HOSTILE),
        card("hq", 1, HOSTILE),
        card("hq", u64::MAX, HOSTILE),
        card("hq", 20_000, "peer-2"),
    ] {
        sender.send_bad("bad_card", "murmur/hq/card/peer-3", payload);
    }
    for payload in ["", "online", "{\"state\":\"asleep\"}", &"{\"state\":".repeat(100_000)] {
        sender.send_bad("bad_status", "murmur/hq/status/peer-3", payload);
    }
}
