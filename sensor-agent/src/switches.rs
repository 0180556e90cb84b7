//! Switches in the Home Assistant of the agent's owner: what is shared, by a touch (docs/owners.md). They are at the owner's
//! own broker; nobody of the site sees them.

mod link;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use smc_core::name::StreamName;
use smc_mqtt::home_assistant::{Device, Origin, SwitchTopics, entity_id};

pub(crate) use self::link::Link;
use crate::source::mqtt::BrokerConfig;

/// How many bytes of a purpose's digest its switch is called by.
const DIGEST: usize = 8;

/// Where an agent's switches are, and for which purposes there are some.
#[derive(Debug, Clone)]
pub struct SwitchOptions {
    /// The owner's own broker.
    pub broker: BrokerConfig,
    /// Those that the agent's terms allow.
    pub purposes: Vec<String>,
}

/// What a switch is for. On is shared, off is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Switch {
    /// All that the agent shares.
    All,
    /// Results for one purpose.
    Purpose(String),
    /// One stream.
    Stream(StreamName),
}

impl Switch {
    /// What it is called in topics: letters, digits, `-` and `_`, and no other of the agent is called the same.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::All => "sharing".to_owned(),
            // A purpose is any text.
            Self::Purpose(purpose) => {
                let digest = Sha256::digest(purpose);
                let hex = digest.iter().take(DIGEST).map(|byte| format!("{byte:02x}"));
                format!("purpose-{}", hex.collect::<String>())
            }
            Self::Stream(stream) => format!("stream-{stream}"),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::All => "Sharing".to_owned(),
            Self::Purpose(purpose) => format!("Sharing for {purpose}"),
            Self::Stream(stream) => format!("Sharing {stream}"),
        }
    }

    /// Home Assistant's configuration of it.
    pub(crate) fn discovery(&self, topics: &SwitchTopics, agent: &str) -> Vec<u8> {
        let id = self.id();
        let unique_id = format!("{}_{id}", topics.device());
        let entity = Entity {
            name: self.name(),
            default_entity_id: entity_id("switch", &unique_id),
            object_id: &unique_id,
            unique_id: &unique_id,
            state_topic: topics.state(&id),
            command_topic: topics.command(&id),
            qos: 1,
            availability: [Availability { topic: topics.availability() }],
            device: Device::new(
                topics.device(),
                format!("Murmuration {agent}"),
                "Shares readings without telling them",
            ),
            origin: Origin::default(),
        };
        // It always has a JSON form; nothing is what Home Assistant takes for a removal.
        serde_json::to_vec(&entity).unwrap_or_default()
    }
}

/// Under Home Assistant's names. What is left out is as we want it: `ON` and `OFF`, `online` and `offline`, commands not
/// retained.
#[derive(Debug, Serialize)]
struct Entity<'a> {
    name: String,
    unique_id: &'a str,
    object_id: &'a str,
    default_entity_id: String,
    state_topic: String,
    command_topic: String,
    qos: u8,
    availability: [Availability; 1],
    device: Device,
    origin: Origin,
}

#[derive(Debug, Serialize)]
struct Availability {
    topic: String,
}
