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
    let above_p = URL_SAFE_NO_PAD.encode(u64::MAX.to_le_bytes());
    let w = window(&site);
    for content in [
        "",
        "{}",
        "[]",
        "\u{0}",
        &deep,
        &format!("{{\"step\":\"news\",\"window\":{w}}}"),
        &format!("{{\"step\":\"partial\",\"query\":\"co2-sum\",\"window\":{w},\"share\":\"{above_p}\"}}"),
        &format!("{{\"step\":\"partial\",\"query\":\"co2-sum\",\"window\":-1,\"share\":\"{above_p}\"}}"),
    ] {
        sender.send_bad("garbled_content", TOPIC, seal(content.as_bytes()));
    }
    let zero = URL_SAFE_NO_PAD.encode([0; 8]);
    let unasked = format!("{{\"step\":\"partial\",\"query\":\"none\",\"window\":{w},\"share\":\"{zero}\"}}");
    sender.send_bad("unknown_quantity_or_query", TOPIC, seal(unasked.as_bytes()));
    for (reason, message) in documents(&site) {
        sender.send_bad(reason, TOPIC, seal(&message.to_bytes()));
    }
    let as_input =
        Binding::Input { period: site.roster().bundles()[0].period, window: w, part: 0, definition: [0; 32] };
    sender.send_bad("wrong_kind", TOPIC, forger.seal("peer-1", &as_input, b"{}"));
    about_itself(&site, &mut sender);

    let due = std::mem::take(&mut sender.due);
    assert_counted(&mut site, observer, &due);
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
        demands: Vec::new(),
        standing: None,
        queries: Vec::new(),
        seeds: vec![None; usize::from(site.roster().sharing().peers())],
    }
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
        ("early", signed(inventory(WindowIndex(u64::MAX)))),
        ("late", signed(inventory(WindowIndex(w.0 - 100)))),
        ("late", signed(inventory(WindowIndex(0)))),
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
