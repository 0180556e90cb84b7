//! Asking a running site: what peers and their operators decide, what comes of it, and what is wrong with what some send.

mod bad_requests;

use std::process::{Child, Output, Stdio};

use serde_json::Value;

use crate::support::programs::Program;
use crate::support::site::Site;

/// A site that lets the client `display` ask.
fn site() -> Site {
    let mut site = Site::quick("30s", &["--agents", "6", "--clients", "display"]);
    site.start_all();
    site
}

/// How a command ended, and what it printed.
pub(crate) struct Said {
    code: Option<i32>,
    pub(crate) lines: Vec<String>,
    stderr: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self { code: output.status.code(), lines: text.lines().map(str::to_owned).collect(), stderr }
    }

    /// The lines that are JSON objects with this key.
    pub(crate) fn with(&self, key: &str) -> Vec<Value> {
        let json = self.lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        json.filter_map(|value| value.get(key).cloned()).collect()
    }

    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{:#?}\n{}", self.lines, self.stderr);
        self
    }
}

/// `murmur` as the client `display`, running.
fn start(site: &Site, arguments: &[&str]) -> Child {
    let mut command = Program::Murmur.command();
    command.args(arguments).arg("--site").arg(site.path("site.toml"));
    command.arg("--key").arg(site.path("keys/display.key"));
    command.args(["--broker", &site.url()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn murmur(site: &Site, arguments: &[&str]) -> Said {
    Said::of(start(site, arguments).wait_with_output().unwrap())
}

/// What the operator of a peer does; how the command ends.
pub(crate) fn operate(site: &Site, peer: &str, verb: &str, query: &str) -> Said {
    let mut command = Program::Murmur.command();
    command.args([verb, query, "--reason", "so be it", "--broker", &site.url(), "--wait", "20s"]);
    command.arg("--peer-config").arg(site.path(&format!("{peer}.toml")));
    Said::of(command.output().unwrap())
}

/// Asks for something under a name, and does not wait for operators.
pub(crate) fn ask(site: &Site, function: &str, name: &str) -> Said {
    let rest = ["co2", "--for", "a test", "--until", "1h", "--wait", "20s", "--json"];
    let mut child = start(site, &[&["ask", function, "--name", name], &rest[..]].concat());
    for peer in site.peers() {
        // Until all have said that their operators have to say.
        await_verdict(site, &peer, name, "asked");
    }
    child.kill().unwrap();
    Said::of(child.wait_with_output().unwrap())
}

/// Waits until a peer's decision stands like this.
pub(crate) fn await_verdict(site: &Site, peer: &str, query: &str, verdict: &str) -> Value {
    let topic = format!("murmur/hq/decision/{peer}/{query}");
    let observer = site.subscribe(&format!("observer-{peer}-{query}"), &[&topic]);
    observer.wait_for(&format!("{peer} says {verdict} to {query}"), |message| {
        let decision = message.json();
        (decision["verdict"] == verdict).then_some(decision)
    })
}

#[test]
fn results_come_while_a_quorum_computes_and_whoever_asked_can_take_it_back() {
    let site = site();
    let said = ask(&site, "mean", "air");
    assert_eq!(said.with("asked"), ["air"]);
    assert_eq!(said.with("decision").len(), 3, "{:?}", said.lines);

    operate(&site, "peer-3", "deny", "air").ends_with(0);
    operate(&site, "peer-1", "approve", "air").ends_with(0);
    operate(&site, "peer-2", "approve", "air").ends_with(0);
    let said = murmur(&site, &["watch", "air", "--for-windows", "1", "--json"]).ends_with(0);
    let value = said.with("result").into_iter().find(|result| result["status"] == "ok").unwrap();
    assert_eq!(value["query"], "air", "{value}");
    // An agent that was not heard before the first epoch began stays out of its cohort.
    assert!((5..=6).contains(&value["cohort"].as_u64().unwrap()), "{value}");
    let table = murmur(&site, &["results", "air", "--csv", "--for-windows", "2"]).ends_with(0);
    assert!(table.lines.len() >= 3 && table.lines[0].starts_with("query,window,"), "{:?}", table.lines);

    let queries = murmur(&site, &["queries"]).ends_with(0).lines.join("\n");
    assert!(queries.contains("air: mean of co2"), "{queries}");
    assert!(queries.contains("computed by peer-1, peer-2\n"), "{queries}");
    assert!(queries.contains("so be it") && queries.contains("denied"), "{queries}");
    operate(&site, "peer-1", "pause", "air").ends_with(0);
    operate(&site, "peer-1", "resume", "air").ends_with(0);
    operate(&site, "peer-3", "resume", "air").ends_with(4);

    murmur(&site, &["cancel", "air", "--wait", "20s"]).ends_with(0);
    for peer in ["peer-1", "peer-2"] {
        await_verdict(&site, peer, "air", "cancelled");
    }
    site.assert_nobody_panicked();
}

#[test]
fn one_value_for_one_client_alone() {
    let site = site();
    let arguments = ["ask", "max", "co2", "--name", "worst", "--audience", "me", "--for", "a test"];
    let asking = start(&site, &[&arguments[..], &["--once", "--json", "--wait", "50s"]].concat());
    for peer in site.peers() {
        await_verdict(&site, &peer, "worst", "asked");
        operate(&site, &peer, "approve", "worst").ends_with(0);
    }
    let said = Said::of(asking.wait_with_output().unwrap()).ends_with(0);
    let value = said.with("value").pop().unwrap();
    assert!((400.0..=5_000.0).contains(&value.as_f64().unwrap()), "{:?}", said.lines);
    assert_eq!(said.with("outlook").last().unwrap(), "running", "{:?}", said.lines);
    for peer in site.peers() {
        await_verdict(&site, &peer, "worst", "done");
    }
}

#[test]
fn who_asks_is_told_when_too_many_peers_deny() {
    let site = site();
    let asking = start(&site, &["ask", "mean", "co2", "--name", "nosy", "--for", "a test", "--wait", "50s"]);
    for peer in ["peer-1", "peer-3"] {
        await_verdict(&site, peer, "nosy", "asked");
        operate(&site, peer, "deny", "nosy").ends_with(0);
    }
    let said = Said::of(asking.wait_with_output().unwrap()).ends_with(3);
    assert!(said.lines.join("\n").contains("there will be no results"), "{:?}", said.lines);
}
