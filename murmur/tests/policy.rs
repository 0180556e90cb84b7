//! `murmur policy check` and `murmur policy try` as people run them.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{Run, murmur};
use serde_json::{Value, json};
use smc_core::document::Signable;
use smc_core::name::NodeName;
use smc_core::request::Request;
use smc_mqtt::config::KeyFile;
use tempfile::TempDir;

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/policy");
const AT: &str = "2026-11-26T12:00:00Z";

/// A site with ten rooms and the client `display`, of the group `facility`.
fn site() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rooms: Vec<_> = (1..=10).map(|room| format!("room-{room}")).collect();
    let rooms = rooms.join(",");
    let run = murmur(
        folder.path(),
        &["site", "init", "hq", "--name", "hq", "--agents", &rooms, "--clients", "display"],
    );
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let path = folder.path().join("hq/site.toml");
    let text = fs::read_to_string(&path).unwrap();
    let with_groups = text.replacen("[[client]]\n", "[[client]]\ngroups = [\"facility\"]\n", 1);
    assert_ne!(text, with_groups);
    fs::write(path, with_groups).unwrap();
    folder
}

fn request(function: &str) -> Value {
    json!({
        "v": 1, "site": "hq", "client": "display",
        "query": {"name": "air", "function": function, "quantity": "co2", "purpose": "ventilation"},
        "not_before": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z",
    })
}

fn attempt(folder: &Path, request: &Value, more: &[&str]) -> (Run, Value) {
    fs::write(folder.join("request.json"), request.to_string()).unwrap();
    let fixed = ["policy", "try", "request.json", "--site", "hq/site.toml", "--at", AT, "--json"];
    let run = murmur(folder, &[&fixed, more].concat());
    let told = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}", run.stderr));
    (run, told)
}

/// What a step says of a request that was tried.
fn step<'a>(told: &'a Value, name: &str) -> &'a Value {
    let steps = told["steps"].as_array().unwrap();
    steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no {name} in {told}"))
}

#[test]
fn the_samples_are_policies() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(SAMPLES).unwrap() {
        let path = entry.unwrap().path();
        let run = murmur(folder.path(), &["policy", "check", path.to_str().unwrap()]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{path:?}");
    }
}

#[test]
fn all_mistakes_are_told_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let text = "permit (principal, action, resource);\n@id(\"b\")\nforbid (principal, action == Action::\"avg\", resource);\n";
    fs::write(folder.path().join("bad.cedar"), text).unwrap();
    let run = murmur(folder.path(), &["policy", "check", "bad.cedar"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("error: bad.cedar:1:1: a rule without a name"), "{}", run.stderr);
    assert!(run.stderr.contains("error: bad.cedar:3:"), "{}", run.stderr);
    let run = murmur(folder.path(), &["policy", "check", "bad.cedar", "--json"]);
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, &told["ok"]), (1, &json!(false)));
    assert!(told["mistakes"].as_array().unwrap().len() >= 2, "{told}");
    assert_eq!(murmur(folder.path(), &["policy", "check", "none.cedar"]).code, 1);
}

#[test]
fn trying_tells_the_outcome_and_the_rule() {
    let folder = site();
    let school = format!("{SAMPLES}/school.cedar");
    let policy = ["--policy", school.as_str()];
    let (run, told) = attempt(folder.path(), &request("mean"), &policy);
    assert_eq!((run.code, &told["outcome"]), (0, &json!("allow")), "{told}");
    assert_eq!(step(&told, "policy")["rule"], "ventilation");
    let (run, told) = attempt(folder.path(), &request("max"), &policy);
    assert_eq!((run.code, &told["outcome"]), (1, &json!("deny")), "{told}");
    assert_eq!(step(&told, "policy")["rule"], "no-rankings");
    let (run, told) = attempt(folder.path(), &request("variance"), &policy);
    assert_eq!((run.code, &told["outcome"]), (0, &json!("ask")), "{told}");
    let (_, told) = attempt(folder.path(), &request("mean"), &[]);
    assert_eq!(step(&told, "policy")["rule"], "ask-everything");
}

#[test]
fn what_the_site_the_time_and_the_budgets_say_counts_as_well() {
    let folder = site();
    let school = format!("{SAMPLES}/school.cedar");
    let policy = ["--policy", school.as_str()];
    let (run, told) = attempt(folder.path(), &request("guess"), &policy);
    assert_eq!((run.code, &step(&told, "site")["ok"]), (1, &json!(false)), "{told}");
    let mut over = request("mean");
    over["until"] = json!("2026-11-25T00:00:00Z");
    let (run, told) = attempt(folder.path(), &over, &policy);
    assert_eq!((run.code, &step(&told, "time")["ok"]), (1, &json!(false)), "{told}");
    let (run, told) =
        attempt(folder.path(), &request("mean"), &[&policy[..], &["--client", "nobody"]].concat());
    assert_eq!((run.code, &step(&told, "policy")["ok"]), (1, &json!(false)), "{told}");

    let peer = folder.path().join("hq/peer-1.toml");
    let text = fs::read_to_string(&peer).unwrap();
    let tables = format!(
        "\n[policy]\nfile = \"{school}\"\n[budget]\nrunning_per_client = 3\n[budget.finest_period]\nco2 = \"1h\"\n"
    );
    fs::write(&peer, text + &tables).unwrap();
    smc_peer::PeerConfig::load(&peer).unwrap();
    let (run, told) = attempt(folder.path(), &request("mean"), &["--peer", "hq/peer-1.toml"]);
    assert_eq!((run.code, &step(&told, "budget")["rule"]), (1, &json!("budget")), "{told}");
    let mut hourly = request("mean");
    hourly["every"] = json!("1h");
    let (run, told) = attempt(folder.path(), &hourly, &["--peer", "hq/peer-1.toml"]);
    assert_eq!((run.code, &told["outcome"]), (0, &json!("allow")), "{told}");
    let busy = ["--peer", "hq/peer-1.toml", "--running-for-client", "3"];
    assert_eq!(attempt(folder.path(), &hourly, &busy).0.code, 1);
}

#[test]
fn a_signature_is_checked_where_there_is_one() {
    let folder = site();
    let name: NodeName = "display".parse().unwrap();
    let key = KeyFile::load(&folder.path().join("hq/keys/display.key"), &name).unwrap();
    let mut signed = request("mean");
    let form = smc_core::document::canonical(&signed);
    signed["sig"] = serde_json::to_value(key.keys.signing.sign(Request::DOMAIN, &form)).unwrap();
    let (run, told) = attempt(folder.path(), &signed, &[]);
    assert_eq!((run.code, &step(&told, "signature")["ok"]), (0, &json!(true)), "{told}");
    signed["query"]["purpose"] = json!("curiosity");
    let (run, told) = attempt(folder.path(), &signed, &[]);
    assert_eq!((run.code, &step(&told, "signature")["ok"]), (1, &json!(false)), "{told}");
}
