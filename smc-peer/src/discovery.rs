//! How a query's result appears in Home Assistant by itself: MQTT discovery, one component per message.

use serde::Serialize;
use smc_core::function::{Meaning, Query, Subject};
use smc_core::quantity::Quantity;
use smc_core::roster::Roster;
use smc_mqtt::topic::{Topic, Topics};

/// After so many periods without a result an entity becomes unavailable.
const EXPIRE_AFTER_PERIODS: u64 = 3;

/// Home Assistant's configuration of one sensor, under Home Assistant's names.
#[derive(Debug, Serialize)]
struct Sensor<'a> {
    name: String,
    unique_id: &'a str,
    object_id: &'a str,
    default_entity_id: String,
    state_topic: &'a str,
    value_template: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    unit_of_measurement: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_class: Option<&'static str>,
    state_class: &'static str,
    suggested_display_precision: u8,
    json_attributes_topic: &'a str,
    json_attributes_template: &'static str,
    availability: [Availability<'a>; 1],
    expire_after: u64,
    device: Device,
    origin: Origin,
}

#[derive(Debug, Serialize)]
struct Availability<'a> {
    topic: &'a str,
    value_template: &'static str,
}

#[derive(Debug, Serialize)]
struct Device {
    identifiers: [String; 1],
    name: String,
    manufacturer: &'static str,
    model: &'static str,
}

#[derive(Debug, Serialize)]
struct Origin {
    name: &'static str,
    sw_version: &'static str,
}

/// A window that failed or was withheld has no value, and an old one must not stand in for it.
const AVAILABLE: &str = "{{ 'online' if value_json.status == 'ok' else 'offline' }}";

const ATTRIBUTES: &str = "{{ {'window_start': value_json.window.start, 'window_end': value_json.window.end, \
    'cohort': value_json.cohort, 'fresh': value_json.fresh, 'carried': value_json.carried, \
    'peers': value_json.peers, 'verified': value_json.verified, 'status': value_json.status, \
    'reason': value_json.reason} | tojson }}";

/// Topic and payload of the discovery of `query`; to be retained.
pub(crate) fn announce(roster: &Roster, topics: &Topics, query: &Query) -> (String, Vec<u8>) {
    let quantity = &roster.quantity(query.quantity).quantity;
    let with = query.with.map(|with| &roster.quantity(with).quantity);
    let shape = query.function.shape(&Subject { quantity, with });
    let site = roster.site();
    let unique_id = format!("murmur_{site}_{}", query.name);
    let state_topic = topics.spell(&Topic::Result { query: query.name.clone() });
    let sensor = Sensor {
        name: query.name.to_string(),
        unique_id: &unique_id,
        object_id: &unique_id,
        default_entity_id: format!("sensor.{}", unique_id.to_lowercase().replace('-', "_")),
        state_topic: &state_topic,
        value_template: "{{ value_json.value }}",
        unit_of_measurement: &shape.unit,
        device_class: device_class(shape.meaning, quantity),
        state_class: "measurement",
        suggested_display_precision: shape.digits,
        json_attributes_topic: &state_topic,
        json_attributes_template: ATTRIBUTES,
        availability: [Availability { topic: &state_topic, value_template: AVAILABLE }],
        expire_after: (EXPIRE_AFTER_PERIODS * quantity.period().as_millis()).div_ceil(1000),
        device: Device {
            identifiers: [format!("murmur_{site}")],
            name: format!("Murmuration {site}"),
            manufacturer: "Murmuration",
            model: "Results of secure multiparty computation",
        },
        origin: Origin { name: "Murmuration", sw_version: env!("CARGO_PKG_VERSION") },
    };
    let topic = topics.spell(&Topic::Discovery { query: query.name.clone() });
    (topic, serde_json::to_vec(&sensor).unwrap_or_default())
}

/// A sum of concentrations or temperatures is no concentration or temperature; one of powers is a power.
fn device_class(meaning: Meaning, quantity: &Quantity) -> Option<&'static str> {
    let class = match (quantity.name().as_str(), quantity.unit()) {
        ("co2", "ppm") => "carbon_dioxide",
        ("humidity", "%") => "humidity",
        ("illuminance", "lx") => "illuminance",
        ("power", "W") => "power",
        ("temperature", "°C") => "temperature",
        _ => return None,
    };
    match meaning {
        Meaning::Other => None,
        Meaning::Reading => Some(class),
        Meaning::Total => Some(class).filter(|&class| class == "power"),
    }
}
