//! Home Assistant's configuration of entities, under Home Assistant's names.

use std::collections::BTreeMap;

use serde::Serialize;
use smc_core::name::SiteName;
use smc_mqtt::home_assistant::{Device, Origin, entity_id};
use smc_mqtt::topic::{self, Component};

/// One entity. What is left out is as we want it: `ON` and `OFF`, `online` and `offline`.
#[derive(Debug, Serialize)]
pub(super) struct Entity {
    #[serde(skip)]
    pub(super) component: Component,
    #[serde(skip)]
    pub(super) about: topic::Entity,
    pub(super) name: String,
    pub(super) unique_id: String,
    /// The way to propose an entity id until 2026, and from then on `default_entity_id`.
    pub(super) object_id: String,
    pub(super) default_entity_id: String,
    pub(super) state_topic: String,
    pub(super) value_template: String,
    #[serde(flatten)]
    pub(super) state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entity_category: Option<&'static str>,
    #[serde(flatten)]
    pub(super) attributes: Option<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) availability: Option<[Availability; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expire_after: Option<u64>,
}

/// What is known of a state; nothing where it is no number.
#[derive(Debug, Default, Serialize)]
pub(super) struct State {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) unit_of_measurement: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state_class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) suggested_display_precision: Option<u8>,
}

impl State {
    /// Of this class alone.
    pub(super) fn of_class(device_class: &'static str) -> Self {
        Self { device_class: Some(device_class), ..Self::default() }
    }

    /// A whole number of something.
    pub(super) fn count(unit: &str) -> Self {
        Self {
            unit_of_measurement: unit.to_owned(),
            state_class: Some("measurement"),
            suggested_display_precision: Some(0),
            ..Self::default()
        }
    }
}

/// What is told besides the state. Home Assistant shows it only while the entity is available.
#[derive(Debug, Serialize)]
pub(super) struct Attributes {
    pub(super) json_attributes_topic: String,
    pub(super) json_attributes_template: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Availability {
    pub(super) topic: String,
    pub(super) value_template: &'static str,
}

impl Entity {
    /// An entity that tells what `value_template` makes of what is on `state_topic`.
    pub(super) fn new(
        site: &SiteName,
        (component, about): (Component, topic::Entity),
        name: String,
        state_topic: String,
        value_template: String,
    ) -> Self {
        let unique_id = format!("{}_{about}", of_site(site));
        Self {
            default_entity_id: entity_id(component.name(), &unique_id),
            object_id: unique_id.clone(),
            unique_id,
            component,
            about,
            name,
            state_topic,
            value_template,
            state: State::default(),
            entity_category: None,
            attributes: None,
            availability: None,
            expire_after: None,
        }
    }

    /// One that tells how something fares rather than what comes out.
    pub(super) fn diagnostic(self) -> Self {
        Self { entity_category: Some("diagnostic"), ..self }
    }
}

/// What the device of a site is told apart by, and what all ids of its entities begin with.
pub(super) fn of_site(site: &SiteName) -> String {
    format!("murmur_{site}")
}

/// An entity in a message of its own.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    #[serde(flatten)]
    pub(super) entity: &'a Entity,
    pub(super) device: &'a Device,
    pub(super) origin: Origin,
}

/// All entities of a thing in one message.
#[derive(Debug, Serialize)]
pub(super) struct Whole<'a> {
    dev: &'a Device,
    o: Origin,
    cmps: BTreeMap<&'a str, Part<'a>>,
}

#[derive(Debug, Serialize)]
struct Part<'a> {
    p: &'static str,
    #[serde(flatten)]
    entity: &'a Entity,
}

impl<'a> Whole<'a> {
    pub(super) fn new(entities: &'a [Entity], device: &'a Device) -> Self {
        let part =
            |entity: &'a Entity| (entity.unique_id.as_str(), Part { p: entity.component.name(), entity });
        Self { dev: device, o: Origin::default(), cmps: entities.iter().map(part).collect() }
    }
}
