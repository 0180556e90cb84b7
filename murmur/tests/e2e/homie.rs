//! Results by the Homie convention, as controllers see them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::support::brokers::Kind;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::process::Process;
use crate::support::site::Site;
use crate::support::wait::PATIENCE;

/// A query that says yes or no, with a name that Homie would not take.
const FLAG: &str =
    "\n[[query]]\nname = \"Any_one\"\nfunction = \"any_above\"\nquantity = \"occupancy\"\nabove = 0\n";
/// What its name becomes: eight digits of the name's SHA-256 follow.
const FLAG_BEGINS: &str = "any-one-";

fn site() -> Site {
    let mut site = plan();
    site.start_broker();
    start_nodes(&mut site);
    site
}

fn plan() -> Site {
    let mut site = Site::quick("8s", &["--agents", "5", "--quantities", "occupancy,temperature"]);
    site.edit("site.toml", |text| format!("{text}{FLAG}"));
    for peer in site.peers() {
        site.edit(&format!("{peer}.toml"), |text| format!("homie = true\n{text}"));
    }
    site
}

fn start_nodes(site: &mut Site) {
    site.start_nodes();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "temperature-mean", "a value", |signed| all_fresh(signed, 5));
}

/// The convention's rules about topics and payloads, as far as they concern us.
#[test]
fn all_that_is_published_by_the_homie_convention_keeps_to_it() {
    let mut site = plan();
    site.start_broker();
    let look = |site: &Site| site.subscribe("observer-2", &["homie/murmur-hq/#"]);
    // RabbitMQ hands out nothing retained for a wildcard: whoever looks on there has to do so from the beginning.
    let early = (Kind::chosen() == Kind::Rabbitmq).then(|| look(&site));
    start_nodes(&mut site);
    let observer = early.unwrap_or_else(|| look(&site));
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    observer.wait_for("a whole device", |message| {
        kept.insert(message.topic.clone(), message.text().to_owned());
        let values = kept.iter().filter(|(topic, value)| topic.ends_with("/value") && !value.is_empty());
        let outcomes = kept.iter().filter(|(topic, value)| topic.ends_with("/outcome") && *value == "ok");
        let all = values.count() == 7 && outcomes.count() == 7 && attributes_are_there(&kept);
        (all && kept.get("homie/murmur-hq/$state")? == "ready").then_some(())
    });
    let of = |topic: String| kept.get(&topic).unwrap_or_else(|| panic!("no {topic} in {kept:#?}"));
    assert_eq!(of("homie/murmur-hq/$homie".to_owned()), "4.0.0");
    assert_eq!(of("homie/murmur-hq/$name".to_owned()), "Murmuration hq");
    for topic in kept.keys() {
        let id = |level: &str| {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            level.bytes().all(fits) && !level.starts_with('-') && !level.ends_with('-')
        };
        assert!(topic.split('/').all(|level| id(level.strip_prefix('$').unwrap_or(level))), "{topic}");
    }
    for node in of("homie/murmur-hq/$nodes".to_owned()).split(',') {
        let node = format!("homie/murmur-hq/{node}");
        assert!(!of(format!("{node}/$name")).is_empty() && !of(format!("{node}/$type")).is_empty());
        for property in of(format!("{node}/$properties")).split(',') {
            let (value, property) = (of(format!("{node}/{property}")), format!("{node}/{property}"));
            assert!(!of(format!("{property}/$name")).is_empty());
            match of(format!("{property}/$datatype")).as_str() {
                "boolean" => assert!(value == "true" || value == "false", "{property}: {value}"),
                "float" => assert!(value.parse::<f64>().is_ok(), "{property}: {value}"),
                "integer" => assert!(value.parse::<i64>().is_ok(), "{property}: {value}"),
                "string" => assert_eq!(value, "ok", "{property}"),
                other => panic!("{property} is of {other}"),
            }
        }
    }
    assert_eq!(of("homie/murmur-hq/temperature-mean/value/$unit".to_owned()), "°C");

    for peer in site.peers() {
        site.process(&peer).terminate();
    }
    observer.wait_for("the end of the last peer", |message| {
        (message.topic == "homie/murmur-hq/$state" && message.text() == "disconnected").then_some(())
    });
    site.assert_nobody_panicked();
}

/// Whether those that the convention demands have come, of the device and of every node that it names: in any order, as NATS has none.
fn attributes_are_there(kept: &BTreeMap<String, String>) -> bool {
    let Some(nodes) = kept.get("homie/murmur-hq/$nodes") else { return false };
    let of_device = ["$homie", "$name"].map(|what| kept.contains_key(&format!("homie/murmur-hq/{what}")));
    let demanded = ["$name", "$type", "$properties", "value/$name", "value/$datatype"];
    let others = ["outcome/$name", "outcome/$datatype", "cohort/$name", "cohort/$datatype", "cohort"];
    let of_node = |node: &str| {
        let is_there = |what: &&str| kept.contains_key(&format!("homie/murmur-hq/{node}/{what}"));
        demanded.iter().chain(&others).all(is_there)
    };
    of_device == [true; 2] && nodes.split(',').all(of_node)
}

/// `homie-look`, built beside this test; and what it knows.
fn look(site: &Site) -> (Process, Receiver<Value>) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/homie/Cargo.toml");
    let target: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("homie");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(manifest);
    assert!(cargo.arg("--target-dir").arg(&target).status().unwrap().success(), "homie-look is not built");
    let login = site.login("home-assistant", "");
    let mut command = Command::new(target.join("debug/homie-look"));
    command.args([&login.broker.port().to_string(), &login.user, &login.password]);
    let mut process = Process::start("homie-look", &mut command, site.path("homie-look.log"));
    let lines = BufReader::new(process.stdout()).lines();
    let (sender, known) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                return;
            }
        }
    });
    (process, known)
}

#[test]
#[ignore = "builds a Homie controller, with a TLS library in C: ./check --full"]
fn a_homie_controller_reads_every_result_and_no_old_one() {
    let mut site = site();
    let (_look, known) = look(&site);
    let await_device = |what: &str, fits: &dyn Fn(&Value) -> bool| loop {
        let devices = known.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {what}"));
        if fits(&devices["murmur-hq"]) {
            return devices["murmur-hq"].clone();
        }
    };
    let value = |device: &Value, node: &str| device["nodes"][node]["properties"]["value"]["value"].clone();
    let device = await_device("complete device with values", &|device| {
        let nodes = device["nodes"].as_object();
        let full = nodes.is_some_and(|nodes| nodes.keys().all(|node| !value(device, node).is_null()));
        full && device["complete"] == true && device["state"] == "ready" && nodes.unwrap().len() == 7
    });
    assert_eq!((&device["version"], &device["name"]), (&json!("4.0.0"), &json!("Murmuration hq")));
    let flag =
        device["nodes"].as_object().unwrap().keys().find(|node| node.starts_with(FLAG_BEGINS)).unwrap();
    assert!(value(&device, flag).is_boolean(), "{device}");
    let mean = &device["nodes"]["temperature-mean"];
    assert_eq!((&mean["name"], &mean["type"]), (&json!("temperature-mean"), &json!("mean")));
    assert_eq!(mean["properties"]["value"]["unit"], "°C");
    assert_eq!(mean["properties"]["cohort"]["value"], 5);
    site.process("room-5").kill();
    await_device("window without a value, and why", &|device| {
        let outcome = &device["nodes"]["temperature-mean"]["properties"]["outcome"]["value"];
        let is_withheld = outcome.as_str().is_some_and(|told| told.starts_with("withheld: "));
        is_withheld && value(device, "temperature-mean").is_null()
    });
    site.assert_nobody_panicked();
}
