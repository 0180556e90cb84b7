//! Clients that mean harm to a broker whose site is at work: what the embedded broker makes of them, and Mosquitto with the
//! rules that `murmur site broker` writes. Whatever they do, results go on.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::brokers::Kind;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::site::Site;

/// How long a newcomer may wait while 500 others stop half-way, on a machine that has much else to do.
const LONGEST_WAIT_S: f64 = 10.0;

/// What all cases are for both brokers.
const CASES: [&str; 8] = [
    "filters_that_say_too_much",
    "forged_messages",
    "retained_shares",
    "foreign_wills",
    "half_said_connects",
    "slow_reader",
    "garbage",
    "mutated_packets",
];

/// Attacks a site over `kind` of a broker, and returns what came of each case.
fn attack(kind: Kind, flags: &[&str], more: &[&str]) -> BTreeMap<String, Value> {
    let mut site = Site::quick_on(kind, "10s", &[&["--agents", "6"], flags].concat());
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-mean", "a value of all", |signed| all_fresh(signed, 6));
    let (agent, reader) = (site.login("room-6", ""), site.login("observer", ""));
    let ca = Some(site.path("ca.pem")).filter(|path| path.exists());
    let told = json!({
        "host": agent.broker.ip(),
        "port": agent.broker.port(),
        "ca": ca,
        "site": site.roster().site(),
        "agent": {"user": agent.user, "password": agent.password},
        "reader": {"user": reader.user, "password": reader.password},
        "cases": [&CASES[..], more].concat(),
    });
    let found = run(&told);
    await_outcome(&observer, "co2-mean", "a value of all after all that", |signed| {
        all_fresh(signed, 6) && signed.result.verified
    });
    site.assert_nobody_panicked();
    found
}

fn run(told: &Value) -> BTreeMap<String, Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/hostile_clients/attack.py");
    let mut python = Command::new("python3");
    python.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut attacker = python.spawn().expect("python3 with paho-mqtt is needed");
    attacker.stdin.take().unwrap().write_all(told.to_string().as_bytes()).unwrap();
    let output = attacker.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{said}");
    let facts = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    facts.map(|fact| (fact["case"].as_str().unwrap().to_owned(), fact)).collect()
}

/// What must be so whoever the broker is.
fn assert_harmless(found: &BTreeMap<String, Value>) {
    for case in ["filters_that_say_too_much", "forged_messages", "foreign_wills"] {
        assert_eq!(found[case]["seen"], json!([]), "{case}");
    }
    assert!(found["half_said_connects"]["longest_s"].as_f64().unwrap() < LONGEST_WAIT_S);
    assert_eq!(found["garbage"]["ended"], found["garbage"]["of"]);
    assert_eq!(found["mutated_packets"]["sent"], 10_000);
}

#[test]
fn nothing_that_hostile_clients_do_to_the_embedded_broker_is_noticed_by_others() {
    let found = attack(Kind::Embedded, &["--tls"], &["half_made_handshakes", "taken_names"]);
    assert_harmless(&found);
    assert_eq!(found["filters_that_say_too_much"]["granted"], json!([]));
    assert_eq!(found["retained_shares"]["kept"], false);
    assert_eq!(found["foreign_wills"]["refused"], 6);
    assert_eq!(found["taken_names"]["let_in"], json!([false, false, false, false]));
    assert_eq!(found["taken_names"]["gone"], json!([]));
    assert!(found["half_made_handshakes"]["longest_s"].as_f64().unwrap() < LONGEST_WAIT_S);
    assert_eq!(found["slow_reader"]["cut_off"], true);
}

/// Mosquitto grants filters and delivers nothing on them that the rules forbid; keeps what it is told to keep; drops what is
/// for a slow reader instead of cutting it off; and knows no rule of client ids, which docs/brokers.md says.
#[test]
fn mosquitto_with_the_shipped_rules_lets_hostile_clients_do_no_harm_to_results() {
    assert_harmless(&attack(Kind::Mosquitto, &[], &[]));
}
