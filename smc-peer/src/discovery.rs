//! What appears in Home Assistant by itself: results, peers and agents, by MQTT discovery.
//!
//! What appears together is a [`Thing`]: it can be told entity by entity, or as a device at once.

pub(crate) mod announcer;
mod entity;
mod node;
mod result;

use serde::Deserialize;
use smc_core::name::NodeName;
use smc_core::roster::Roster;
use smc_core::session::Session;
use smc_mqtt::home_assistant::{Device, Origin};
use smc_mqtt::topic::{self, Component, Topics};

use self::entity::{Entity, Told, Whole};

/// How many agents appear as devices: each takes room at the broker and in Home Assistant for good.
pub(crate) const MAX_AGENTS_SHOWN: usize = 200;

/// `[home_assistant]` of a peer's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HomeAssistant {
    /// Whether anything announces itself by MQTT discovery.
    pub discovery: bool,
    /// In which form.
    pub form: Form,
    /// Whether peers and agents appear beside the results.
    pub nodes: bool,
}

impl Default for HomeAssistant {
    fn default() -> Self {
        Self { discovery: true, form: Form::default(), nodes: true }
    }
}

/// How entities are told to Home Assistant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Each by itself, as every Home Assistant and openHAB takes it.
    #[default]
    Components,
    /// All of a thing in one message.
    Device,
}

/// What appears together, and goes together.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Thing<'a> {
    /// An agent.
    Agent(&'a NodeName),
    /// A peer.
    Peer(&'a NodeName),
    /// The value of a query and its outcome.
    Query(&'a Session),
}

impl Thing<'_> {
    /// What it is called.
    pub(crate) fn name(&self) -> topic::Entity {
        match self {
            Self::Agent(node) | Self::Peer(node) => topic::Entity::Node((*node).clone()),
            Self::Query(session) => topic::Entity::Result(session.query().name.clone()),
        }
    }

    /// All messages that make it appear, to be retained.
    pub(crate) fn messages(&self, form: Form, roster: &Roster, topics: &Topics) -> Vec<Message> {
        let (device, entities) = match self {
            Self::Agent(node) => node::agent(roster.site(), topics, node),
            Self::Peer(node) => node::peer(roster.site(), topics, node),
            Self::Query(session) => result::of(roster, topics, session),
        };
        match form {
            Form::Components => entities.iter().map(|entity| alone(entity, &device)).collect(),
            Form::Device => vec![together(self.name(), &entities, &device)],
        }
    }
}

/// To which thing an entity belongs.
pub(crate) fn thing_of(entity: &topic::Entity) -> topic::Entity {
    use topic::Entity::{Diagnostic, Node, Outcome, Result};
    match entity {
        Diagnostic(_, node) | Node(node) => Node(node.clone()),
        Outcome(query) | Result(query) => Result(query.clone()),
    }
}

/// One retained message of Home Assistant's discovery.
#[derive(Debug)]
pub(crate) struct Message {
    /// Where it goes.
    pub(crate) place: Place,
    /// Home Assistant's configuration.
    pub(crate) payload: Vec<u8>,
}

/// What stands in a discovery topic.
pub(crate) type Place = (Component, topic::Entity);

fn alone(entity: &Entity, device: &Device) -> Message {
    let told = Told { entity, device, origin: Origin::default() };
    Message { place: (entity.component, entity.about.clone()), payload: bytes(&told) }
}

fn together(thing: topic::Entity, entities: &[Entity], device: &Device) -> Message {
    let payload = bytes(&Whole::new(entities, device));
    Message { place: (Component::Device, thing), payload }
}

/// What is told always has a JSON form; nothing is what Home Assistant takes for a removal.
fn bytes(told: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(told).unwrap_or_default()
}

#[cfg(test)]
mod tests;
