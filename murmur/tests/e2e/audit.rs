//! Peers' logs: they fit after a life with `kill -9` in it, fit what the others recorded of them, and a change is found.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value as Json;

use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::programs::Program;
use crate::support::site::Site;

/// `murmur audit` with the site's file.
fn audit(site: &Site, arguments: &[&str], files: &[&Path]) -> (i32, String) {
    let mut command = Program::Murmur.command();
    command.arg("audit").args(arguments).args(files).arg("--site").arg(site.path("site.toml"));
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = [stdout, stderr].concat();
    (status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn log_of(site: &Site, peer: &str) -> PathBuf {
    site.path(&format!("state/{peer}/audit.sqlite"))
}

/// What is found in the log of `peer` with the others' logs beside it.
pub(crate) fn verify(site: &Site, peer: &str) -> Json {
    let others: Vec<PathBuf> =
        site.peers().iter().filter(|other| *other != peer).map(|other| log_of(site, other)).collect();
    let heads = |log: &PathBuf| format!("--heads-of={}", log.display());
    let heads: Vec<String> = others.iter().map(heads).collect();
    let arguments: Vec<&str> =
        ["verify", "--json"].into_iter().chain(heads.iter().map(String::as_str)).collect();
    let (code, text) = audit(site, &arguments, &[&log_of(site, peer)]);
    let verdict: Json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(code, i32::from(verdict["verdict"] != "ok"), "{text}");
    verdict
}

#[test]
fn a_log_fits_after_kill_9_and_a_change_of_it_is_found() {
    let mut site = Site::quick("1h", &["--agents", "6"]);
    for peer in site.peers() {
        site.edit(&format!("{peer}.toml"), |text| format!("{text}\n[audit]\nhead_every = \"1s\"\n"));
    }
    // Its log is in two places, the others' in one.
    let run_dir = format!("run_dir = {:?}", site.path("run/peer-1"));
    site.edit("peer-1.toml", |text| format!("{run_dir}\n{text}"));
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-sum", "a value of all", |signed| all_fresh(signed, 6));
    site.process("peer-1").kill();
    site.start("peer-1");
    await_outcome(&observer, "co2-sum", "a value of all peers again", |signed| {
        signed.result.peers.len() == 3
    });
    let heads = site.subscribe("observer-2", &["murmur/hq/audit/peer-1"]);
    let before = heads.wait_for("a retained head of peer-1", |message| {
        (message.retained && message.topic.ends_with("peer-1")).then_some(message)
    });
    let size = before.json()["size"].as_u64().unwrap();
    heads.wait_for("a head that goes on from it", |message| {
        let head = message.json();
        (head["peer"] == "peer-1" && head["before"]["size"].as_u64() >= Some(size)).then_some(())
    });
    // In the midst of it, and then with a word to say goodbye.
    site.process("peer-1").kill();
    for peer in ["peer-2", "peer-3"] {
        assert!(site.process(peer).terminate().success());
    }
    site.assert_nobody_panicked();
    for peer in site.peers() {
        let verdict = verify(&site, &peer);
        assert_eq!(verdict["verdict"], "ok", "{verdict}");
        assert!(verdict["entries"].as_u64() > Some(10), "{verdict}");
        assert!(verdict["recorded"].as_u64() >= Some(2), "others have heads of it: {verdict}");
    }
    // Who leaves in order has signed for all of it.
    let whole = verify(&site, "peer-2");
    assert_eq!(whole["vouched"], whole["entries"]);
    let (_, shown) = shown(&site, "peer-1");
    assert_eq!(shown.matches("started, version").count(), 2, "{shown}");
    a_proof_holds(&site, &whole);
    a_change_is_found(&site);
}

fn shown(site: &Site, peer: &str) -> (i32, String) {
    let output = Program::Murmur.command().args(["audit", "show"]).arg(log_of(site, peer)).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// One entry, shown to somebody who has nothing but the site file, and the head that the broker keeps.
fn a_proof_holds(site: &Site, whole: &Json) {
    let head = site.subscribe("observer-3", &["murmur/hq/audit/peer-2"]);
    let head = head.wait_for("the last head of peer-2", |message| Some(message.payload));
    let (proof, kept) = (site.path("proof.json"), site.path("head.json"));
    std::fs::write(&kept, head).unwrap();
    let mut command = Program::Murmur.command();
    let made = command.args(["audit", "prove", "--entry", "3"]).arg(log_of(site, "peer-2")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(&proof, &made.stdout).unwrap();
    let head = format!("--head={}", kept.display());
    let (code, told) = audit(site, &["check", &head], &[&proof]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains(&format!("in the log of {} entries that peer-2 signed", whole["entries"])),
        "{told}"
    );
    let forged = String::from_utf8(made.stdout).unwrap().replace("\"seq\": 3", "\"seq\": 4");
    std::fs::write(&proof, forged).unwrap();
    let (code, told) = audit(site, &["check"], &[&proof]);
    assert!(code == 1 && told.contains("not proven"), "{told}");
}

/// Somebody who can write the file gives a result another cohort.
fn a_change_is_found(site: &Site) {
    let mut changed = std::fs::read(log_of(site, "peer-3")).unwrap();
    let (from, to) = (b"\"cohort\":6", b"\"cohort\":7");
    // Everywhere: some are what SQLite left behind when it moved a row, and no part of the log.
    while let Some(at) = changed.windows(from.len()).position(|bytes| bytes == from) {
        changed[at..at + to.len()].copy_from_slice(to);
    }
    let copy = site.path("changed.sqlite");
    std::fs::write(&copy, changed).unwrap();
    let (code, told) = audit(site, &["verify"], &[&copy]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("MISFIT in the log of peer-3: entry"), "{told}");
    assert!(told.contains("its hash is not that of its content"), "{told}");
}
