//! Home Assistant itself: what it shows of a site, and that it recovers by itself.

mod assistant;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use smc_core::result::SignedResult;

use self::assistant::HomeAssistant;
use super::measures;
use crate::support::mosquitto::Subscriber;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome, outcome};
use crate::support::site::{BROKER, Site};
use crate::support::wait::eventually;

const MEAN: &str = "sensor.murmur_hq_temperature_mean";
const OUTCOME: &str = "sensor.murmur_hq_outcome_temperature_mean";
const GOES: &str = "sensor.murmur_hq_co2_sum";
/// A query that says yes or no, beside those of `site init`.
const FLAG: &str = "
[[query]]
name = \"present\"
function = \"any_above\"
quantity = \"occupancy\"
above = 0

[[query]]
name = \"co2-spread\"
function = \"range\"
quantity = \"co2\"
";
/// How it says that a broker was restarted, which it was.
const BROKER_WAS_AWAY: [&str; 3] =
    ["Disconnected from MQTT", "Failed to connect to MQTT", "Error talking to MQTT"];

#[test]
#[ignore = "installs a Debian and Home Assistant, 700 MB, and takes minutes: ./check --full"]
fn home_assistant_shows_all_of_a_site_and_recovers_by_itself() {
    let quantities = "co2,occupancy,temperature";
    let mut site = Site::quick("8s", &["--agents", "5", "--quantities", quantities, "--tls"]);
    site.edit("site.toml", |text| format!("{text}{FLAG}"));
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    await_outcome(&observer, "temperature-mean", "a value", |signed| all_fresh(signed, 5));
    let mut home = HomeAssistant::start(&site);
    home.add_broker(&site);

    every_result_is_an_entity(&mut home, &site, &observer);
    every_node_is_a_device(&mut home, &site);
    a_window_without_a_value_says_why(&mut home, &mut site);
    home.restart();
    all_is_well(&mut home, "after Home Assistant was restarted");
    site.process(BROKER).terminate();
    home.await_state(MEAN, "unavailability", is("unavailable"));
    site.start_broker();
    all_is_well(&mut home, "after the broker was restarted");
    site.process("peer-1").kill();
    home.await_state("binary_sensor.murmur_hq_connection_peer_1", "end", is("off"));
    site.start("peer-1");
    home.await_state("binary_sensor.murmur_hq_connection_peer_1", "connection", is("on"));
    all_is_well(&mut home, "after a peer was restarted");
    what_is_asked_no_longer_goes(&mut home, &mut site);
    the_form_can_be_changed(&mut home, &mut site);

    let issues = home.command("repairs/list_issues")["issues"].take();
    let issues = issues.as_array().unwrap().iter().filter(|issue| issue["domain"] == "mqtt");
    assert_eq!(issues.collect::<Vec<_>>(), Vec::<&Value>::new(), "nothing of it is to be repaired");
    let ours = |line: &&String| line.contains("mqtt") || line.contains("murmur");
    let away = |line: &&String| BROKER_WAS_AWAY.iter().any(|words| line.contains(words));
    let complaints = home.complaints();
    let complaints: Vec<_> = complaints.iter().filter(ours).filter(|line| !away(line)).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    site.assert_nobody_panicked();
}

/// With the state that was published, and all that is known of it.
fn every_result_is_an_entity(home: &mut HomeAssistant, site: &Site, observer: &Subscriber) {
    let entity_of = |query: &str| {
        let component = if query == "present" { "binary_sensor" } else { "sensor" };
        format!("{component}.murmur_hq_{}", query.replace('-', "_"))
    };
    let queries: Vec<_> = site.roster().queries().map(|(_, query)| query.name.to_string()).collect();
    for query in &queries {
        home.await_state(&entity_of(query), "value", has_value);
    }
    let (known, site_device) = (registry(home), device_ids(home)["murmur_hq"].clone());
    let mut published = Vec::new();
    for query in queries {
        let entity = entity_of(&query);
        let shown =
            home.await_state(&entity, "state", |shown| has_value(shown) && shown["attributes"]["fresh"] == 5);
        let attributes = &shown["attributes"];
        let of_window = |signed: &SignedResult| {
            signed.result.query.as_str() == query && attributes["window_start"] == *signed.result.window.start
        };
        let same = eventually(&format!("the result that {entity} shows"), || {
            published.extend(observer.drain().iter().filter_map(outcome));
            published.iter().find(|signed| of_window(signed)).cloned()
        });
        assert_shows(&query, &shown, &same);
        let entry = &known[&entity];
        assert_eq!((&entry["device_id"], &entry["platform"]), (&site_device, &json!("mqtt")), "{entity}");
        if query != "present" {
            assert!(entry["options"]["sensor"]["suggested_display_precision"].is_u64(), "{entry}");
        }
        let outcome = format!("sensor.murmur_hq_outcome_{}", query.replace('-', "_"));
        let outcome = home.await_state(&outcome, "outcome", is("ok"));
        assert_eq!(outcome["attributes"]["reason"], Value::Null);
    }
}

fn assert_shows(query: &str, shown: &Value, published: &SignedResult) {
    let (state, attributes) = (shown["state"].as_str().unwrap(), &shown["attributes"]);
    let document = serde_json::to_value(published).unwrap();
    let value = &document["value"];
    let (unit, class) = match query {
        "present" => (None, Some("occupancy")),
        "co2-spread" => (Some("ppm"), None),
        other => measures(other),
    };
    match (query, value) {
        ("present", value) => assert_eq!((state == "on").to_string(), value.to_string()),
        ("co2-spread", value) => assert_eq!(state.parse::<f64>().unwrap(), value["range"].as_f64().unwrap()),
        (_, value) => assert_eq!(state.parse::<f64>().unwrap(), value.as_f64().unwrap(), "{query}"),
    }
    let state_class = (query != "present").then_some("measurement");
    let told = |key: &str| attributes.get(key).and_then(Value::as_str);
    assert_eq!((told("unit_of_measurement"), told("device_class")), (unit, class), "{query}");
    assert_eq!(told("state_class"), state_class, "{query}");
    for key in ["cohort", "fresh", "carried", "validated", "verified", "status", "reason", "peers"] {
        assert_eq!(attributes[key], document[key], "{query}: {key}");
    }
    assert_eq!(attributes["window_end"], document["window"]["end"]);
}

fn every_node_is_a_device(home: &mut HomeAssistant, site: &Site) {
    let (ids, devices) = (device_ids(home), home.command("config/device_registry/list"));
    let via = |device: &Value| {
        let devices = devices.as_array().unwrap();
        devices.iter().find(|known| known["id"] == *device).unwrap()["via_device_id"].clone()
    };
    for node in site.peers().into_iter().chain(site.agents()) {
        let slug = node.replace('-', "_");
        assert_eq!(via(&ids[&format!("murmur_hq_{node}")]), ids["murmur_hq"], "{node} belongs to the site");
        home.await_state(&format!("binary_sensor.murmur_hq_connection_{slug}"), "connection", is("on"));
        home.await_state(&format!("sensor.murmur_hq_since_{slug}"), "start", is_instant);
    }
    for peer in site.peers() {
        let slug = peer.replace('-', "_");
        // By the next status, which comes every 30 s.
        home.await_state(&format!("sensor.murmur_hq_window_{slug}"), "last window", is_instant);
        home.await_state(&format!("sensor.murmur_hq_cohort_{slug}"), "cohort", is("5"));
        home.await_state(&format!("sensor.murmur_hq_disk_{slug}"), "disk", is("ok"));
        home.await_state(&format!("sensor.murmur_hq_refused_{slug}"), "count", |shown| {
            has_value(shown) && shown["state"].as_str().unwrap().parse::<u64>().is_ok()
        });
    }
}

fn a_window_without_a_value_says_why(home: &mut HomeAssistant, site: &mut Site) {
    site.process("room-5").kill();
    let gone = home.await_state(MEAN, "unavailability", is("unavailable"));
    assert!(gone["attributes"].get("fresh").is_none(), "Home Assistant shows attributes now: {gone}");
    let why = home
        .await_state(OUTCOME, "reason", |shown| shown["state"].as_str().unwrap().starts_with("withheld: "));
    let reason = why["attributes"]["reason"].as_str().unwrap();
    assert_eq!(why["state"], format!("withheld: {reason}"));
    home.await_state("binary_sensor.murmur_hq_connection_room_5", "end", is("off"));
    home.await_state("sensor.murmur_hq_since_room_5", "end", is("unavailable"));
    site.start("room-5");
    all_is_well(home, "after an agent was restarted");
}

/// A peer that was off meanwhile says nothing against it.
fn what_is_asked_no_longer_goes(home: &mut HomeAssistant, site: &mut Site) {
    for peer in site.peers() {
        site.process(&peer).terminate();
    }
    site.edit("site.toml", |text| {
        let (before, rest) = text.split_once("[[query]]\nname = \"co2-sum\"").unwrap();
        let (_, after) = rest.split_once("\n[[query]]").unwrap();
        format!("{before}[[query]]{after}")
    });
    for peer in site.peers() {
        site.start(&peer);
    }
    eventually("the entities of a query that is asked no longer go", || {
        let gone = |entity: &str, home: &mut HomeAssistant| home.state(entity).is_none();
        (gone(GOES, home) && gone("sensor.murmur_hq_outcome_co2_sum", home)).then_some(())
    });
    all_is_well(home, "after a query went");
}

fn the_form_can_be_changed(home: &mut HomeAssistant, site: &mut Site) {
    let before = ours(home);
    let things = site.roster().queries().count() + site.peers().len() + site.agents().len();
    let announced = ["homeassistant/+/murmur_hq/+/config"];
    let looker = site.subscribe_as("home-assistant", "home-assistant-2", &announced);
    for peer in site.peers() {
        site.process(&peer).terminate();
        site.edit(&format!("{peer}.toml"), |text| {
            text.replace("discovery = true", "discovery = true\nform = \"device\"")
        });
    }
    for peer in site.peers() {
        site.start(&peer);
    }
    let mut kept = BTreeSet::new();
    looker.wait_for("messages of the device form, and no others", |message| {
        if message.payload.is_empty() {
            kept.remove(&message.topic);
        } else {
            kept.insert(message.topic);
        }
        let device = kept.iter().filter(|topic| topic.starts_with("homeassistant/device/"));
        (device.count() == things && kept.len() == things).then_some(())
    });
    all_is_well(home, "after the form was changed");
    eventually("the same entities are there", || (ours(home) == before).then_some(()));
}

fn all_is_well(home: &mut HomeAssistant, when: &str) {
    home.await_state(MEAN, &format!("value {when}"), |shown| {
        has_value(shown) && shown["attributes"]["status"] == "ok"
    });
    home.await_state(OUTCOME, &format!("outcome {when}"), is("ok"));
    home.await_state("binary_sensor.murmur_hq_present", &format!("state {when}"), has_value);
}

/// All entities of ours.
fn ours(home: &mut HomeAssistant) -> Vec<String> {
    let names = home.states().into_iter().map(|state| state["entity_id"].as_str().unwrap().to_owned());
    let mut names: Vec<_> = names.filter(|name| name.contains("murmur_hq")).collect();
    names.sort_unstable();
    names
}

/// Entities by their ids, as the registry has them.
fn registry(home: &mut HomeAssistant) -> BTreeMap<String, Value> {
    let entries = home.command("config/entity_registry/list");
    let entries = entries.as_array().unwrap().iter();
    entries.map(|entry| (entry["entity_id"].as_str().unwrap().to_owned(), entry.clone())).collect()
}

/// Devices of the MQTT integration: their ids by what they are told apart by.
fn device_ids(home: &mut HomeAssistant) -> BTreeMap<String, Value> {
    let devices = home.command("config/device_registry/list");
    let of_mqtt = |device: &Value| {
        let identifiers = device["identifiers"].as_array()?;
        let known = identifiers.iter().find(|identifier| identifier[0] == "mqtt")?;
        Some((known[1].as_str()?.to_owned(), device["id"].clone()))
    };
    devices.as_array().unwrap().iter().filter_map(of_mqtt).collect()
}

fn is(state: &str) -> impl Fn(&Value) -> bool {
    move |shown| shown["state"] == state
}

fn is_instant(shown: &Value) -> bool {
    shown["state"].as_str().is_some_and(|state| state.starts_with("20") && state.contains('T'))
}

fn has_value(shown: &Value) -> bool {
    !matches!(shown["state"].as_str(), None | Some("unavailable" | "unknown"))
}
