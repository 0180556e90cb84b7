//! What people see who look at a site: with `mosquitto_sub`, with `murmur sniff`, with `murmur doctor`.

mod doctor;
mod hostile;
pub(crate) mod page;

use std::collections::BTreeSet;
use std::process::Output;
use std::sync::mpsc::Receiver;

use serde_json::Value;

use self::page::Page;
use crate::pairing::{Pairing, newcomer};
use crate::support::mosquitto::Subscriber;
use crate::support::outcome::{all_fresh, await_outcome};
use crate::support::process::Process;
use crate::support::programs::Program;
use crate::support::site::Site;
use crate::support::wait::PATIENCE;

/// All that a reader may see, without knowing what the site is called.
const EVERYTHING: [&str; 2] = ["murmur/#", "homeassistant/sensor/murmur_hq/+/config"];

/// `murmur` in the site's folder; how it ended, and what it said.
fn murmur(site: &Site, words: &[&str]) -> Output {
    let mut command = Program::Murmur.command();
    command.current_dir(site.path("")).args(words).env("MURMUR_BROKER", site.url());
    command.output().unwrap()
}

/// A site at which something happens on every topic: a client that asks, an output for it alone, a room that joins.
fn busy_site() -> Site {
    let mut site = Site::quick("10s", &["--agents", "6", "--clients", "display"]);
    site.edit("site.toml", |text| {
        format!("{text}\n[[query]]\nname = \"max\"\nfunction = \"max\"\nquantity = \"co2\"\naudience = \"display\"\n")
    });
    for peer in site.peers() {
        let file = format!("{peer}.toml");
        site.set(&file, "consent", "\"auto\"");
        site.edit(&file, |text| format!("{text}\n[audit]\nhead_every = \"1s\"\n"));
    }
    site
}

/// Asks, has one peer allow it, takes it back; pauses an agent; lets a room in.
fn keep_busy(site: &Site, observer: &Subscriber) {
    let (broker, site_file) = (site.url(), site.path("site.toml"));
    let client = ["--site", site_file.to_str().unwrap(), "--key", "keys/display.key", "--broker", &broker];
    let mut ask = Program::Murmur.command();
    ask.current_dir(site.path(""))
        .args(["ask", "mean", "co2", "--name", "air", "--for", "a test"])
        .args(client);
    let asking = Process::start("murmur ask", &mut ask, site.path("ask.log"));
    observer.wait_for("that peer-1 asks its operator", |message| {
        (message.topic == "murmur/hq/decision/peer-1/air").then_some(())
    });
    drop(asking);
    for words in [
        &["approve", "air", "--peer-config", "peer-1.toml", "--broker", &broker][..],
        &[&["cancel", "air"], &client[..]].concat(),
        &["agent", "pause", "--agent-config", "room-1.toml"],
    ] {
        let said = murmur(site, words);
        assert!(said.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said.stderr));
    }
    let pairing = Pairing::start(site, &["room-7", "--streams", "co2", "--lead", "2s"]);
    let paired = newcomer(site, Program::Agent, "pair", &pairing.code, "attic");
    assert!(paired.status.success(), "{}", String::from_utf8_lossy(&paired.stderr));
    assert_eq!(pairing.end().0, Some(0));
}

/// A running `murmur sniff`, and what it tells.
fn sniff(site: &Site) -> (Process, Receiver<Value>) {
    let mut command = Program::Murmur.command();
    command.current_dir(site.path("")).args([
        "sniff",
        "--json",
        "--site",
        "site.toml",
        "--broker",
        &site.url(),
    ]);
    let mut process = Process::start("murmur sniff", &mut command, site.path("sniff.log"));
    let told = process.json_lines();
    (process, told)
}

/// What `murmur sniff` told until Ctrl-C, and its summary.
fn end(mut process: Process, told: &Receiver<Value>) -> (Vec<Value>, Value) {
    process.signal("INT");
    let mut all = Vec::new();
    while let Ok(line) = told.recv_timeout(PATIENCE) {
        if line.get("summary").is_some() {
            assert_eq!(process.wait().code(), Some(0), "{line}");
            return (all, line["summary"].clone());
        }
        all.push(line);
    }
    panic!("no summary");
}

/// Holds what was told of each message against what the message is.
fn assert_explained(all: &[Value], summary: &Value) {
    let mut bytes = 0;
    for told in all {
        let says = told["says"].as_str().unwrap();
        assert!(told["kind"] != "unknown" && !says.contains("NOT WHAT"), "{told}");
        let verdict = &told["signature"]["verdict"];
        match told["kind"].as_str().unwrap() {
            "share" => {
                assert!(told["sealed"]["to"].as_str().unwrap().starts_with("peer-"), "{told}");
                let (start, end) = (&told["window"]["start"], &told["window"]["end"]);
                assert!(start.as_str().unwrap() < end.as_str().unwrap() && *verdict == "none", "{told}");
            }
            "peer" => {
                assert_eq!((&told["sealed"]["to"], &told["window"]), (&told["to"], &Value::Null), "{told}");
                assert!(!says.contains("inventory") && !says.contains("vote"), "it can't know: {told}");
            }
            "output" => assert_eq!(told["sealed"]["to"], "display", "{told}"),
            "pairing" | "status" | "discovery" | "state" => assert_eq!(verdict, "none", "{told}"),
            "proposal" => assert_ne!(verdict, "bad", "{told}"),
            // Cleared: nothing is signed.
            _ if told["bytes"] == 0 => {}
            _ => assert_eq!(verdict, "good", "{told}"),
        }
        bytes += told["bytes"].as_u64().unwrap() + told["topic"].as_str().unwrap().len() as u64;
    }
    let sum = |key: &str| {
        let counts = summary["by_kind"].as_object().unwrap().values();
        counts.map(|count| count[key].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((sum("messages"), sum("bytes")), (all.len() as u64, bytes));
}

#[test]
fn whatever_a_site_publishes_is_json_on_one_line_in_the_order_of_the_page_and_is_explained() {
    let page = Page::read();
    let mut site = busy_site();
    site.start_broker();
    let all = site.subscribe("observer-all", &EVERYTHING);
    let observer = site.subscribe("observer-1", &["murmur/hq/#"]);
    let (sniffing, told) = sniff(&site);
    site.start_nodes();
    await_outcome(&observer, "co2-sum", "a value of all", |signed| all_fresh(signed, 6));
    keep_busy(&site, &observer);

    // Parts of long values are held against the page where long values are summed.
    let mut missing: BTreeSet<_> = page.topics().filter(|topic| !topic.contains("/part/")).collect();
    all.wait_for(&format!("all of {missing:?}"), |message| {
        missing.remove(page.check(&message));
        missing.is_empty().then_some(())
    });
    for message in all.drain() {
        page.check(&message);
    }
    let (explained, summary) = end(sniffing, &told);
    assert_explained(&explained, &summary);
    let kinds: BTreeSet<_> = explained.iter().map(|told| told["kind"].as_str().unwrap()).collect();
    // All but the parts of long values and what nobody knows.
    assert_eq!(kinds.len(), 17, "{kinds:?}");
    site.assert_nobody_panicked();
}
