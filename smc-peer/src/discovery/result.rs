//! A query: its value, and beside it whether there is one.

use smc_core::decimal::Decimal;
use smc_core::function::{Kind, Meaning, Query, Shape};
use smc_core::quantity::Quantity;
use smc_core::result::PART_ELEMENTS;
use smc_core::roster::Roster;
use smc_core::session::Session;
use smc_mqtt::home_assistant::Device;
use smc_mqtt::topic::{Component, Entity as About, Topic, Topics};

use super::entity::{Attributes, Availability, Entity, State, of_site};
use crate::state::shape;

/// After so many periods without a result an entity becomes unavailable.
const EXPIRE_AFTER_PERIODS: u64 = 3;

/// Home Assistant keeps 16 KiB of attributes; longer vectors are read on the result's topic.
const MAX_ELEMENTS_SHOWN: u32 = 1000;

/// What `session` yields.
pub(super) fn of(roster: &Roster, topics: &Topics, session: &Session) -> (Device, Vec<Entity>) {
    let site = roster.site();
    let name = format!("Murmuration {site}");
    let device = Device::new(of_site(site), name, "Results of secure multiparty computation");
    (device, vec![value(roster, topics, session), outcome(roster, topics, session)])
}

fn value(roster: &Roster, topics: &Topics, session: &Session) -> Entity {
    let query = session.query();
    let quantity = &roster.quantity(query.quantity).quantity;
    let shape = shape(roster, query);
    let component = match shape.kind {
        Kind::Flag => Component::BinarySensor,
        Kind::List | Kind::Number | Kind::Record(_) => Component::Sensor,
    };
    let place = (component, About::Result(query.name.clone()));
    let topic = topics.spell(&Topic::Result { query: query.name.clone() });
    let template = state_template(shape.kind, quantity);
    Entity {
        state: state(query, &shape, quantity),
        attributes: Some(Attributes {
            json_attributes_topic: topic.clone(),
            json_attributes_template: attributes_template(query, shape.kind, quantity),
        }),
        availability: Some([Availability { topic: topic.clone(), value_template: AVAILABLE }]),
        expire_after: Some(expire_after(roster, session)),
        ..Entity::new(roster.site(), place, query.name.to_string(), topic, template)
    }
}

/// Home Assistant shows no attributes of what is unavailable: so why there is no value is told by an entity of its own.
fn outcome(roster: &Roster, topics: &Topics, session: &Session) -> Entity {
    let query = &session.query().name;
    let place = (Component::Sensor, About::Outcome(query.clone()));
    let topic = topics.spell(&Topic::Result { query: query.clone() });
    let attributes = Attributes {
        json_attributes_topic: topic.clone(),
        json_attributes_template: format!("{{{{ {{{BESIDES}}} | tojson }}}}"),
    };
    let entity =
        Entity::new(roster.site(), place, format!("{query} outcome"), topic, OUTCOME.to_owned()).diagnostic();
    Entity { attributes: Some(attributes), expire_after: Some(expire_after(roster, session)), ..entity }
}

/// In seconds.
fn expire_after(roster: &Roster, session: &Session) -> u64 {
    let period = roster.quantity(session.query().quantity).quantity.period().as_millis();
    (EXPIRE_AFTER_PERIODS * session.every() * period).div_ceil(1000)
}

/// `ok`, or what became of the window and why: in the state, for attributes are not read everywhere. At most 255 characters.
const OUTCOME: &str =
    "{{ (value_json.status ~ (': ' ~ value_json.reason if value_json.reason else ''))[:255] }}";

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

fn state(query: &Query, shape: &Shape, quantity: &Quantity) -> State {
    match shape.kind {
        Kind::Flag => State { device_class: presence(query, quantity), ..State::default() },
        Kind::List => State::default(),
        Kind::Number | Kind::Record(_) => State {
            unit_of_measurement: shape.unit.clone(),
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
