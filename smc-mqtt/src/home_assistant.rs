//! What all of our MQTT discovery for Home Assistant has in common, and the topics of an agent's switches, which are at its
//! owner's own broker.

use serde::Serialize;
use smc_core::name::{NodeName, SiteName};

use crate::topic::ROOT;

/// What Home Assistant shows as one device.
#[derive(Debug, Serialize)]
pub struct Device {
    identifiers: [String; 1],
    name: String,
    manufacturer: &'static str,
    model: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    via_device: Option<String>,
}

impl Device {
    /// The device that is told apart by `identifier`.
    pub fn new(identifier: String, name: String, model: &'static str) -> Self {
        Self { identifiers: [identifier], name, manufacturer: "Murmuration", model, via_device: None }
    }

    /// One that belongs to the device that is told apart by `identifier`.
    pub fn via(self, identifier: String) -> Self {
        Self { via_device: Some(identifier), ..self }
    }
}

/// Which program announces something.
#[derive(Debug, Serialize)]
pub struct Origin {
    name: &'static str,
    sw_version: &'static str,
}

impl Default for Origin {
    fn default() -> Self {
        Self { name: "Murmuration", sw_version: env!("CARGO_PKG_VERSION") }
    }
}

/// What Home Assistant is to call an entity in its own id: lower case, digits and underscores, no two of which follow each
/// other.
pub fn entity_id(component: &str, unique_id: &str) -> String {
    let lower = unique_id.to_lowercase().replace('-', "_");
    let words: Vec<_> = lower.split('_').filter(|word| !word.is_empty()).collect();
    format!("{component}.{}", words.join("_"))
}

/// What the device of a node is told apart by: its switches and what it tells of itself are one device.
pub fn node_device(site: &SiteName, node: &NodeName) -> String {
    format!("{ROOT}_{site}_{node}")
}

/// The topics of one agent's switches, at its owner's own broker.
#[derive(Debug, Clone)]
pub struct SwitchTopics {
    site: SiteName,
    agent: NodeName,
}

impl SwitchTopics {
    /// Those of `agent` of `site`.
    pub fn new(site: SiteName, agent: NodeName) -> Self {
        Self { site, agent }
    }

    /// Whether the agent is there: `online` or `offline`.
    pub fn availability(&self) -> String {
        format!("{}/available", self.root())
    }

    /// Where `switch` says how it stands.
    pub fn state(&self, switch: &str) -> String {
        format!("{}/{switch}/state", self.root())
    }

    /// Where it is told how to stand.
    pub fn command(&self, switch: &str) -> String {
        format!("{}/{switch}/set", self.root())
    }

    /// The filter of all commands.
    pub fn commands(&self) -> String {
        self.command("+")
    }

    /// Which switch a command is for.
    pub fn commanded<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic.strip_prefix(&self.root())?.strip_prefix('/')?.strip_suffix("/set")
    }

    /// Where Home Assistant finds `switch`.
    pub fn discovery(&self, switch: &str) -> String {
        format!("homeassistant/switch/{}/{switch}/config", self.device())
    }

    /// What the agent's device is told apart by.
    pub fn device(&self) -> String {
        node_device(&self.site, &self.agent)
    }

    fn root(&self) -> String {
        format!("{ROOT}/{}/switch/{}", self.site, self.agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_for_the_switch_that_its_topic_names() {
        let topics = SwitchTopics::new("hq".parse().unwrap(), "room-1".parse().unwrap());
        assert_eq!(topics.commanded(&topics.command("stream-co2")), Some("stream-co2"));
        for other in ["murmur/hq/switch/room-10/sharing/set", "murmur/hq/switch/room-1/sharing/state", ""] {
            assert_eq!(topics.commanded(other), None, "{other}");
        }
        assert_eq!(entity_id("switch", "murmur_hq_Room-1_sharing"), "switch.murmur_hq_room_1_sharing");
        assert_eq!(entity_id("sensor", "murmur_hq__outcome_co2--mean"), "sensor.murmur_hq_outcome_co2_mean");
    }
}
