//! Holds every payload of ours against what Home Assistant and openHAB take.
//!
//! The rules are written down from what the two were found to take (Home Assistant 2025.4 to 2026.11) and from openHAB's source,
//! which embeds the schema of Home Assistant 2025.4; they are not openHAB itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::{Value, json};
use smc_core::identity::NodeKeys;
use smc_core::roster::SiteDocument;
use smc_mqtt::topic::Topic;

use super::*;

/// What an entity may say: what is not here, openHAB may not know.
const KEYS: [&str; 16] = [
    "availability",
    "default_entity_id",
    "device",
    "device_class",
    "entity_category",
    "expire_after",
    "json_attributes_template",
    "json_attributes_topic",
    "name",
    "object_id",
    "origin",
    "state_class",
    "state_topic",
    "suggested_display_precision",
    "unique_id",
    "unit_of_measurement",
];
/// Units by device class. Others take none.
const UNITS: [(&str, &str); 5] = [
    ("carbon_dioxide", "ppm"),
    ("humidity", "%"),
    ("illuminance", "lx"),
    ("power", "W"),
    ("temperature", "°C"),
];

/// A site with a query for each kind of value.
fn roster() -> Arc<Roster> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut node = |name: &str| {
        let keys = NodeKeys::generate(&mut rng);
        json!({ "name": name, "identity": keys.signing.verifying_key(), "sealing": keys.sealing.public() })
    };
    let peers: Vec<_> = (1..=3).map(|number| node(&format!("peer-{number}"))).collect();
    let mut agents: Vec<_> = (1..=5).map(|number| node(&format!("Room_{number}"))).collect();
    for agent in &mut agents {
        agent["streams"] = json!(["co2", "occupancy", "temperature"]);
    }
    let query = |name: &str, function: &str, quantity: &str| json!({ "name": name, "function": function, "quantity": quantity });
    let mut present = query("present", "any_above", "occupancy");
    present["above"] = json!(0);
    let mut levels = query("levels", "histogram", "co2");
    levels["edges"] = json!([600, 1000]);
    let queries = [
        query("co2-mean", "mean", "co2"),
        query("co2-sum", "sum", "co2"),
        query("spread_of_Temperature", "range", "temperature"),
        query("people", "sum", "occupancy"),
        present,
        levels,
    ];
    let site = json!({
        "site": { "name": "hq", "threshold": 1 }, "peer": peers, "agent": agents, "query": queries,
    });
    Arc::new(serde_json::from_value::<SiteDocument>(site).unwrap().try_into().unwrap())
}

/// All that appears of the site, by topic.
fn messages(form: Form) -> Vec<(String, Value)> {
    let (roster, topics) = (roster(), Topics::new("hq".parse().unwrap()));
    let sessions: Vec<_> = roster.queries().map(|(at, _)| Session::standing(&roster, at)).collect();
    let peers = roster.peers().map(|(_, node)| Thing::Peer(&node.name));
    let agents = roster.agents().iter().map(|agent| Thing::Agent(&agent.node.name));
    let things = sessions.iter().map(Thing::Query).chain(peers).chain(agents);
    let told = |Message { place: (component, entity), payload }| {
        let topic = topics.spell(&Topic::Discovery { component, entity });
        (topic, serde_json::from_slice(&payload).unwrap())
    };
    things.flat_map(|thing| thing.messages(form, &roster, &topics)).map(told).collect()
}

fn text<'a>(entity: &'a Value, key: &str) -> Option<&'a str> {
    entity.get(key).map(|value| value.as_str().unwrap_or_else(|| panic!("{key} is no text: {entity}")))
}

fn assert_device(device: &Value, origin: &Value) {
    assert!(!device["identifiers"].as_array().unwrap().is_empty(), "openHAB groups by it: {device}");
    assert!(text(device, "name").is_some_and(|name| !name.is_empty()));
    assert!(text(origin, "name").is_some_and(|name| !name.is_empty()), "a message without is refused");
    assert!(origin.get("support_url").is_none(), "a bad one rejects the message");
}

fn assert_entity(component: &str, entity: &Value) {
    let unknown =
        |key: &&String| !KEYS.contains(&key.as_str()) && !["value_template", "p"].contains(&key.as_str());
    assert_eq!(entity.as_object().unwrap().keys().find(unknown), None, "{entity}");
    for key in ["name", "unique_id", "state_topic", "value_template"] {
        assert!(text(entity, key).is_some_and(|text| !text.is_empty()), "{key}: {entity}");
    }
    let id = text(entity, "default_entity_id").unwrap().strip_prefix(&format!("{component}.")).unwrap();
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    assert!(id.bytes().all(fits) && !id.contains("__"), "{id}");
    // A single topic beside the list is refused; so is a list without topics.
    for entry in entity.get("availability").map_or(&vec![], |list| list.as_array().unwrap()) {
        assert!(text(entry, "topic").is_some());
    }
    assert!(matches!(text(entity, "entity_category"), None | Some("diagnostic")), "{entity}");
    assert_eq!(
        entity.get("json_attributes_topic").is_some(),
        entity.get("json_attributes_template").is_some()
    );
    assert_measure(component, entity);
}

/// A sensor is a number in openHAB if it has a unit or a state class; then its states must be numbers, and a wrong unit rejects
/// the entity in Home Assistant.
fn assert_measure(component: &str, entity: &Value) {
    let (unit, class) = (text(entity, "unit_of_measurement"), text(entity, "device_class"));
    match (component, class) {
        ("binary_sensor", None | Some("connectivity" | "motion" | "occupancy")) => {
            assert_eq!((unit, entity.get("state_class")), (None, None), "{entity}");
        }
        ("sensor", None) => {}
        ("sensor", Some("timestamp")) => assert_eq!((unit, entity.get("state_class")), (None, None)),
        ("sensor", Some(class)) => {
            let known = UNITS.iter().find(|(known, _)| *known == class).unwrap();
            assert_eq!(unit, Some(known.1), "{entity}");
        }
        (other, _) => panic!("{other} is not told here: {entity}"),
    }
    let is_number = unit.is_some() || entity.get("state_class").is_some();
    assert_eq!(entity.get("suggested_display_precision").is_some(), is_number, "{entity}");
    if is_number {
        assert_eq!(text(entity, "state_class"), Some("measurement"), "a unit alone keeps no statistics");
    }
}

#[test]
fn every_entity_is_one_that_home_assistant_and_openhab_take() {
    let messages = messages(Form::Components);
    // Six queries with two entities each, three peers with six, five agents with two.
    assert_eq!(messages.len(), 6 * 2 + 3 * 6 + 5 * 2);
    let mut ids = BTreeSet::new();
    for (topic, entity) in &messages {
        let levels: Vec<_> = topic.split('/').collect();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        assert!(levels.len() == 5 && levels.iter().all(|level| level.bytes().all(fits)), "{topic}");
        assert_device(&entity["device"], &entity["origin"]);
        assert_entity(levels[1], entity);
        assert!(ids.insert(entity["unique_id"].to_string()), "{topic}: the second of its id");
    }
}

/// openHAB shows hardly any attributes, and Home Assistant none of what is unavailable.
#[test]
fn why_there_is_no_value_is_a_state_of_its_own() {
    let messages = messages(Form::Components);
    let of = |topic: &str| &messages.iter().find(|(known, _)| known == topic).unwrap().1;
    for query in ["co2-mean", "present", "levels"] {
        let outcome = of(&format!("homeassistant/sensor/murmur_hq/_outcome_{query}/config"));
        let template = text(outcome, "value_template").unwrap();
        assert!(template.contains("value_json.status") && template.contains("value_json.reason"));
        assert!(outcome.get("availability").is_none(), "it is there when there is no value");
    }
}

/// Decision 8: reasons of refusals would tell gaps from readings.
#[test]
fn of_an_agent_no_more_is_told_than_that_it_is_there() {
    let messages = messages(Form::Components);
    let mut of_agent: Vec<_> =
        messages.iter().map(|(topic, _)| topic).filter(|topic| topic.contains("Room_1")).collect();
    of_agent.sort_unstable();
    assert_eq!(
        of_agent,
        [
            "homeassistant/binary_sensor/murmur_hq/_connection_Room_1/config",
            "homeassistant/sensor/murmur_hq/_since_Room_1/config"
        ]
    );
}

#[test]
fn the_device_form_says_the_same_in_one_message_per_thing() {
    let mut apart = messages(Form::Components);
    let together = messages(Form::Device);
    assert_eq!(together.len(), 6 + 3 + 5);
    for (topic, message) in &together {
        assert!(topic.starts_with("homeassistant/device/murmur_hq/"), "{topic}");
        assert_device(&message["dev"], &message["o"]);
        for (id, part) in message["cmps"].as_object().unwrap() {
            assert_eq!(part["unique_id"], *id);
            let component = text(part, "p").unwrap();
            assert_entity(component, part);
            let mut alone = part.clone();
            alone.as_object_mut().unwrap().remove("p");
            alone["device"] = message["dev"].clone();
            alone["origin"] = message["o"].clone();
            let begins = format!("homeassistant/{component}/");
            let same = apart.iter().position(|(topic, known)| topic.starts_with(&begins) && *known == alone);
            apart.remove(same.unwrap_or_else(|| panic!("{id} is told otherwise by itself")));
        }
    }
    assert!(apart.is_empty(), "{apart:?}");
}
