//! What the corpus begins with: real values of every kind. `cargo run --example seeds` writes them.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use smc_core::card::{Card, epoch_at};
use smc_core::document::{Signed, canonical};
use smc_core::message::PeerMessage;
use smc_sim::Schedule;
use smc_sim::world::{Content, NOON, Packet, Sender, World};

use crate::site::{KEYS, ROSTER, site};
use crate::{asked, audited, envelope, liar, pairing};

/// No seed is longer: large inputs are slow and say no more.
const LONGEST: usize = 4096;
/// The most seeds of one target that a run of a site leaves.
const MOST: usize = 40;

/// All seeds, by target.
pub fn seeds() -> BTreeMap<&'static str, Vec<Vec<u8>>> {
    let world = played();
    let peer_messages = distinct(messages(&world).map(|(_, message)| message.to_bytes().to_vec()));
    let all = [
        ("asked", asked::seeds()),
        ("audited", audited::seeds()),
        ("broker_packets", texts(BROKER_PACKETS)),
        ("client_packets", texts(CLIENT_PACKETS).into_iter().chain(oversized()).collect()),
        ("config", files(CONFIGS)),
        ("envelope", envelope::seeds()),
        ("history", histories()),
        ("liar", liar::seeds()),
        ("pairing", pairing::seeds()),
        ("peer_message", peer_messages),
        ("sealed_output", outputs(&world)),
        ("sensor", texts(SENSORS)),
        ("signed", signed(&world)),
        ("site_file", files(&[include_str!("../../configs/site.toml"), SMALL_SITE])),
        ("stored", stored(&world)),
        ("table", texts(TABLES)),
        ("topic", texts(TOPICS)),
    ];
    all.into_iter().collect()
}

/// A site that was at work for two windows.
fn played() -> World {
    let mut world = World::new(site());
    world.read(|agent, window| (agent != 5).then_some(((3 * agent as u64 + window) % 16) as f64));
    world.run(1);
    world
}

/// What its peers sent, each kind and step once from each sender.
fn messages(world: &World) -> impl Iterator<Item = (&Packet, &PeerMessage)> {
    world.log.sent.iter().filter_map(|(_, packet)| match &packet.content {
        Content::Peer(message) if packet.from == Sender::Peer(smc_sim::world::peer(1)) => {
            Some((packet, message))
        }
        _ => None,
    })
}

fn outputs(world: &World) -> Vec<Vec<u8>> {
    let spelled: Vec<_> = world.log.outputs.iter().map(|(_, _, output)| output.to_bytes().to_vec()).collect();
    let together = spelled.chunks(3).map(|outputs| outputs.join(&b"\n--\n"[..]));
    distinct(spelled.iter().cloned().chain(together))
}

fn signed(world: &World) -> Vec<Vec<u8>> {
    let results = world.log.results.iter().map(|told| canonical(&told.signed));
    let sent = messages(world).filter_map(|(_, message)| match message {
        PeerMessage::Inventory(inventory) => Some(canonical(inventory)),
        PeerMessage::Vote(vote) => Some(canonical(vote)),
        _ => None,
    });
    let cards = (0..3).map(|at| {
        let (v, site, node) = (1, ROSTER.site().clone(), format!("peer-{}", at + 1).parse().unwrap());
        let sealing = *KEYS[at].sealing.public();
        canonical(&Signed::new(
            Card { v, site, node, epoch: epoch_at(&ROSTER, NOON), sealing },
            &KEYS[at].signing,
        ))
    });
    distinct(cards.chain(texts(DOCUMENTS)).chain(sent).chain(results))
}

fn stored(world: &World) -> Vec<Vec<u8>> {
    let votes = world.peers.iter().flat_map(|host| host.disk.votes.values());
    let votes = votes.map(|vote| serde_json::to_vec(vote).unwrap());
    let inputs = world.peers.iter().flat_map(|host| host.disk.inputs.values().cloned());
    let histories = (0..4).map(|seed| serde_json::to_vec(&Schedule::from_seed(seed)).unwrap());
    distinct(texts(RETAINED).into_iter().chain(votes).chain(histories).chain(inputs.take(8)))
}

/// Messages larger than is taken in, which are all topic, or whose topic reaches beyond their end.
fn oversized() -> impl Iterator<Item = Vec<u8>> {
    [0x07d0, 0x07ce, 0xffff].into_iter().map(|topic: u16| {
        let mut packet = vec![0xff, 0x30, 0xd0, 0x0f];
        packet.extend(topic.to_be_bytes());
        packet.resize(4 + 0x07d0, b't');
        packet
    })
}

fn histories() -> Vec<Vec<u8>> {
    let history = |seed| {
        let mut bytes = vec![0; 40 + 8 * seed as usize % 160];
        ChaCha20Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
        bytes
    };
    (0..30).map(history).collect()
}

fn distinct(seeds: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for seed in seeds.filter(|seed| seed.len() <= LONGEST) {
        if kept.len() < MOST && !kept.contains(&seed) {
            kept.push(seed);
        }
    }
    kept
}

fn texts(texts: &[&[u8]]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.to_vec()).collect()
}

fn files(files: &[&str]) -> Vec<Vec<u8>> {
    // Comments are half of the files and say nothing to a program.
    let bare = |file: &&str| {
        let lines = file.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.collect::<Vec<_>>().join("\n").into_bytes()
    };
    files.iter().map(bare).collect()
}

const BROKER_PACKETS: &[&[u8]] = &[
    b"\x10\x24\x00\x04MQTT\x04\xee\x00\x3c\x00\x02id\x00\x01t\x00\x03off\x00\x04user\x00\x06secret",
    b"\x10\x15\x00\x04MQTT\x05\x02\x00\x0a\x08\x21\x00\x14\x27\x00\x00\x10\x00\x00\x00",
    b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00\x33\x07\x00\x01t\x00\x09hi\xc0\x00\xe0\x00",
    b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x00\x30\x0b\x00\x01t\x05\x02\x00\x00\x00\x09hi",
    b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x00\x30\x07\x00\x01t\x02\x01\x01x\xe0\x01\x04",
    b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x0a\x00\x00\x00\x82\x09\x00\x01\x02\x0b\x07\x00\x01a\x2d",
    b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00\xa2\x05\x00\x07\x00\x01a\x40\x02\x00\x01",
    b"\x10\x1f\x00\x04MQTT\x05\x06\x00\x0a\x00\x00\x00\x0a\x18\x00\x00\x00\x01\x02\x00\x00\x00\x02\x00\x01w\x00\x01x",
];

const CLIENT_PACKETS: &[&[u8]] = &[
    b"\x03\x20\x02\x00\x00\x30\x05\x00\x01thi\xd0\x00",
    b"\x01\x32\x07\x00\x01t\x00\x09hi\x40\x02\x00\x01\x90\x03\x00\x01\x01",
    b"\x10\xb0\x02\x00\x07\x36\x05\x00\x01t\x00\x01",
    b"\x40\x32\x88\x08\x00\x01t\x00\x09too large, and the rest is skipped",
];

const SENSORS: &[&[u8]] = &[
    b"/temperature\non off\n{\"temperature\":21.5,\"humidity\":40}",
    b"/SCD40/CarbonDioxide\nON OFF\n{\"Time\":\"2026-01-01T00:00:00\",\"SCD40\":{\"CarbonDioxide\":612}}",
    b"\ntrue false\n[1,2.5,\"3\",true]",
    b"/a~1b/0\nopen closed\n{\"a/b\":[null]}",
    b"\nopen closed\nopen",
    b"x\non off\n-6.02e23",
    b"/v\non off\n{\"v\":1e308}",
    b"CO2=\non off\nboot\nCO2=21.5ppm T=3\r\nCO2=-7;CO2=8\nCO2=nan\nCO2=59\n\nCO2=1e9",
];

const TABLES: &[&[u8]] = &[
    b"minute,room,co2,shape\n60,413,612.5,1;2;3\n60,415,,\"[1,2,3]\"\n120,413,nan,\n",
    b"minute,room,co2\n2026-01-01T00:00:00+01:00,413,true\n2026-01-01T00:00:30Z,413,1e3\n",
    b"\"minute\",\"room\",\"co2\"\r\n60.5,\"413\",\"6\"\"1\"\r\n",
    b"minute,room,co2\n120,413,1\n60,413,1\n",
    // The first of these tables, gzipped.
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xcb\xcd\xcc+-I\xd5)\xca\xcf\xcf\xd5I\xce7\xe2230\xd01140\xd61343\xd23\xe5\x02\x00\xb5)}\x91!\x00\x00\x00",
];

const TOPICS: &[&[u8]] = &[
    b"murmur/hq/card/peer-1\nmurmur/hq/card/+\nmurmur/hq/#",
    b"murmur/hq/output/display/peer-1/co2-mean\nmurmur/hq/output/display/+/+\nmurmur/+/output/#",
    b"murmur/hq/peer/peer-1/peer-2\nmurmur/hq/peer/+/peer-2\n+/+/peer/#",
    b"murmur/hq/result/co2-mean\nmurmur/hq/result/+\n#",
    b"murmur/hq/result/gradient/part/12\nmurmur/hq/result/#\nmurmur/hq/result/+/part/+",
    b"murmur/hq/share/peer-1/room-101\n+/+/+/+/+\n+/hq/#",
    b"murmur/hq/status/room-101\nmurmur/hq/status/room-101\n+",
    b"homeassistant/binary_sensor/murmur_hq/stale/config\nhomeassistant/#\nhomeassistant/+/+/+/config",
    b"$SYS/uptime\n+/uptime\n$SYS/#",
    b"/\n/+\n+/+",
];

const DOCUMENTS: &[&[u8]] = &[
    br#"{"v":1,"site":"harbour-school","query":"shapes","window":7,"part":0,"elements":[1,2.5,null,true,"a"]}"#,
    br#"{"v":1,"node":"peer-1","state":"online","since":"2026-01-01T00:00:00Z"}"#,
    // No window has such a number: as a float, which is how it would be signed, it is another one.
    br#"{"v":1,"site":"hq","query":"shapes","window":9007199254740993,"part":0,"elements":[]}"#,
];

const RETAINED: &[&[u8]] = &[
    b"\x00\x00\x00\x0b\x4f\x5f\x5f\x5f\x00\x00\x00\x00\x00\x00\x00\x00\x00ab",
    b"\x00\x00\x00\x00\x00\x00\x00\x00\x00ab",
    b"\x00\x00\x00\x00\x00\x00\x00\x09\x01\x03\x00\x00\x00\x07\x00\x00\x00\x00\x00\x01\x00\x00\x00\x05t\x02\x00\x00\x00\x09hi",
];

const CONFIGS: &[&str] = &[
    include_str!("../../configs/agent-csv.toml"),
    include_str!("../../configs/agent-mqtt.toml"),
    include_str!("../../configs/agent.toml"),
    include_str!("../../configs/broker.toml"),
    include_str!("../../configs/peer.toml"),
    "localhost",
    "mqtt://[::1]:1884/",
    "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$1Rr3qzyHXYzyTgWTRbaBUcCWSmQvYFoh0dJWNCPGGIY",
    r#"{"node":"peer-1","password":"x","keys":{"signing":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","sealing":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}}"#,
];

const SMALL_SITE: &str = r#"
[site]
name = "hq"
threshold = 1
tolerate = "malicious"
minimum_cohort = 3
period = "10s"
[[quantity]]
name = "level"
unit = ""
minimum = 0
maximum = 15
resolution = 1
[[query]]
name = "all"
function = "sum"
quantity = "level"
"#;
