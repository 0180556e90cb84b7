//! The samples in `configs/`, read by the programs that they are for.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker::settings::Settings;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sensor_agent::source::mqtt::{Drawn, MqttConfig, Taps};
use sensor_agent::source::{Context, SourceConfig};
use sensor_agent::{AgentConfig, AgentOptions, Feed};
use sha2::{Digest, Sha256};
use smc_core::identity::NodeKeys;
use smc_core::name::NodeName;
use smc_core::roster::Roster;
use smc_mqtt::clock::Clock;
use smc_mqtt::config::{KeyFile, load_site};
use smc_mqtt::settings::ConnectionSettings;
use smc_peer::PeerConfig;
use tempfile::TempDir;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs")
}

/// The keys of a sample node. Everybody can draw them, so they protect nothing.
fn keys(node: &NodeName) -> NodeKeys {
    let seed = Sha256::digest(format!("murmuration sample keys of {node}"));
    NodeKeys::generate(&mut ChaCha20Rng::from_seed(seed.into()))
}

/// The samples with the key files that they name, and the site.
fn unpacked() -> (TempDir, Arc<Roster>) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("keys")).unwrap();
    for entry in fs::read_dir(samples()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    let roster = load_site(&folder.path().join("site.toml")).unwrap();
    let peers = roster.peers().map(|(_, node)| node);
    for node in peers.chain(roster.agents().iter().map(|agent| &agent.node)) {
        let keys = keys(&node.name);
        let drawn = (keys.signing.verifying_key(), *keys.sealing.public());
        let have = (node.identity, node.sealing);
        let text = format!("name = \"{}\"\nidentity = \"{}\"\nsealing = \"{}\"", node.name, drawn.0, drawn.1);
        assert_eq!(have, drawn, "site.toml should say:\n{text}");
        KeyFile::create(&folder.path().join(format!("keys/{}.key", node.name)), &node.name, "sample", &keys)
            .unwrap();
    }
    (folder, roster)
}

fn agent(folder: &Path, file: &str) -> (AgentOptions, Vec<SourceConfig>) {
    let mut options = AgentConfig::load(&folder.join(file)).unwrap();
    match std::mem::replace(&mut options.feed, Feed::Sources(Vec::new())) {
        Feed::Sources(sources) => (options, sources),
        Feed::Channel(_) => unreachable!(),
    }
}

#[test]
fn there_is_a_sample_for_every_role_and_source_and_no_other() {
    let mut names: Vec<_> = fs::read_dir(samples())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        "agent-csv.toml",
        "agent-mqtt.toml",
        "agent.toml",
        "broker.toml",
        "peer.toml",
        "policy",
        "scenarios",
        "sensors",
        "site.toml",
    ];
    assert_eq!(
        names, expected,
        "those in policy/, scenarios/ and sensors/ are tried by the tests of smc-policy, assessment and sensor-agent"
    );
}

#[test]
fn every_sample_loads() {
    let (folder, roster) = unpacked();
    let peer = PeerConfig::load(&folder.path().join("peer.toml")).unwrap();
    assert!(roster.peer_named(peer.secrets.node.as_str()).is_some());
    let broker = Settings::load(&folder.path().join("broker.toml")).unwrap();
    broker.limits.check().unwrap();
    for node in roster.peers().map(|(_, node)| node).chain(roster.agents().iter().map(|agent| &agent.node)) {
        let account = broker.accounts.iter().find(|account| account.name == node.name.as_str());
        assert!(account.is_some_and(|account| !account.shared), "{} has no login of its own", node.name);
    }
}

#[test]
fn every_source_feeds_streams_that_its_agent_has() {
    let (folder, roster) = unpacked();
    for (file, kinds) in [("agent.toml", 1), ("agent-csv.toml", 1), ("agent-mqtt.toml", 1)] {
        let (options, sources) = agent(folder.path(), file);
        let me = roster.agent_named(options.secrets.node.as_str()).unwrap();
        let bundles = roster.agent(me).bundles.iter().map(|&bundle| roster.bundle(bundle));
        let streams = bundles.flat_map(|bundle| &bundle.streams);
        let context = Context {
            agent: options.secrets.node.clone(),
            clock: Clock::system(),
            connection: Some(ConnectionSettings::new(options.broker.clone().unwrap(), "sample")),
            streams: streams
                .map(|stream| (stream.name.clone(), roster.quantity(stream.quantity).quantity.clone()))
                .collect(),
        };
        let mut fed: Vec<_> = sources.iter().flat_map(|source| source.feeds(&context.streams)).collect();
        fed.sort();
        let had: Vec<_> = context.streams.keys().cloned().collect();
        assert_eq!(fed, had, "{file}: every stream has one source, and every source a stream");
        assert_eq!(sources.len(), kinds, "{file}");
    }
}

fn mqtt_sample() -> MqttConfig {
    let (folder, _) = unpacked();
    let (_, sources) = agent(folder.path(), "agent-mqtt.toml");
    let mqtt = sources.into_iter().find_map(|source| match source {
        SourceConfig::Mqtt(config) => Some(config),
        _ => None,
    });
    mqtt.unwrap()
}

#[test]
fn the_mqtt_sample_reads_what_the_devices_say() {
    let taps = Taps::new(&mqtt_sample());
    for (device, topic, payload, expected) in [
        (
            "zigbee2mqtt",
            "zigbee2mqtt/meeting room/climate",
            r#"{"temperature":27.34,"humidity":44.72,"linkquality":120}"#,
            vec![("humidity", 44.72), ("temperature", 27.34)],
        ),
        ("zigbee2mqtt", "zigbee2mqtt/meeting room/motion", r#"{"occupancy":true}"#, vec![("motion", 1.0)]),
        (
            "Tasmota",
            "tele/meeting-room/SENSOR",
            r#"{"Time":"2024-01-01T10:31:09","SCD40":{"CarbonDioxide":1204,"Temperature":28.8},"TempUnit":"C"}"#,
            vec![("co2", 1204.0)],
        ),
        ("ESPHome", "meeting-room/sensor/illuminance/state", "310.5", vec![("illuminance", 310.5)]),
        (
            "Shelly",
            "shelly-meeting-room/status/temperature:0",
            r#"{"id":0,"tC":19.8,"tF":67.6}"#,
            vec![("window-side", 19.8)],
        ),
    ] {
        let mut drawn: Vec<_> = taps
            .draw(topic, payload.as_bytes(), false)
            .into_iter()
            .map(|(stream, drawn)| match drawn {
                Drawn::Reading(reading) => (stream.to_string(), reading.reveal()[0]),
                other => unreachable!("{device}: {stream} is {other:?}"),
            })
            .collect();
        drawn.sort_by(|a, b| a.0.cmp(&b.0));
        let expected: Vec<_> =
            expected.into_iter().map(|(stream, value)| (stream.to_owned(), value)).collect();
        assert_eq!(drawn, expected, "{device}");
    }
}

#[test]
fn the_sample_broker_lets_the_mqtt_sample_listen() {
    let (folder, _) = unpacked();
    let (options, _) = agent(folder.path(), "agent-mqtt.toml");
    let broker = Settings::load(&folder.path().join("broker.toml")).unwrap();
    let account =
        broker.accounts.iter().find(|account| account.name == options.secrets.node.as_str()).unwrap();
    for filter in Taps::new(&mqtt_sample()).filters() {
        assert!(account.rules.may_subscribe(&filter.parse().unwrap()), "{filter}");
    }
}
