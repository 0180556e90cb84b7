//! What somebody with a node's key file can make, and what can be made of that.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use smc_core::card::Recipients;
use smc_core::envelope::Binding;
use smc_core::time::{Timestamp, WindowIndex};

use crate::support::mosquitto::Message;
use crate::support::site::Site;

pub(super) fn now() -> Timestamp {
    Timestamp::from_micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64)
}

/// The window that runs now.
pub(super) fn window(site: &Site) -> WindowIndex {
    site.roster().bundles()[0].period.window_at(now())
}

/// The cards of all peers that introduced themselves, by name.
pub(super) fn cards(site: &Site) -> BTreeMap<String, Message> {
    let topics: Vec<_> = site.peers().iter().map(|peer| format!("murmur/hq/card/{peer}")).collect();
    let topics: Vec<_> = topics.iter().map(String::as_str).collect();
    let looking = site.subscribe("cards", &topics);
    let mut cards = BTreeMap::new();
    let online = site.running_peers();
    looking.wait_for("the cards of all peers", |message| {
        cards.insert(message.topic.rsplit('/').next().unwrap().to_owned(), message);
        (cards.len() == online).then(|| cards.clone())
    })
}

/// A node's power to seal.
pub(super) struct Forger<'a> {
    site: &'a Site,
    recipients: Recipients,
    rng: ChaCha20Rng,
}

impl<'a> Forger<'a> {
    /// Seals as `node`.
    pub(super) fn new(site: &'a Site, node: &str) -> Self {
        let name = node.parse().unwrap();
        let sealing = site.key_file(&name).keys.sealing;
        let mut recipients = Recipients::new(site.roster().clone(), name, sealing);
        for (peer, card) in cards(site) {
            let peer = site.roster().peer_named(&peer).unwrap();
            recipients.handle_card(now(), peer, &card.payload).unwrap();
        }
        Self { site, recipients, rng: ChaCha20Rng::from_seed([7; 32]) }
    }

    /// Seals `plaintext` for `to`.
    pub(super) fn seal(&mut self, to: &str, binding: &Binding, plaintext: &[u8]) -> String {
        let to = self.site.roster().peer_named(to).unwrap();
        let sealed = self.recipients.seal(to, binding, plaintext, &mut self.rng).unwrap().unwrap();
        String::from_utf8(sealed).unwrap()
    }
}

/// Payloads that are no envelope of this version, whoever sends them; with the reason for which each is refused.
pub(super) fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let deep = |open: &str| open.repeat(100_000).into_bytes();
    let noise = (0_u32..300).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![
        ("not_an_envelope", noise),
        ("not_an_envelope", text("null")),
        ("not_an_envelope", text("{}")),
        ("not_an_envelope", text("[1,2,3]")),
        ("not_an_envelope", deep("[")),
        ("not_an_envelope", deep("{\"v\":")),
        ("not_an_envelope", vec![0xff, 0xfe, 0xfd]),
        ("not_an_envelope", vec![0; 10_000]),
        ("too_large", vec![b' '; 600_000]),
        ("wrong_version", text("{\"v\":2,\"news\":[{}]}")),
    ]
}

/// What can be done to a sealed message without its key.
pub(super) fn tampered(sealed: &str) -> Vec<(&'static str, String)> {
    let swap = |from: &str, to: &str| {
        let changed = sealed.replacen(from, to, 1);
        assert_ne!(changed, sealed, "{from} is not in {sealed}");
        changed
    };
    let end = sealed.len() - 2;
    let other_end = if &sealed[end - 8..end - 7] == "A" { "B" } else { "A" };
    let flipped = format!("{}{other_end}{}", &sealed[..end - 8], &sealed[end - 7..]);
    vec![
        ("wrong_version", swap("\"v\":1", "\"v\":2")),
        ("wrong_site", swap("\"site\":\"hq\"", "\"site\":\"hr\"")),
        ("wrong_recipient", swap("\"to\":\"peer-1\"", "\"to\":\"peer-2\"")),
        ("unknown_key_epoch", swap("\"epoch\":", "\"epoch\":9")),
        ("forged", swap("\"n\":\"0", "\"n\":\"1")),
        ("forged", flipped),
        ("not_an_envelope", swap("\"n\":\"", "\"n\":\"F")),
        ("not_an_envelope", swap("\"ct\":\"", "\"extra\":1,\"ct\":\"")),
        ("not_an_envelope", format!("{sealed}{sealed}")),
        ("not_an_envelope", sealed[..sealed.len() / 2].to_owned()),
    ]
}
