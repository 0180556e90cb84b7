//! What the owner of an agent is told: who asked about it, what for, what the peers said, and what came of it.

use serde_json::Value as Json;

use crate::support::brokers::is_rabbitmq;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome};
use crate::support::programs::Program;
use crate::support::site::Site;

/// The objects that `murmur mine` prints for room-1.
fn mine(site: &Site, flags: &[&str]) -> Vec<Json> {
    let url = site.url();
    let said = site.murmur(&[&["mine", "--agent", "room-1", "--broker", &url, "--json"], flags].concat());
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What is told of one query.
fn of<'a>(told: &'a [Json], query: &str) -> &'a Json {
    let is = |line: &&Json| line["query"] == query && line.get("asked").is_some();
    told.iter().find(is).unwrap_or_else(|| panic!("{query}: {told:#?}"))
}

#[test]
fn an_owner_sees_who_asked_what_for_who_refused_and_whether_the_agent_was_in_the_cohort() {
    if is_rabbitmq("with an agent's key requests are not found, which `murmur mine` says") {
        return;
    }
    let mut site = Site::quick("30s", &["--agents", "6", "--clients", "display"]);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "co2-sum", "a value of all", |signed| all_fresh(signed, 6));
    let mut ask = Program::Murmur.command();
    ask.current_dir(site.path("")).args(["ask", "mean", "co2", "--name", "air", "--for", "ventilation"]);
    ask.args(["--key", "keys/display.key", "--broker", &site.url(), "--wait", "4s"]);
    // The operators have their say afterwards.
    let asked = ask.output().unwrap();
    assert_eq!(asked.status.code(), Some(4), "{}", String::from_utf8_lossy(&asked.stderr));
    let word = |verb, peer: &str| {
        let config = format!("{peer}.toml");
        let reason = ["--reason", "the rooms are let", "--wait", "20s"];
        site.murmur(&[&[verb, "air", "--peer-config", &config], &reason[..]].concat());
    };
    word("deny", "peer-1");
    word("approve", "peer-2");
    word("approve", "peer-3");
    await_outcome(&observer, "air", "a value", |signed| signed.result.value.is_some());

    let told = mine(&site, &[]);
    let air = of(&told, "air");
    assert_eq!((&air["client"], &air["purpose"]), (&Json::from("display"), &Json::from("ventilation")));
    assert_eq!(air["refused"], true, "{air}");
    let decisions = air["decisions"].as_array().unwrap();
    let denied = decisions.iter().find(|decision| decision["verdict"] == "denied").unwrap();
    assert!(denied["peer"] == "peer-1" && denied["reason"].as_str().unwrap().contains("the rooms are let"));
    assert_eq!(decisions.len(), 3, "{air}");
    // The broker has the newest result alone, and that does not say whom it covers.
    let windows = &of(&told, "co2-sum")["windows"];
    assert_eq!(
        (&windows["used"], &windows["values"]),
        (&Json::from(0), &windows["may_have_used"]),
        "{told:#?}"
    );

    let log = site.path("state/peer-2/audit.sqlite");
    let from_log = ["--log", log.to_str().unwrap()];
    let told = mine(&site, &from_log);
    let windows = &of(&told, "co2-sum")["windows"];
    assert!(windows["used"].as_u64() >= Some(1), "the log says who was in the cohort: {windows}");
    assert!(of(&told, "air")["windows"]["values"].as_u64() >= Some(1), "{told:#?}");
    assert!(told.iter().any(|line| line["used"] == "yes" && line["cohort"] == 6), "{told:#?}");
    let future = mine(&site, &[&from_log[..], &["--since", "2100-01-01"]].concat());
    assert_eq!(of(&future, "co2-sum")["windows"]["values"], 0);
    let words = site.murmur(&[&["mine", "--agent", "room-1"], &from_log[..]].concat());
    assert!(words.contains("asked by display for \"ventilation\""), "{words}");

    let table = site.murmur(&[&["results", "co2-sum", "--csv"], &from_log[..]].concat());
    assert!(table.lines().count() >= 2 && table.contains("co2-sum,"), "{table}");
    site.assert_nobody_panicked();
}
