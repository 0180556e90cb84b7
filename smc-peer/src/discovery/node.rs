//! Peers and agents: whether they are there, and what they tell of themselves.

use smc_core::name::{NodeName, SiteName};
use smc_mqtt::home_assistant::{Device, node_device};
use smc_mqtt::topic::{Component, Diagnostic, Entity as About, Topic, Topics};

use super::entity::{Attributes, Availability, Entity, State, of_site};

/// Idle is connected, too.
const CONNECTED: &str = "{{ 'OFF' if value_json.state == 'offline' else 'ON' }}";
/// What a node told stays true only while it is there.
const THERE: &str = "{{ 'offline' if value_json.state == 'offline' else 'online' }}";
/// Home Assistant takes `None` for unknown.
const SINCE: &str = "{{ value_json.since if value_json.since is defined else none }}";
const WINDOW: &str = "{{ value_json.last_window.end if value_json.last_window is defined else none }}";
const COHORT: &str = "{{ value_json.last_window.cohort if value_json.last_window is defined else none }}";
/// At most 255 characters.
const DISK: &str = "{{ (value_json.disk | string)[:255] if value_json.disk is defined else 'ok' }}";
const REFUSED: &str = "{{ value_json.refused.values() | sum if value_json.refused is defined else 0 }}";
const REASONS: &str = "{{ (value_json.refused if value_json.refused is defined else {}) | tojson }}";

/// An agent: no more than anybody may know. What it refused would tell gaps from readings (docs/decisions/0008).
pub(super) fn agent(site: &SiteName, topics: &Topics, node: &NodeName) -> (Device, Vec<Entity>) {
    (device(site, node, "Sensor agent"), common(site, topics, node).into())
}

/// A peer.
pub(super) fn peer(site: &SiteName, topics: &Topics, node: &NodeName) -> (Device, Vec<Entity>) {
    let entity = |diagnostic, name, template| told(site, topics, node, diagnostic, name, template);
    let refused = entity(Diagnostic::Refused, "Refused", REFUSED);
    let reasons = Attributes {
        json_attributes_topic: refused.state_topic.clone(),
        json_attributes_template: REASONS.to_owned(),
    };
    let of_peers = [
        Entity { state: State::count("agents"), ..entity(Diagnostic::Cohort, "Cohort", COHORT) },
        entity(Diagnostic::Disk, "Disk", DISK),
        Entity { state: State::count("messages"), attributes: Some(reasons), ..refused },
        Entity { state: State::of_class("timestamp"), ..entity(Diagnostic::Window, "Last window", WINDOW) },
    ];
    let entities = common(site, topics, node).into_iter().chain(of_peers).collect();
    (device(site, node, "Peer"), entities)
}

fn common(site: &SiteName, topics: &Topics, node: &NodeName) -> [Entity; 2] {
    let since = told(site, topics, node, Diagnostic::Since, "Running since", SINCE);
    let connection = told(site, topics, node, Diagnostic::Connection, "Status", CONNECTED);
    [
        Entity { state: State::of_class("connectivity"), availability: None, ..connection },
        Entity { state: State::of_class("timestamp"), ..since },
    ]
}

fn told(
    site: &SiteName,
    topics: &Topics,
    node: &NodeName,
    diagnostic: Diagnostic,
    name: &str,
    template: &str,
) -> Entity {
    let component = match diagnostic {
        Diagnostic::Connection => Component::BinarySensor,
        _ => Component::Sensor,
    };
    let status = topics.spell(&Topic::Status { node: node.clone() });
    let place = (component, About::Diagnostic(diagnostic, node.clone()));
    let availability = [Availability { topic: status.clone(), value_template: THERE }];
    let entity = Entity::new(site, place, name.to_owned(), status, template.to_owned()).diagnostic();
    Entity { availability: Some(availability), ..entity }
}

fn device(site: &SiteName, node: &NodeName, model: &'static str) -> Device {
    Device::new(node_device(site, node), format!("Murmuration {node}"), model).via(of_site(site))
}
