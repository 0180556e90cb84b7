//! Every topic of the system, as a type and as text. `topics.md` is the normative description.

mod entity;
mod group;

use std::fmt;
use std::str::{FromStr, Split};

use smc_core::name::{NodeName, QueryName, SiteName};

pub use self::entity::{Component, Diagnostic, Entity};
pub use self::group::{Group, worker_id};
use crate::homie::HomieTopics;

/// What all topics of ours begin with.
pub const ROOT: &str = "murmur";

/// The topic on which Home Assistant announces that it came up.
pub const HOME_ASSISTANT_STATUS: &str = "homeassistant/status";

/// All topics of ours, of whatever site.
pub const EVERYTHING: &str = "murmur/#";

/// Everything that Home Assistant and its devices say about themselves.
pub const HOME_ASSISTANT_EVERYTHING: &str = "homeassistant/#";

/// What members of whatever site say to newcomers, who don't know yet which site it is.
pub const PAIR_ANSWERS: &str = "murmur/+/pair/answer/+";

/// Who lets newcomers in, at whatever site.
pub const PAIR_OFFERS: &str = "murmur/+/pair/offer/+";

/// A topic of one site.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Topic {
    /// `murmur/<site>/audit/<peer>`: what a peer's log came to, signed.
    Audit {
        /// Whose log.
        peer: NodeName,
    },
    /// `murmur/<site>/card/<node>`: a node's signed card, with its current sealing key.
    Card {
        /// Whose card it is.
        node: NodeName,
    },
    /// `murmur/<site>/charter`: all changes of the member list that enough peers signed.
    Charter,
    /// `murmur/<site>/charter/proposed/<peer>`: the change of the member list that a peer signed last.
    CharterProposed {
        /// Who signed it.
        peer: NodeName,
    },
    /// `murmur/<site>/control/<agent>`: what an agent's owner does not want it to share, signed.
    Control {
        /// Whom it is for.
        agent: NodeName,
    },
    /// `murmur/<site>/decision/<peer>/<query>`: what a peer says to a client's request, signed.
    Decision {
        /// Who decided.
        peer: NodeName,
        /// About what.
        query: QueryName,
    },
    /// `homeassistant/<component>/murmur_<site>/<entity>/config`: Home Assistant's discovery.
    Discovery {
        /// What Home Assistant makes of it.
        component: Component,
        /// What it is about.
        entity: Entity,
    },
    /// `murmur/<site>/introduction/<node>`: which program an agent or a client runs, signed.
    Introduction {
        /// Who introduces itself.
        node: NodeName,
    },
    /// `murmur/<site>/operator/<peer>`: the newest order of a peer's operator to it.
    Operator {
        /// Whom it is for.
        peer: NodeName,
    },
    /// `murmur/<site>/output/<to>/<from>/<query>`: a peer's shares of an output for one client alone, sealed to it.
    Output {
        /// Who can open it.
        to: NodeName,
        /// Who sealed it.
        from: NodeName,
        /// What was asked.
        query: QueryName,
    },
    /// `murmur/<site>/pair/answer/<member>`: what a member says to whoever wants to join by its code.
    PairAnswer {
        /// Whose code.
        member: NodeName,
    },
    /// `murmur/<site>/pair/ask/<member>`: what newcomers say to a member that has a code.
    PairAsk {
        /// Whose code.
        member: NodeName,
    },
    /// `murmur/<site>/pair/offer/<member>`: that a member lets somebody in by a code.
    PairOffer {
        /// Whose code.
        member: NodeName,
    },
    /// `murmur/<site>/peer/<to>/<from>`: a sealed message between peers.
    Peer {
        /// Who can open it.
        to: NodeName,
        /// Who sealed it.
        from: NodeName,
    },
    /// `murmur/<site>/request/<client>/<query>`: what a client asks, or that it asks no longer, signed.
    Request {
        /// Who asks.
        client: NodeName,
        /// What it calls it.
        query: QueryName,
    },
    /// `murmur/<site>/result/<query>`: the newest signed result, or why there is none.
    Result {
        /// What was asked.
        query: QueryName,
    },
    /// `murmur/<site>/result/<query>/part/<part>`: a part of a value that is too long for its result.
    ResultPart {
        /// What was asked.
        query: QueryName,
        /// Which part, from 0.
        part: u16,
    },
    /// `murmur/<site>/result/<query>/state`: the newest value and nothing else, for programs that take no JSON apart.
    ResultState {
        /// What was asked.
        query: QueryName,
    },
    /// `murmur/<site>/share/<peer>/<agent>`: an agent's sealed shares for one peer.
    Share {
        /// Who can open it.
        to: NodeName,
        /// Who sealed it.
        from: NodeName,
    },
    /// `murmur/<site>/status/<node>`: whether the node is connected.
    Status {
        /// Whose status it is.
        node: NodeName,
    },
}

/// A topic that is none of this site's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a topic of this site")]
pub struct ForeignTopic;

/// The topics of one site: text to type, type to text, and the filters that nodes subscribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    site: SiteName,
}

impl Topics {
    /// The topics of `site`.
    pub fn new(site: SiteName) -> Self {
        Self { site }
    }

    /// Whose topics they are.
    pub fn site(&self) -> &SiteName {
        &self.site
    }

    /// The text of `topic`.
    pub fn spell(&self, topic: &Topic) -> String {
        let site = &self.site;
        match topic {
            Topic::Audit { peer } => format!("{ROOT}/{site}/audit/{peer}"),
            Topic::Card { node } => format!("{ROOT}/{site}/card/{node}"),
            Topic::Charter => format!("{ROOT}/{site}/charter"),
            Topic::CharterProposed { peer } => format!("{ROOT}/{site}/charter/proposed/{peer}"),
            Topic::Control { agent } => format!("{ROOT}/{site}/control/{agent}"),
            Topic::Decision { peer, query } => format!("{ROOT}/{site}/decision/{peer}/{query}"),
            Topic::Discovery { component, entity } => entity::spell(site, *component, entity),
            Topic::Introduction { node } => format!("{ROOT}/{site}/introduction/{node}"),
            Topic::Operator { peer } => format!("{ROOT}/{site}/operator/{peer}"),
            Topic::Output { to, from, query } => format!("{ROOT}/{site}/output/{to}/{from}/{query}"),
            Topic::PairAnswer { member } => format!("{ROOT}/{site}/pair/answer/{member}"),
            Topic::PairAsk { member } => format!("{ROOT}/{site}/pair/ask/{member}"),
            Topic::PairOffer { member } => format!("{ROOT}/{site}/pair/offer/{member}"),
            Topic::Peer { to, from } => format!("{ROOT}/{site}/peer/{to}/{from}"),
            Topic::Request { client, query } => format!("{ROOT}/{site}/request/{client}/{query}"),
            Topic::Result { query } => format!("{ROOT}/{site}/result/{query}"),
            Topic::ResultPart { query, part } => format!("{ROOT}/{site}/result/{query}/part/{part}"),
            Topic::ResultState { query } => format!("{ROOT}/{site}/result/{query}/state"),
            Topic::Share { to, from } => format!("{ROOT}/{site}/share/{to}/{from}"),
            Topic::Status { node } => format!("{ROOT}/{site}/status/{node}"),
        }
    }

    /// The topic that `text` spells.
    ///
    /// # Errors
    /// [`ForeignTopic`] for anything that [`Topics::spell`] never yields.
    pub fn parse(&self, text: &str) -> Result<Topic, ForeignTopic> {
        let mut levels = text.split('/');
        let mut level = || levels.next().ok_or(ForeignTopic);
        let topic = match level()? {
            ROOT => {
                if level()? != self.site.as_str() {
                    return Err(ForeignTopic);
                }
                match level()? {
                    "audit" => Topic::Audit { peer: name(level()?)? },
                    "card" => Topic::Card { node: name(level()?)? },
                    "charter" => return charter(levels),
                    "control" => Topic::Control { agent: name(level()?)? },
                    "decision" => Topic::Decision { peer: name(level()?)?, query: name(level()?)? },
                    "introduction" => Topic::Introduction { node: name(level()?)? },
                    "operator" => Topic::Operator { peer: name(level()?)? },
                    "output" => {
                        Topic::Output { to: name(level()?)?, from: name(level()?)?, query: name(level()?)? }
                    }
                    "pair" => return pair(levels),
                    "peer" => Topic::Peer { to: name(level()?)?, from: name(level()?)? },
                    "request" => Topic::Request { client: name(level()?)?, query: name(level()?)? },
                    "result" => return result(levels),
                    "share" => Topic::Share { to: name(level()?)?, from: name(level()?)? },
                    "status" => Topic::Status { node: name(level()?)? },
                    _ => return Err(ForeignTopic),
                }
            }
            "homeassistant" => return entity::parse(&self.site, levels),
            _ => return Err(ForeignTopic),
        };
        if levels.next().is_some() { Err(ForeignTopic) } else { Ok(topic) }
    }

    /// All cards of the site.
    pub fn cards(&self) -> String {
        format!("{ROOT}/{}/card/+", self.site)
    }

    /// What peers propose to change in the member list.
    pub fn charters_proposed(&self) -> String {
        format!("{ROOT}/{}/charter/proposed/+", self.site)
    }

    /// What all peers say to clients' requests.
    pub fn decisions(&self) -> String {
        format!("{ROOT}/{}/decision/+/+", self.site)
    }

    /// What the peer `from` says to clients' requests.
    pub fn decision_outbox(&self, from: &NodeName) -> String {
        format!("{ROOT}/{}/decision/{from}/+", self.site)
    }

    /// Everything of the site, results included.
    pub fn everything(&self) -> String {
        format!("{ROOT}/{}/#", self.site)
    }

    /// All discovery messages of the site, by component.
    pub fn discovery(&self) -> impl Iterator<Item = String> {
        let filter = |component: Component| {
            format!("homeassistant/{}/{ROOT}_{}/+/config", component.name(), self.site)
        };
        Component::ALL.into_iter().map(filter)
    }

    /// The topics of the site by the Homie convention.
    pub fn homie(&self) -> HomieTopics {
        HomieTopics::new(&self.site)
    }

    /// What all peers' logs came to.
    pub fn heads(&self) -> String {
        format!("{ROOT}/{}/audit/+", self.site)
    }

    /// How all agents and clients introduce themselves.
    pub fn introductions(&self) -> String {
        format!("{ROOT}/{}/introduction/+", self.site)
    }

    /// Outputs that peers sealed for `to`.
    pub fn output_inbox(&self, to: &NodeName) -> String {
        format!("{ROOT}/{}/output/{to}/+/+", self.site)
    }

    /// Outputs that the peer `from` seals for clients.
    pub fn output_outbox(&self, from: &NodeName) -> String {
        format!("{ROOT}/{}/output/+/{from}/+", self.site)
    }

    /// What newcomers say to members that have a code.
    pub fn pair_asks(&self) -> String {
        format!("{ROOT}/{}/pair/ask/+", self.site)
    }

    /// Messages that other peers sealed for `to`.
    pub fn peer_inbox(&self, to: &NodeName) -> String {
        format!("{ROOT}/{}/peer/{to}/+", self.site)
    }

    /// Messages that the peer `from` seals for others.
    pub fn peer_outbox(&self, from: &NodeName) -> String {
        format!("{ROOT}/{}/peer/+/{from}", self.site)
    }

    /// What all clients ask.
    pub fn requests(&self) -> String {
        format!("{ROOT}/{}/request/+/+", self.site)
    }

    /// What the client `from` asks.
    pub fn request_outbox(&self, from: &NodeName) -> String {
        format!("{ROOT}/{}/request/{from}/+", self.site)
    }

    /// All parts of values that are too long for their results.
    pub fn result_parts(&self) -> String {
        format!("{ROOT}/{}/result/+/part/+", self.site)
    }

    /// All results of the site, without the parts of long values.
    pub fn results(&self) -> String {
        format!("{ROOT}/{}/result/+", self.site)
    }

    /// All results of the site and the parts of long values: by one filter, so that they come in the order in which they
    /// were published.
    pub fn results_and_parts(&self) -> String {
        format!("{ROOT}/{}/result/#", self.site)
    }

    /// The bare values of all results.
    pub fn result_states(&self) -> String {
        format!("{ROOT}/{}/result/+/state", self.site)
    }

    /// Shares that agents sealed for the peer `to`.
    pub fn share_inbox(&self, to: &NodeName) -> String {
        format!("{ROOT}/{}/share/{to}/+", self.site)
    }

    /// Shares that the agent `from` seals for peers.
    pub fn share_outbox(&self, from: &NodeName) -> String {
        format!("{ROOT}/{}/share/+/{from}", self.site)
    }

    /// The presence of all nodes.
    pub fn statuses(&self) -> String {
        format!("{ROOT}/{}/status/+", self.site)
    }
}

/// What follows `charter`.
fn charter(mut levels: Split<'_, char>) -> Result<Topic, ForeignTopic> {
    match (levels.next(), levels.next(), levels.next()) {
        (None, ..) => Ok(Topic::Charter),
        (Some("proposed"), Some(peer), None) => Ok(Topic::CharterProposed { peer: name(peer)? }),
        _ => Err(ForeignTopic),
    }
}

/// What follows `pair`.
fn pair(mut levels: Split<'_, char>) -> Result<Topic, ForeignTopic> {
    match (levels.next(), levels.next(), levels.next()) {
        (Some("answer"), Some(member), None) => Ok(Topic::PairAnswer { member: name(member)? }),
        (Some("ask"), Some(member), None) => Ok(Topic::PairAsk { member: name(member)? }),
        (Some("offer"), Some(member), None) => Ok(Topic::PairOffer { member: name(member)? }),
        _ => Err(ForeignTopic),
    }
}

/// What follows `result`.
fn result(mut levels: Split<'_, char>) -> Result<Topic, ForeignTopic> {
    let query = name(levels.next().ok_or(ForeignTopic)?)?;
    match (levels.next(), levels.next(), levels.next()) {
        (None, ..) => Ok(Topic::Result { query }),
        (Some("part"), Some(part), None) => Ok(Topic::ResultPart { query, part: number(part)? }),
        (Some("state"), None, _) => Ok(Topic::ResultState { query }),
        _ => Err(ForeignTopic),
    }
}

/// A number as it is spelled, without leading zeros or signs.
fn number(level: &str) -> Result<u16, ForeignTopic> {
    let number: u16 = level.parse().map_err(|_| ForeignTopic)?;
    if number.to_string() == level { Ok(number) } else { Err(ForeignTopic) }
}

fn name<N: FromStr>(level: &str) -> Result<N, ForeignTopic> {
    level.parse().map_err(|_| ForeignTopic)
}

impl fmt::Display for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ROOT}/{}", self.site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> Topics {
        Topics::new("hq".parse().unwrap())
    }

    #[test]
    fn every_topic_reads_back_as_itself() {
        let node: NodeName = "tenant".parse().unwrap();
        let from: NodeName = "room-101".parse().unwrap();
        let query: QueryName = "co2-mean".parse().unwrap();
        let discovery = |component, entity| Topic::Discovery { component, entity };
        let all = [
            Topic::Audit { peer: node.clone() },
            Topic::Card { node: node.clone() },
            Topic::Charter,
            Topic::CharterProposed { peer: node.clone() },
            Topic::Control { agent: node.clone() },
            Topic::Decision { peer: node.clone(), query: query.clone() },
            discovery(Component::BinarySensor, Entity::Result(query.clone())),
            discovery(Component::Device, Entity::Node(node.clone())),
            discovery(Component::Device, Entity::Result(query.clone())),
            discovery(Component::Sensor, Entity::Diagnostic(Diagnostic::Window, node.clone())),
            discovery(Component::Sensor, Entity::Outcome(query.clone())),
            Topic::Introduction { node: node.clone() },
            Topic::Operator { peer: node.clone() },
            Topic::Output { to: node.clone(), from: from.clone(), query: query.clone() },
            Topic::PairAnswer { member: node.clone() },
            Topic::PairAsk { member: node.clone() },
            Topic::PairOffer { member: node.clone() },
            Topic::Peer { to: node.clone(), from: from.clone() },
            Topic::Request { client: node.clone(), query: query.clone() },
            Topic::Result { query: query.clone() },
            Topic::ResultPart { query: query.clone(), part: 0 },
            Topic::ResultPart { query: query.clone(), part: 40 },
            Topic::ResultState { query },
            Topic::Share { to: node.clone(), from },
            Topic::Status { node },
        ];
        for topic in all {
            assert_eq!(topics().parse(&topics().spell(&topic)), Ok(topic));
        }
    }

    #[test]
    fn anything_else_is_foreign() {
        for text in [
            "",
            "/",
            "murmur",
            "murmur/hq",
            "murmur/hq/share/tenant",
            "murmur/hq/share/tenant/a/b",
            "murmur/hq2/card/a",
            "murmur/hq/card/+",
            "murmur/hq/card/",
            "murmur/hq/charter/",
            "murmur/hq/charter/proposed",
            "murmur/hq/charter/proposed/a/b",
            "murmur/hq/charter/enacted/a",
            "murmur/hq/pair/ask",
            "murmur/hq/pair/other/a",
            "murmur/hq/request/a",
            "murmur/hq/request/a/b/c",
            "murmur/hq/decision/a/+",
            "murmur/hq/result/a/part",
            "murmur/hq/result/a/part/",
            "murmur/hq/result/a/part/01",
            "murmur/hq/result/a/part/+1",
            "murmur/hq/result/a/part/65536",
            "murmur/hq/result/a/part/1/2",
            "murmur/hq/result/a/whole/1",
            "murmur/hq/result/a/state/1",
            "homeassistant/sensor/murmur_hq/_a/config",
            "homeassistant/sensor/murmur_hq/_outcome_/config",
            "homeassistant/sensor/murmur_hq/_mood_a/config",
            "homeassistant/sensor/murmur_hq/a/config/b",
            "homeassistant/sensor/murmur_hq/a/state",
            "homeassistant/switch/murmur_hq/a/config",
            "\u{e9}/hq",
        ] {
            assert_eq!(topics().parse(text), Err(ForeignTopic), "{text:?}");
        }
    }
}
