//! Nodes that nobody knows join by a code.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Output, Stdio};

use serde_json::Value;
use smc_core::time::Timestamp;

use crate::support::brokers::is_elsewhere;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::programs::Program;
use crate::support::site::Site;

/// A member that shows a code.
pub(crate) struct Pairing {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
    pub(crate) code: String,
}

impl Pairing {
    pub(crate) fn start(site: &Site, arguments: &[&str]) -> Self {
        let mut command = Program::Murmur.command();
        command.args(["pair", "--json"]).args(arguments);
        command.arg("--config").arg(site.path("peer-1.toml")).env("MURMUR_BROKER", site.url());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let shown = next(&mut said);
        let code = shown["code"].as_str().unwrap().to_owned();
        Self { child, said, code }
    }

    /// What it says next.
    pub(crate) fn next(&mut self) -> Value {
        next(&mut self.said)
    }

    /// How it ended, and what it said to people.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }

    /// A code that is not this one.
    fn wrong_code(&self) -> String {
        let (start, last) = self.code.split_at(8);
        format!("{start}{}", if last == "0" { "1" } else { "0" })
    }
}

fn next(said: &mut impl BufRead) -> Value {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

/// What a newcomer's machine does.
pub(crate) fn newcomer(site: &Site, program: Program, verb: &str, code: &str, folder: &str) -> Output {
    let mut command = program.command();
    command.args([verb, code, "--broker", &site.url(), "--wait", "20s"]);
    command.arg("--into").arg(site.path(folder)).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
pub(crate) fn assert_ends(output: &Output, success: bool, told: &str) {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(output));
    assert!(output.status.success() == success && said.contains(told), "{said}");
}

/// From when on the member list names who has paired.
pub(crate) fn effective(outcome: &Value) -> Timestamp {
    let effective = outcome["outcome"]["member"]["effective"].as_str();
    effective.unwrap_or_else(|| panic!("{outcome}")).parse().unwrap()
}

#[test]
fn an_agent_that_nobody_knew_joins_by_a_code_and_a_name_that_is_taken_is_refused() {
    if is_elsewhere("only the embedded broker takes logins from the member list") {
        return;
    }
    let mut site = Site::quick("10s", &["--agents", "6"]);
    for peer in site.peers() {
        site.set(&format!("{peer}.toml"), "consent", "\"auto\"");
    }
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let none = newcomer(&site, Program::Agent, "pair", "0000-0000", "early");
    assert_ends(&none, false, "lets anybody in at this moment");
    assert!(!site.path("early").exists(), "nothing is left of an attempt");

    let mut pairing =
        Pairing::start(&site, &["room-7", "--streams", "co2", "--label", "floor=1", "--lead", "2s"]);
    let guess = newcomer(&site, Program::Agent, "pair", &pairing.wrong_code(), "guess");
    assert_ends(&guess, false, "wrong code; 2 more may be tried");
    assert_eq!(pairing.next()["wrong_code"]["left"], 2);
    assert!(!site.path("guess").exists());
    let code = pairing.code.clone();
    let paired = newcomer(&site, Program::Agent, "pair", &code, "attic");
    assert_ends(&paired, true, "room-7 is an agent of the site hq, let in by peer-1");
    let since = effective(&pairing.next());
    assert_eq!(pairing.end().0, Some(0));
    let again = newcomer(&site, Program::Agent, "pair", &code, "again");
    assert_ends(&again, false, "lets anybody in at this moment");

    site.start("attic/room-7");
    await_outcome(&observer, "co2-sum", "seven rooms, one of them new", |signed| {
        signed.result.window.start.parse::<Timestamp>().unwrap() >= since && all_fresh(signed, 7)
    });
    // It introduced itself when the list named it, a little before the peers went on with that list.
    let statuses = site.subscribe("observer-2", &["murmur/hq/status/peer-1"]);
    let refused = statuses.wait_for("a status", |message| Some(message.json()["refused"].clone()));
    assert!(refused.get("bad_introduction").is_none(), "{refused}");

    // Its owner can see in a peer's log what it took part in, by the site file that it was given.
    let log =
        ["mine", "--agent", "room-7", "--log", "state/peer-1/audit.sqlite", "--site", "attic/site.toml"];
    let mine = site.murmur(&log);
    assert!(mine.contains("co2-sum: sum of co2") && mine.contains("your agent was in"), "{mine}");

    // Whoever lost the answer pairs again with the keys that it has; whoever has others does not get the name.
    let pairing = Pairing::start(&site, &["room-7", "--streams", "co2"]);
    assert_ends(&newcomer(&site, Program::Agent, "pair", &pairing.code, "attic"), true, "room-7");
    assert_eq!(pairing.end().0, Some(0));
    let mut pairing = Pairing::start(&site, &["room-7", "--streams", "co2"]);
    let taken = newcomer(&site, Program::Agent, "pair", &pairing.code, "thief");
    assert_ends(&taken, false, "`room-7` is a member already");
    assert!(pairing.next()["outcome"]["refused"]["why"].as_str().unwrap().contains("is a member already"));
    assert_eq!(pairing.end().0, Some(1));
    assert!(!site.path("thief").exists());
    site.assert_nobody_panicked();
}

#[test]
fn how_long_it_takes_can_be_measured() {
    let output = Program::Murmur.command().args(["bench", "pairing", "--newcomers", "1", "--json"]).output();
    let output = output.unwrap();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    assert!(report["pairing_ms"]["p50"].as_f64().unwrap() > 0.0 && report["ratio"].as_f64().unwrap() > 1.0);
}

#[test]
fn a_client_joins_with_the_consent_of_the_peers_operators() {
    if is_elsewhere("only the embedded broker takes logins from the member list") {
        return;
    }
    let mut site = Site::quick("10s", &["--agents", "6"]);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-sum", "a value", |signed| signed.result.value.is_some());

    let pairing = Pairing::start(&site, &["desk", "--client", "--wait", "1s", "--lead", "8s"]);
    let agent = newcomer(&site, Program::Agent, "pair", &pairing.code, "desk");
    assert_ends(&agent, false, "use `murmur join`");
    assert_eq!(pairing.end().0, Some(1), "the newcomer has said that it can't");

    let mut pairing = Pairing::start(&site, &["desk", "--client", "--wait", "1s", "--lead", "8s"]);
    let joined = newcomer(&site, Program::Murmur, "join", &pairing.code, "desk");
    assert_ends(&joined, true, "more peers have to sign first");
    assert!(pairing.next()["outcome"]["proposed"]["subject"].is_string());
    assert_eq!(pairing.end().0, Some(0));
    site.murmur(&["member", "consent", "--config", "peer-2.toml"]);
    let listed = site.murmur(&["member", "list", "--config", "peer-3.toml"]);
    assert!(listed.contains("desk"), "{listed}");
    let (url, folder) = (site.url(), site.path("desk"));
    let (file, key) = (folder.join("site.toml"), folder.join("keys/desk.key"));
    let paths = [file.to_str().unwrap(), key.to_str().unwrap()];
    // It has its login as soon as enough peers have signed, and may ask when the list names it.
    site.murmur(&["queries", "--site", paths[0], "--key", paths[1], "--broker", &url]);
    site.assert_nobody_panicked();
}
