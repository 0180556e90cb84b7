//! Home Assistant finds every result by itself: what it is told to look at, and what it makes of it.

pub(crate) mod jinja;
mod real;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::jinja::render;
use crate::support::brokers::is_rabbitmq;
use crate::support::outcome::{RESULTS, all_fresh, await_outcome, number};
use crate::support::site::Site;
use smc_core::result::Status;

/// As an integration would: everything that announces itself.
const DISCOVERY: &str = "homeassistant/+/murmur_hq/+/config";

/// How many entities a peer and an agent have.
const OF_PEER: usize = 6;
const OF_AGENT: usize = 2;

/// The discovery of everything that appears of the site, by the last but one level of its topic, which is the query's name for
/// the value of a query; as `home-assistant` sees it, retained.
fn discovered(site: &Site) -> BTreeMap<String, Value> {
    let login = site.login("home-assistant", "home-assistant-1");
    let assistant =
        crate::support::mosquitto::Subscriber::start(&login, &[DISCOVERY], site.path("assistant.log"));
    let entities =
        2 * site.roster().queries().count() + OF_PEER * site.peers().len() + OF_AGENT * site.agents().len();
    let mut found = BTreeMap::new();
    assistant.wait_for("everything is announced", |message| {
        let levels: Vec<&str> = message.topic.split('/').collect();
        let entity = message.json();
        assert!(entity["default_entity_id"].as_str().unwrap().starts_with(&format!("{}.", levels[1])));
        found.insert(levels[3].to_owned(), entity);
        (found.len() == entities).then(|| found.clone())
    })
}

/// Unit and device class, as Home Assistant's own list pairs them.
fn measures(query: &str) -> (Option<&'static str>, Option<&'static str>) {
    match query {
        "co2-mean" => (Some("ppm"), Some("carbon_dioxide")),
        "co2-sum" => (Some("ppm"), None),
        "illuminance-mean" => (Some("lx"), Some("illuminance")),
        "illuminance-sum" => (Some("lx"), None),
        "occupancy-mean" | "occupancy-sum" => (Some("people"), None),
        "power-mean" | "power-sum" => (Some("W"), Some("power")),
        "temperature-mean" => (Some("°C"), Some("temperature")),
        "temperature-sum" => (Some("°C"), None),
        count if count.ends_with("-count") => (None, None),
        motion => panic!("{motion} is not asked here"),
    }
}

fn assert_sensor(query: &str, sensor: &Value) {
    let text = |key: &str| sensor[key].as_str().unwrap_or_else(|| panic!("{query} has no {key}: {sensor}"));
    let id_letters = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    assert!(id_letters(text("unique_id")) && id_letters(text("object_id")));
    assert_eq!(text("unique_id"), format!("murmur_hq_{query}"));
    // Entity ids are lower case, digits and underscores.
    let entity = text("default_entity_id").strip_prefix("sensor.").unwrap();
    assert!(entity.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{entity}");
    assert_eq!(text("state_topic"), format!("murmur/hq/result/{query}"));
    assert_eq!(text("json_attributes_topic"), text("state_topic"));
    // The list, and then not the single topic: Home Assistant refuses both together.
    assert!(sensor.get("availability_topic").is_none());
    let availability = sensor["availability"].as_array().unwrap();
    assert!(!availability.is_empty() && availability.iter().all(|entry| entry["topic"].is_string()));
    let key = |key: &str| sensor.get(key).map(|value| value.as_str().unwrap());
    assert_eq!((key("unit_of_measurement"), key("device_class")), measures(query), "{query}");
    assert_eq!(text("state_class"), "measurement");
    // Three windows of a second.
    assert_eq!(sensor["expire_after"], 3);
    assert!(sensor["suggested_display_precision"].is_u64());
    assert!(
        !text("name").is_empty() && sensor["origin"]["name"].as_str().is_some_and(|name| !name.is_empty())
    );
    let identifiers = sensor["device"]["identifiers"].as_array().unwrap();
    assert_eq!(identifiers, &[json!("murmur_hq")], "all results of a site belong to one device");
    for key in ["value_template", "json_attributes_template"] {
        assert!(text(key).starts_with("{{"), "{key}");
    }
}

/// Peers and agents, as their statuses show them.
fn assert_nodes(site: &Site, sensors: &BTreeMap<String, Value>) {
    let statuses = site.subscribe("observer-3", &["murmur/hq/status/+"]);
    // A peer tells of its last window with its next status.
    let status = statuses.wait_for("a peer that had a window", |message| {
        let status = message.json();
        status.get("last_window").is_some().then_some(status)
    });
    let peer = status["node"].as_str().unwrap();
    let shows = |diagnostic: &str, status: &Value| {
        let sensor = &sensors[&format!("_{diagnostic}_{peer}")];
        assert_eq!(sensor["state_topic"], format!("murmur/hq/status/{peer}"));
        assert_eq!(sensor["device"]["via_device"], "murmur_hq");
        render(&[sensor["value_template"].as_str().unwrap()], status).remove(0)
    };
    assert_eq!((shows("connection", &status).as_str(), shows("disk", &status).as_str()), ("ON", "ok"));
    assert_eq!(shows("window", &status), status["last_window"]["end"].as_str().unwrap());
    assert_eq!(shows("cohort", &status), status["last_window"]["cohort"].to_string());
    shows("refused", &status).parse::<u64>().unwrap();
    let refused = json!({ "state": "idle", "disk": "full", "refused": { "late": 2, "forged": 1 } });
    assert_eq!((shows("refused", &refused).as_str(), shows("disk", &refused).as_str()), ("3", "full"));
    assert_eq!((shows("connection", &refused).as_str(), shows("window", &refused).as_str()), ("ON", "None"));
    assert_eq!(shows("connection", &json!({ "state": "offline" })), "OFF");
    assert!(sensors.contains_key("_connection_room-1") && !sensors.contains_key("_refused_room-1"));
}

/// What the sensor shows for a message: state, availability, attributes.
fn shown(sensor: &Value, message: &Value) -> (String, String, Value) {
    let templates = [
        &sensor["value_template"],
        &sensor["availability"][0]["value_template"],
        &sensor["json_attributes_template"],
    ];
    let [value, available, attributes] =
        render(&templates.map(|template| template.as_str().unwrap()), message).try_into().unwrap();
    (value, available, serde_json::from_str(&attributes).unwrap())
}

#[test]
fn every_result_becomes_a_sensor_that_never_shows_an_old_value_in_new_clothes() {
    if is_rabbitmq("looks on with a wildcard for what is retained") {
        return;
    }
    let flags = ["--agents", "5", "--quantities", "co2,illuminance,occupancy,power,temperature"];
    let mut site = Site::quick("8s", &flags);
    site.start_all();
    let observer = site.subscribe("observer-1", &[RESULTS]);
    let good = await_outcome(&observer, "temperature-mean", "a value", |signed| all_fresh(signed, 5));
    let sensors = discovered(&site);
    let values = || sensors.iter().filter(|(name, _)| !name.starts_with('_'));
    for (query, sensor) in values() {
        assert_sensor(query, sensor);
    }
    assert_eq!(values().count(), 15);
    assert_nodes(&site, &sensors);

    let mean = &sensors["temperature-mean"];
    let (value, available, attributes) = shown(mean, &serde_json::to_value(&good).unwrap());
    assert_eq!(value.parse::<f64>().unwrap(), number(&good).unwrap());
    assert_eq!(available, "online");
    let outcome = |document: &Value| {
        render(&[sensors["_outcome_temperature-mean"]["value_template"].as_str().unwrap()], document)
            .remove(0)
    };
    assert_eq!(outcome(&serde_json::to_value(&good).unwrap()), "ok");
    let bare = site.subscribe("observer-2", &["murmur/hq/result/temperature-mean/state"]);
    bare.wait_for("a bare value", |message| message.text().parse::<f64>().ok());
    let expected = json!({
        "window_start": good.result.window.start, "window_end": good.result.window.end, "cohort": 5, "fresh": 5,
        "carried": 0, "peers": ["peer-1", "peer-2", "peer-3"], "validated": good.result.validated, "verified": true,
        "status": "ok", "reason": null,
    });
    assert_eq!(attributes, expected);

    // Four of five: no value, and the entity is unavailable instead of standing still.
    site.process("room-5").kill();
    let withheld = await_outcome(&observer, "temperature-mean", "too few", |signed| {
        signed.result.status == Status::Withheld
    });
    let document = serde_json::to_value(&withheld).unwrap();
    assert_eq!((&document["value"], &document["status"]), (&Value::Null, &json!("withheld")));
    let (value, available, attributes) = shown(mean, &document);
    assert_eq!((value.as_str(), available.as_str()), ("None", "offline"));
    assert_eq!(attributes["reason"], json!(withheld.result.reason.unwrap()));
    assert_eq!(attributes["status"], "withheld");
    assert_eq!(outcome(&document), format!("withheld: {}", document["reason"].as_str().unwrap()));
    bare.wait_for("the bare value goes", |message| message.text().is_empty().then_some(()));
    site.assert_nobody_panicked();
}
