//! Results by the Homie convention, version 4: what the site and its queries say of themselves, and their values.

use smc_core::function::Kind;
use smc_core::result::ResultDocument;
use smc_core::roster::Roster;
use smc_core::session::Session;
use smc_mqtt::homie::{HomieTopics, Property, VERSION};

use crate::state::{shape, state};

/// A topic and what is retained there.
pub(crate) type Retained = (String, String);

/// What the site says of itself beside `$state`, with `queries` as its nodes. `$extensions` would be empty, which a broker does
/// not keep.
pub(crate) fn device<'a>(
    roster: &Roster,
    topics: &HomieTopics,
    queries: impl Iterator<Item = &'a Session>,
) -> Vec<Retained> {
    let (mut nodes, mut told) = (Vec::new(), Vec::new());
    for session in queries {
        nodes.push(HomieTopics::node(&session.query().name));
        told.extend(node(roster, topics, session));
    }
    let attribute = |attribute, value| (topics.attribute(attribute), value);
    told.extend([
        attribute("$homie", VERSION.to_owned()),
        attribute("$name", format!("Murmuration {}", roster.site())),
        attribute("$nodes", nodes.join(",")),
    ]);
    told
}

/// What a query says of itself.
pub(crate) fn node(roster: &Roster, topics: &HomieTopics, session: &Session) -> Vec<Retained> {
    let query = session.query();
    let shape = shape(roster, query);
    let ids: Vec<_> = Property::ALL.iter().map(|property| property.id()).collect();
    let attribute =
        |attribute, value: &str| (topics.node_attribute(&query.name, attribute), value.to_owned());
    let mut told = vec![
        attribute("$name", query.name.as_str()),
        attribute("$properties", &ids.join(",")),
        attribute("$type", query.function.entry().name),
    ];
    for property in Property::ALL {
        let (name, datatype, unit) = match property {
            Property::Cohort => ("Cohort", "integer", "agents"),
            Property::Outcome => ("Outcome", "string", ""),
            Property::Value => ("Value", datatype(shape.kind), shape.unit.as_str()),
        };
        for (attribute, value) in [("$name", name), ("$datatype", datatype), ("$unit", unit)] {
            if !value.is_empty() {
                let topic = topics.property_attribute(&query.name, property, attribute);
                told.push((topic, value.to_owned()));
            }
        }
    }
    told
}

fn datatype(kind: Kind) -> &'static str {
    match kind {
        Kind::Flag => "boolean",
        Kind::List => "integer",
        Kind::Number | Kind::Record(_) => "float",
    }
}

/// What a result says. Without a value the topic of the value is cleared, so that no old one stays.
pub(crate) fn values(topics: &HomieTopics, result: &ResultDocument, kind: Kind) -> [Retained; 3] {
    let value = match (state(result, kind).unwrap_or_default(), kind) {
        (flag, Kind::Flag) => match flag.as_str() {
            "ON" => "true".to_owned(),
            "OFF" => "false".to_owned(),
            _ => flag,
        },
        (value, _) => value,
    };
    let outcome = match &result.reason {
        Some(reason) => format!("{}: {reason}", result.status),
        None => result.status.to_string(),
    };
    let told = |property, value| (topics.property(&result.query, property), value);
    [
        told(Property::Value, value),
        told(Property::Outcome, outcome),
        told(Property::Cohort, result.cohort.to_string()),
    ]
}
