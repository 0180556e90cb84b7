//! The ready-made files of `configs/sensors`, each with what its device says (`fixtures/`): each has to read it right.
//!
//! In a fixture, `> ` is a topic before its payload, `/` a file of sysfs; `= stream reading` and `! stream reason` say what has
//! to come of what stands before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../smc-mqtt/tests/mosquitto/mod.rs"]
mod mosquitto;
mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mosquitto::Mosquitto;
use nix::pty::openpty;
use nix::unistd::ttyname;
use sensor_agent::screen::StreamRules;
use sensor_agent::source::{Happened, SourceConfig};
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::ConnectionSettings;
use support::server::{Server, answer};
use support::tree::Tree;
use support::{PATIENCE, context, start, told};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout};

/// What a device says, and what has to come of it.
#[derive(Debug, Default)]
struct Said {
    topic: String,
    payload: String,
    becomes: Vec<(String, Result<f64, String>)>,
}

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/sensors")
}

/// An example's only source, as a table that can be changed.
fn example(name: &str) -> toml::Table {
    let text = fs::read_to_string(configs().join(format!("{name}.toml"))).unwrap();
    let file: toml::Table = text.parse().unwrap();
    let known = ["source", "stream"];
    assert!(file.keys().all(|key| known.contains(&key.as_str())), "{name} is a part of any agent's file");
    for (stream, rules) in file.get("stream").and_then(toml::Value::as_table).into_iter().flatten() {
        let rules = rules.clone().try_into::<StreamRules>();
        assert!(rules.is_ok(), "{name}: [stream.{stream}]: {rules:?}");
    }
    let sources = file["source"].as_array().unwrap();
    assert_eq!(sources.len(), 1, "{name}");
    sources[0].as_table().unwrap().clone()
}

/// The lines of a fixture that are no comments.
fn fixture(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.txt"));
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// A fixture in pieces, each of which ends where a new topic begins.
fn said(name: &str) -> Vec<Said> {
    let mut all: Vec<Said> = Vec::new();
    for line in fixture(name) {
        if all.is_empty() || line.starts_with("> ") {
            all.push(Said::default());
        }
        let last = all.last_mut().unwrap();
        match line.split_at_checked(2) {
            Some(("> ", topic)) => last.topic = topic.to_owned(),
            Some(("= ", rest)) => {
                let (stream, reading) = rest.split_once(' ').unwrap();
                last.becomes.push((stream.to_owned(), Ok(reading.parse().unwrap())));
            }
            Some(("! ", rest)) => {
                let (stream, reason) = rest.split_once(' ').unwrap();
                last.becomes.push((stream.to_owned(), Err(reason.to_owned())));
            }
            _ => last.payload += &format!("{line}\n"),
        }
    }
    all
}

/// Waits for what has to come.
async fn comes(name: &str, becomes: &[(String, Result<f64, String>)], receiver: &mut Receiver<Happened>) {
    for (stream, expected) in becomes {
        let (told, _, value) = told(receiver).await;
        let is_so = match (&value, expected) {
            (Ok(value), Ok(expected)) => (value - expected).abs() < 1e-6,
            (Err(reason), Err(expected)) => reason.name() == expected,
            _ => false,
        };
        assert!(told == *stream && is_so, "{name}: {told} is {value:?} instead of {stream} {expected:?}");
    }
}

fn streams(source: &toml::Table) -> Vec<String> {
    let config: SourceConfig = source.clone().try_into().unwrap();
    config.feeds(&BTreeMap::new()).iter().map(ToString::to_string).collect()
}

fn begin(
    name: &str,
    source: &toml::Table,
    broker: Option<&Mosquitto>,
) -> (sensor_agent::source::Running, Receiver<Happened>) {
    let streams = streams(source);
    let mut context = context(Clock::system(), &streams.iter().map(String::as_str).collect::<Vec<_>>());
    context.connection = broker
        .map(|broker| ConnectionSettings::new(broker.address().parse().unwrap(), format!("reader-{name}")));
    start(&toml::to_string(source).unwrap(), context).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_example_has_a_fixture_and_is_tried_here() {
    let names = |folder: PathBuf, extension: &str| -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.strip_suffix(extension).unwrap_or_else(|| panic!("{name}")).to_owned())
            .collect();
        names.sort();
        names
    };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut tried = [&DEVICES[..], &DRIVERS, &["command", "http", "serial"]].concat();
    tried.sort_unstable();
    assert_eq!(names(configs(), ".toml"), tried);
    assert_eq!(names(fixtures, ".txt"), tried);
}

const DEVICES: [&str; 5] = ["esphome", "openmqttgateway", "shelly", "tasmota", "zigbee2mqtt"];
const DRIVERS: [&str; 4] = ["hwmon", "iio", "one-wire", "thermal"];

#[tokio::test]
async fn what_devices_publish_is_read_as_their_examples_say() {
    let broker = Mosquitto::open();
    let publisher = broker.device().await;
    for name in DEVICES {
        let mut source = example(name);
        let probe: toml::Table = "topic = 'probe'".parse().unwrap();
        source["topics"].as_table_mut().unwrap().insert("probe".to_owned(), probe.into());
        let (_running, mut receiver) = begin(name, &source, Some(&broker));
        let deadline = Instant::now() + PATIENCE;
        while timeout(Duration::from_millis(50), receiver.recv()).await.is_err() {
            assert!(Instant::now() < deadline, "{name} does not subscribe");
            publisher.publish("probe", "1", false).unwrap();
        }
        for said in said(name) {
            publisher.publish(said.topic.as_str(), said.payload.trim_end().to_owned(), false).unwrap();
            // What comes after it, so that nothing more can come of it.
            publisher.publish("probe", "2", false).unwrap();
            comes(name, &said.becomes, &mut past_probes(&mut receiver, said.becomes.len()).await).await;
        }
    }
}

/// As many things as were expected, up to the probe that came after them.
async fn past_probes(receiver: &mut Receiver<Happened>, expected: usize) -> Receiver<Happened> {
    let (sender, others) = tokio::sync::mpsc::channel(expected + 1);
    loop {
        let happened = timeout(PATIENCE, receiver.recv()).await.expect("waited in vain").unwrap();
        match &happened {
            Happened::Observed(probe) if probe.stream.as_str() == "probe" => {
                if probe.value.reveal() == [2.0] {
                    return others;
                }
            }
            _ => sender.try_send(happened).expect("more came than was expected"),
        }
    }
}

#[tokio::test]
async fn what_drivers_show_is_read_as_their_examples_say() {
    for name in DRIVERS {
        let tree = Tree::of(&[]);
        let mut expected = Said::default();
        for said in said(name) {
            for line in said.payload.lines() {
                let (path, text) = line.split_once(' ').unwrap();
                tree.write(path.trim_start_matches('/'), text);
            }
            expected.becomes.extend(said.becomes);
        }
        let mut source = example(name);
        assert_eq!(source["root"].as_str(), Some("/sys"), "{name}");
        source["root"] = tree.root().into();
        let (_running, mut receiver) = begin(name, &source, None);
        comes(name, &expected.becomes, &mut receiver).await;
    }
}

#[tokio::test]
async fn what_a_program_prints_is_read_as_its_example_says() {
    let said = said("command").remove(0);
    let mut source = example("command");
    source["program"] = "echo".into();
    source["arguments"] = vec![said.payload.trim_end()].into();
    let (_running, mut receiver) = begin("command", &source, None);
    comes("command", &said.becomes, &mut receiver).await;
}

#[tokio::test]
async fn what_a_device_serves_is_read_as_its_example_says() {
    let said = said("http").remove(0);
    let server = Server::start(answer("200 OK", "Content-Type: application/json\r\n", &said.payload)).await;
    let mut source = example("http");
    let path = source["url"].as_str().unwrap().strip_prefix("http://192.0.2.7").unwrap().to_owned();
    source["url"] = server.url(&path).into();
    let (_running, mut receiver) = begin("http", &source, None);
    comes("http", &said.becomes, &mut receiver).await;
    assert!(server.last_request().starts_with(&format!("GET {path} HTTP/1.1\r\n")));
}

#[tokio::test]
async fn what_a_device_writes_is_read_as_its_example_says() {
    let said = said("serial").remove(0);
    let pty = openpty(None, None).unwrap();
    let mut source = example("serial");
    source["device"] = ttyname(&pty.slave).unwrap().display().to_string().into();
    let (_running, mut receiver) = begin("serial", &source, None);
    let mut wire = File::from(pty.master);
    // Again until somebody listens; only then there is something to compare.
    let deadline = Instant::now() + PATIENCE;
    while receiver.is_empty() {
        assert!(Instant::now() < deadline, "nothing is heard");
        wire.write_all(said.payload.as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    comes("serial", &said.becomes, &mut receiver).await;
}
