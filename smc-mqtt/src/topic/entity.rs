//! The topics of Home Assistant's discovery: `homeassistant/<component>/murmur_<site>/<entity>/config`.

use std::fmt;
use std::str::Split;

use smc_core::name::{NodeName, QueryName, SiteName};

use super::{ForeignTopic, ROOT, Topic, name};

/// What Home Assistant makes of a discovery message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// An entity that says yes or no.
    BinarySensor,
    /// Several entities of one device at once.
    Device,
    /// An entity that says anything else.
    Sensor,
}

impl Component {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::BinarySensor, Self::Device, Self::Sensor];

    /// Home Assistant's name for it: in topics, and before the dot of an entity's id.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BinarySensor => "binary_sensor",
            Self::Device => "device",
            Self::Sensor => "sensor",
        }
    }
}

/// What a discovery message is about. A name never begins with `_`, so no two are called the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entity {
    /// `_<diagnostic>_<node>`: how a peer or an agent fares.
    Diagnostic(Diagnostic, NodeName),
    /// `_node_<node>`: all that is told of a peer or an agent, as one device.
    Node(NodeName),
    /// `_outcome_<query>`: whether the newest window of a query has a value, and if not, why.
    Outcome(QueryName),
    /// `<query>`: the value of a query; for a device, its outcome as well.
    Result(QueryName),
}

/// What is told of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Diagnostic {
    /// How many agents its newest window covered.
    Cohort,
    /// Whether it is connected.
    Connection,
    /// Whether its disk takes what it must not forget.
    Disk,
    /// How many messages it refused.
    Refused,
    /// Since when it runs.
    Since,
    /// When the newest window ended that it took part in.
    Window,
}

impl Diagnostic {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Cohort, Self::Connection, Self::Disk, Self::Refused, Self::Since, Self::Window];

    /// What it is called in topics and ids.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cohort => "cohort",
            Self::Connection => "connection",
            Self::Disk => "disk",
            Self::Refused => "refused",
            Self::Since => "since",
            Self::Window => "window",
        }
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Diagnostic(diagnostic, node) => write!(f, "_{}_{node}", diagnostic.name()),
            Self::Node(node) => write!(f, "_node_{node}"),
            Self::Outcome(query) => write!(f, "_outcome_{query}"),
            Self::Result(query) => write!(f, "{query}"),
        }
    }
}

impl Entity {
    fn parse(text: &str) -> Result<Self, ForeignTopic> {
        let Some(special) = text.strip_prefix('_') else { return Ok(Self::Result(name(text)?)) };
        let (what, of) = special.split_once('_').ok_or(ForeignTopic)?;
        match what {
            "node" => Ok(Self::Node(name(of)?)),
            "outcome" => Ok(Self::Outcome(name(of)?)),
            _ => {
                let known = Diagnostic::ALL.into_iter().find(|known| known.name() == what);
                Ok(Self::Diagnostic(known.ok_or(ForeignTopic)?, name(of)?))
            }
        }
    }
}

/// The topic of a discovery message.
pub(super) fn spell(site: &SiteName, component: Component, entity: &Entity) -> String {
    format!("homeassistant/{}/{ROOT}_{site}/{entity}/config", component.name())
}

/// What follows `homeassistant`.
pub(super) fn parse(of: &SiteName, mut levels: Split<'_, char>) -> Result<Topic, ForeignTopic> {
    let mut level = || levels.next().ok_or(ForeignTopic);
    let component = level()?;
    let component = Component::ALL.into_iter().find(|known| known.name() == component);
    let site = level()?.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('_'));
    let entity = Entity::parse(level()?)?;
    if site != Some(of.as_str()) || level()? != "config" || levels.next().is_some() {
        return Err(ForeignTopic);
    }
    Ok(Topic::Discovery { component: component.ok_or(ForeignTopic)?, entity })
}
