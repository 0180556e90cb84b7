//! Sums of vectors that fit into no message: for everybody beside the result, and for one client, also if the broker
//! holds back what one of the peers has to say to it.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use serde_json::{Value, json};
use smc_core::result::PART_ELEMENTS;

use crate::home_assistant::jinja::render;
use crate::looking::page::Page;
use crate::support::brokers::is_rabbitmq;
use crate::support::mosquitto::Subscriber;
use crate::support::outcome::all_fresh;
use crate::support::process::Process;
use crate::support::programs::Program;
use crate::support::site::Site;
use crate::support::wait::PATIENCE;

/// Three parts, for everybody as for one.
const ELEMENTS: usize = 2 * PART_ELEMENTS + 1_000;
const EVERYTHING: &str = "murmur/hq/result/#";
const DISCOVERY: &str = "homeassistant/sensor/murmur_hq/+/config";

/// Three agents make bits up; everybody asks for their sums, and a display for the same of its own.
fn federation() -> Site {
    let flags = ["--agents", "3", "--minimum-cohort", "3", "--quantities", "co2", "--clients", "display"];
    let mut site = Site::quick("20s", &flags);
    site.set("site.toml", "period", "\"4s\"");
    site.edit("site.toml", |text| {
        let (before, _) = text.split_once("[[query]]\n").unwrap();
        let text = before.replace("[\"co2\"]", "[\"gradient\"]");
        let range = "minimum = 0\nmaximum = 1\nresolution = 1";
        let query = |name: &str, more: &str| {
            format!(
                "\n[[query]]\nname = \"{name}\"\nfunction = \"vector_sum\"\nquantity = \"gradient\"\n{more}"
            )
        };
        let queries = query("public", "") + &query("private", "audience = \"display\"\n");
        format!("{text}\n[[quantity]]\nname = \"gradient\"\n{range}\nelements = {ELEMENTS}\n{queries}")
    });
    for agent in ["room-1", "room-2", "room-3"] {
        site.set_source(agent, "kind = \"simulated\"\ninterval_s = 1.5\n");
    }
    site
}

/// What peer-3 publishes, except outputs: a broker that holds them back.
fn hold_outputs_of_peer_3_back(site: &mut Site) {
    site.end_broker();
    site.edit("broker.toml", |text| {
        let own = ["peer/+/peer-3", "card/peer-3", "status/peer-3", "result/+", "result/+/part/+"];
        let read = ["share/peer-3/+", "peer/peer-3/+", "card/+", "status/+", "result/+"];
        let list = |ends: &[&str]| {
            ends.iter().map(|end| format!("\"murmur/hq/{end}\"")).collect::<Vec<_>>().join(", ")
        };
        let peer = "name = \"peer-3\"\nrole = \"peer\"\n";
        assert!(text.contains(peer));
        let device = format!(
            "name = \"peer-3\"\nrole = \"device\"\npublish = [{}]\nsubscribe = [{}]\n",
            list(&own),
            list(&read)
        );
        text.replace(peer, &device)
    });
    site.start_broker();
}

/// A running `murmur open`, and what it tells.
fn open(site: &Site, broker: &str, log: &str) -> (Process, Receiver<Value>) {
    let mut command = Program::Murmur.command();
    command.args(["open", "--json", "--query", "private", "--broker", broker]);
    command.arg("--site").arg(site.path("site.toml")).arg("--key").arg(site.path("keys/display.key"));
    let mut process = Process::start("murmur open", &mut command, site.path(log));
    let told = process.json_lines();
    (process, told)
}

/// The value of the next window of all three agents, put together by `murmur verify`.
fn next_public(site: &Site, observer: &Subscriber) -> (u64, Value) {
    let (mut lines, mut parts, page) = (String::new(), 0, Page::read());
    let window = observer.wait_for("a long value with all its parts", |message| {
        let levels: Vec<_> = message.topic.split('/').collect();
        let ["murmur", "hq", "result", "public", part @ ..] = &levels[..] else { return None };
        if part == ["state"] {
            return None;
        }
        if part.is_empty() {
            let signed = serde_json::from_slice(&message.payload).unwrap();
            (lines, parts) = (String::new(), 0);
            if !all_fresh(&signed, 3) {
                return None;
            }
            assert!(signed.result.value.is_none() && signed.result.parts.is_some());
        } else if lines.is_empty() {
            return None;
        } else {
            assert!(!message.retained, "parts are not kept");
            assert_eq!(page.check(&message), "murmur/<site>/result/<query>/part/<part>");
            parts += 1;
        }
        lines += &format!("{} {}\n", message.topic, message.text());
        (parts == 3).then(|| message.json()["window"].as_u64().unwrap())
    });
    std::fs::write(site.path("results"), lines).unwrap();
    let mut verify = Program::Murmur.command();
    verify.arg("verify").arg(site.path("results")).arg("--json").arg("--site").arg(site.path("site.toml"));
    let output = verify.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let last = output.stdout.as_slice().lines().map_while(Result::ok).last().unwrap();
    (window, serde_json::from_str::<Value>(&last).unwrap()["value"].take())
}

/// What the display opened in a window whose public value is known, too; and that value.
fn same_window(site: &Site, observer: &Subscriber, told: &Receiver<Value>) -> (Value, Value) {
    let (mut public, mut private) = (BTreeMap::new(), BTreeMap::new());
    let deadline = Instant::now() + 2 * PATIENCE;
    while Instant::now() < deadline {
        public.extend([next_public(site, observer)]);
        private.extend(told.try_iter().map(|told| (told["window"]["index"].as_u64().unwrap(), told)));
        if let Some(window) = public.keys().find(|window| private.contains_key(window)).copied() {
            return (private.remove(&window).unwrap(), public.remove(&window).unwrap());
        }
    }
    panic!("no window that both saw: {:?} {:?}", public.keys(), private.keys());
}

/// The display opens what it may although peer-3, which computes with the others, has nothing to say to it. Returns who looks on.
fn opened_without_a_word_of_peer_3(site: &mut Site, told: &Receiver<Value>) -> Subscriber {
    hold_outputs_of_peer_3_back(site);
    let observer = site.subscribe("observer-2", &[EVERYTHING]);
    // What was told before the broker stopped is in between.
    let silent = |(private, _): &(Value, Value)| private["silent"] == json!(["peer-3"]);
    let mut seen = (0..5).map(|_| same_window(site, &observer, told));
    let (private, public) = seen.find(silent).expect("a window in which peer-3 stays silent");
    assert_eq!(private["value"], public, "two of three shares are enough");
    assert_eq!((&private["peers"], &private["verified"]), (&json!(["peer-1", "peer-2"]), &false.into()));
    drop(seen);
    observer
}

#[test]
fn long_sums_come_in_parts_and_one_client_opens_them_whoever_stays_silent() {
    let mut site = federation();
    let broker = format!("mqtt://{}", site.start_broker());
    let observer = site.subscribe("observer-1", &[EVERYTHING, DISCOVERY]);
    let (_client, told) = open(&site, &broker, "open-1.log");
    site.start_nodes();
    let entity = observer
        .wait_for("discovery", |message| message.topic.ends_with("/public/config").then(|| message.json()));
    let state = |message: Value| render(&[entity["value_template"].as_str().unwrap()], &message);
    assert_eq!(state(json!({"status": "ok", "value": null, "parts": {"elements": 7}})), ["7"]);
    assert_eq!(state(json!({"status": "failed", "value": null})), ["None"]);
    let (private, public) = same_window(&site, &observer, &told);
    let elements = public.as_array().unwrap();
    assert_eq!(elements.len(), ELEMENTS);
    assert!(elements.iter().all(|sum| sum.as_u64().unwrap() <= 3));
    assert!((1..=2).all(|sum| elements.contains(&sum.into())), "made up, and not all alike");
    assert_eq!(private["value"], public);
    assert_eq!((&private["verified"], private["silent"].as_array().unwrap().len()), (&true.into(), 0));

    let observer = if is_rabbitmq("it closes the connection of whom it holds something back from") {
        observer
    } else {
        drop(observer);
        opened_without_a_word_of_peer_3(&mut site, &told)
    };
    site.process("peer-3").kill();
    let without = |(private, _): &(Value, Value)| private["silent"] == json!([]);
    let mut seen = (0..5).map(|_| same_window(&site, &observer, &told));
    let (private, public) = seen.find(without).expect("a window that peer-3 has no part in");
    assert_eq!((&private["value"], &private["verified"]), (&public, &false.into()));
    assert_eq!(private["peers"], json!(["peer-1", "peer-2"]));
    site.assert_nobody_panicked();
}
