//! What whoever has the first site file can do after a peer was replaced.

use std::path::Path;
use std::process::Output;

use serde_json::Value as Json;

use crate::support::mosquitto::Subscriber;
use crate::support::outcome::outcome;
use crate::support::programs::Program;
use crate::support::site::Site;

/// `murmur` with the site's first site file; how it ended, and what it said.
fn murmur(site: &Site, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Program::Murmur.command();
    command.args(words).arg("--site").arg(site.path("site.toml"));
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

/// `murmur` as the client `display`.
fn as_client(site: &Site, words: &[&str]) -> (Option<i32>, String) {
    let key = site.path("keys/display.key");
    let who = ["--key", key.to_str().unwrap(), "--broker", &site.url(), "--wait", "8s"];
    murmur(site, &[words, &who[..]].concat())
}

/// A result that the new peer signed, and the charters, as `mosquitto_sub -v` prints them.
fn lines(site: &Site, observer: &Subscriber) -> (String, String) {
    let charters = site.subscribe("observer-charter", &["murmur/hq/charter"]);
    let charters = charters.wait_for("the charters", |message| Some(message.text().to_owned()));
    let result = observer.wait_for("a result that peer-4 signed", |message| {
        let signed = outcome(&message)?;
        let new = signed.signatures.keys().any(|peer| peer.as_str() == "peer-4");
        (new && signed.result.value.is_some()).then(|| message.text().to_owned())
    });
    (charters, result)
}

pub(super) fn verifies_results(site: &Site, observer: &Subscriber) {
    let (charters, result) = lines(site, observer);
    let verify = |name: &str, lines: &str, flags: &[&str]| {
        let file = site.path(name);
        std::fs::write(&file, lines).unwrap();
        murmur(site, &[&["verify", file.to_str().unwrap()], flags].concat())
    };
    let (code, said) = verify("alone.jsonl", &result, &[]);
    assert!(code == Some(1) && said.contains("`peer-4` signed and is no peer"), "{said}");
    let (code, said) = verify("with.jsonl", &format!("murmur/hq/charter {charters}\n{result}\n"), &[]);
    assert!(code == Some(0) && said.contains("ok revision 1 of the member list"), "{said}");
    let kept = site.path("state/peer-1/members.json");
    let members = ["--members", kept.to_str().unwrap()];
    let (code, said) = verify("alone.jsonl", &result, &members);
    assert_eq!(code, Some(0), "{said}");
}

pub(super) fn asks_and_reads(site: &Site) {
    // What the peers' operators have to say comes later than `--wait`: that it is open is not what matters here.
    let (_, said) = as_client(
        site,
        &["ask", "mean", "co2", "--name", "air", "--for", "a test", "--until", "1h", "--json"],
    );
    for peer in ["peer-1", "peer-2", "peer-4"] {
        assert!(said.contains(&format!("\"peer\":\"{peer}\"")), "{said}");
    }
    for peer in ["peer-1", "peer-4"] {
        let config = format!("{peer}.toml");
        let approved = site.murmur(&["approve", "air", "--peer-config", &config, "--wait", "20s"]);
        assert!(approved.contains("allowed"), "{approved}");
    }
    let (code, said) = as_client(site, &["watch", "air", "--for-windows", "1", "--json"]);
    let is_new = |line: &str| {
        let line: Json = serde_json::from_str(line).unwrap_or_default();
        line["result"]["signatures"]["peer-4"].is_string()
    };
    assert!(code == Some(0) && said.lines().any(is_new), "{said}");
    let (code, said) = as_client(site, &["results", "air"]);
    assert!(code == Some(0) && said.contains("signed by peer-1 peer-4"), "{said}");
    let (code, said) = as_client(site, &["queries"]);
    assert!(code == Some(0) && said.contains("air: mean of co2"), "{said}");
}

pub(super) fn verifies_logs(site: &Site) {
    let log = |peer: &str| site.path(&format!("state/{peer}/audit.sqlite"));
    let heads = format!("--heads-of={}", log("peer-2").display());
    // The first of them has been a peer from the beginning, the last joined by a charter, and peer-3 gave way to it.
    for peer in ["peer-1", "peer-3", "peer-4"] {
        let file = log(peer);
        let (code, said) = murmur(site, &["audit", "verify", file.to_str().unwrap(), &heads, "--json"]);
        let verdict: Json = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!((code, &verdict["verdict"]), (Some(0), &Json::from("ok")), "{peer}: {verdict}");
        assert!(verdict["entries"].as_u64() > Some(5), "{peer}: {verdict}");
    }
    let shown = shown(&log("peer-4"));
    assert!(shown.contains("revision 1 of the member list"), "it came before the peer started: {shown}");
}

fn shown(log: &Path) -> String {
    let output = Program::Murmur.command().args(["audit", "show", "--kind", "membership"]).arg(log).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}
