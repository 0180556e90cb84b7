//! How a query's result appears in Home Assistant by itself: MQTT discovery, one component per message.

use serde::Serialize;
use smc_core::decimal::Decimal;
use smc_core::function::{Kind, Meaning, Query, Shape, Subject};
use smc_core::quantity::Quantity;
use smc_core::result::PART_ELEMENTS;
use smc_core::roster::Roster;
use smc_core::session::Session;
use smc_mqtt::home_assistant::{Device, Origin, entity_id};
use smc_mqtt::topic::{Component, Topic, Topics};

/// After so many periods without a result an entity becomes unavailable.
const EXPIRE_AFTER_PERIODS: u64 = 3;

/// Home Assistant keeps 16 KiB of attributes; longer vectors are read on the result's topic.
const MAX_ELEMENTS_SHOWN: u32 = 1000;

/// Home Assistant's configuration of one entity, under Home Assistant's names.
#[derive(Debug, Serialize)]
struct Entity<'a> {
    name: &'a str,
    unique_id: &'a str,
    object_id: &'a str,
    default_entity_id: String,
    state_topic: &'a str,
    value_template: String,
    #[serde(flatten)]
    state: State<'a>,
    json_attributes_topic: &'a str,
    json_attributes_template: String,
    availability: [Availability<'a>; 1],
    expire_after: u64,
    device: Device,
    origin: Origin,
}

/// What is known of the state; nothing where it is no number.
#[derive(Debug, Default, Serialize)]
struct State<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    unit_of_measurement: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggested_display_precision: Option<u8>,
}

#[derive(Debug, Serialize)]
struct Availability<'a> {
    topic: &'a str,
    value_template: &'static str,
}

/// Topic and payload of the discovery of what `session` yields; to be retained.
pub(crate) fn announce(roster: &Roster, topics: &Topics, session: &Session) -> (String, Vec<u8>) {
    let query = session.query();
    let quantity = &roster.quantity(query.quantity).quantity;
    let with = query.with.map(|with| &roster.quantity(with).quantity);
    let shape = query.function.shape(&Subject { quantity, with });
    let component = match shape.kind {
        Kind::Flag => Component::BinarySensor,
        Kind::List | Kind::Number | Kind::Record(_) => Component::Sensor,
    };
    let site = roster.site();
    let unique_id = format!("murmur_{site}_{}", query.name);
    let state_topic = topics.spell(&Topic::Result { query: query.name.clone() });
    let entity = Entity {
        name: query.name.as_str(),
        unique_id: &unique_id,
        object_id: &unique_id,
        default_entity_id: entity_id(component.name(), &unique_id),
        state_topic: &state_topic,
        value_template: state_template(shape.kind, quantity),
        state: state(query, &shape, quantity),
        json_attributes_topic: &state_topic,
        json_attributes_template: attributes_template(query, shape.kind, quantity),
        availability: [Availability { topic: &state_topic, value_template: AVAILABLE }],
        expire_after: (EXPIRE_AFTER_PERIODS * session.every() * quantity.period().as_millis()).div_ceil(1000),
        device: Device::new(
            format!("murmur_{site}"),
            format!("Murmuration {site}"),
            "Results of secure multiparty computation",
        ),
        origin: Origin::default(),
    };
    let topic = topics.spell(&Topic::Discovery { component, query: query.name.clone() });
    (topic, serde_json::to_vec(&entity).unwrap_or_default())
}

/// A window that failed or was withheld has no value, and an old one must not stand in for it.
const AVAILABLE: &str = "{{ 'online' if value_json.status == 'ok' else 'offline' }}";

/// From the message to the state. Home Assistant takes `None` for unknown, and at most 255 characters.
fn state_template(kind: Kind, quantity: &Quantity) -> String {
    match kind {
        Kind::Flag => {
            "{{ none if value_json.value is none else 'ON' if value_json.value else 'OFF' }}".into()
        }
        Kind::List if quantity.elements() as usize > PART_ELEMENTS => {
            "{{ value_json.parts.elements if value_json.parts is defined else none }}".into()
        }
        Kind::List => "{{ none if value_json.value is none else value_json.value | count }}".into(),
        Kind::Number => "{{ value_json.value }}".into(),
        Kind::Record(main) => {
            format!("{{{{ none if value_json.value is none else value_json.value['{main}'] }}}}")
        }
    }
}

/// What every result tells besides its value.
const BESIDES: &str = "'window_start': value_json.window.start, 'window_end': value_json.window.end, \
    'cohort': value_json.cohort, 'fresh': value_json.fresh, 'carried': value_json.carried, \
    'peers': value_json.peers, 'validated': value_json.validated, 'verified': value_json.verified, \
    'status': value_json.status, 'reason': value_json.reason";

/// From the message to the attributes: all of a value that the state has no room for, and whatever is told besides.
fn attributes_template(query: &Query, kind: Kind, quantity: &Quantity) -> String {
    let whole = "'value': value_json.value";
    let attributes = match (kind, &query.parameters.edges) {
        (Kind::Flag | Kind::Number, _) => format!("{{{BESIDES}}}"),
        (Kind::List, Some(edges)) => {
            let edges = edges.iter().map(Decimal::to_string).collect::<Vec<_>>().join(", ");
            format!("{{{whole}, 'counts': value_json.value, 'edges': [{edges}], {BESIDES}}}")
        }
        (Kind::List, None) if quantity.elements() > MAX_ELEMENTS_SHOWN => format!("{{{BESIDES}}}"),
        (Kind::List, None) => format!("{{{whole}, {BESIDES}}}"),
        // A part that is called like something else gives way to it, and is found in `value`.
        (Kind::Record(_), _) => format!("dict(value_json.value or {{}}, **{{{whole}, {BESIDES}}})"),
    };
    format!("{{{{ {attributes} | tojson }}}}")
}

fn state<'a>(query: &Query, shape: &'a Shape, quantity: &Quantity) -> State<'a> {
    match shape.kind {
        Kind::Flag => State { device_class: presence(query, quantity), ..State::default() },
        Kind::List => State::default(),
        Kind::Number | Kind::Record(_) => State {
            unit_of_measurement: &shape.unit,
            device_class: device_class(shape.meaning, quantity),
            state_class: Some("measurement"),
            suggested_display_precision: Some(shape.digits),
        },
    }
}

/// Whether there is anybody, or anything moves.
fn presence(query: &Query, quantity: &Quantity) -> Option<&'static str> {
    let any = query.function.entry().name == "any_above" && query.parameters.above == Decimal::new(0, 0);
    match quantity.name().as_str() {
        "motion" if any => Some("motion"),
        "occupancy" if any => Some("occupancy"),
        _ => None,
    }
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
