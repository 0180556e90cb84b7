//! What a message is: from its topic, what can be read of it, and whose signature it bears.

use std::sync::Arc;

use smc_core::card;
use smc_core::envelope::Envelope;
use smc_core::name::{NodeName, QueryName, SiteName};
use smc_core::output;
use smc_core::roster::Roster;
use smc_core::time::{Timestamp, WindowIndex};
use smc_mqtt::config::ConfigError;
use smc_mqtt::members::Members;
use smc_mqtt::topic::{Entity, Topic, Topics};

use super::explained::{Explained, Message, Sealed, Signature, Window, shown};
use super::kind::Kind;
use super::values::Values;
use super::{pairing, presence};

/// What is said of JSON that has not the form of its topic.
pub(super) const MALFORMED: &str = "NOT WHAT BELONGS ON THIS TOPIC; every receiver refuses it";
/// Why a signature can't be checked without a site file.
const NO_SITE_FILE: &str = "no site file";

/// Explains messages of one site, one after the other.
#[derive(Debug)]
pub(super) struct Explainer {
    topics: Topics,
    pub(super) known: Option<Known>,
    pub(super) values: Values,
}

/// What a site file tells, and how its member list moved on since.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) members: Members,
    pub(super) roster: Arc<Roster>,
}

impl Known {
    /// # Errors
    /// Never for lists that hold together.
    pub(super) fn new(members: Members) -> Result<Self, ConfigError> {
        let roster = members.roster()?;
        Ok(Self { members, roster })
    }
}

impl Explainer {
    /// For the site `site`, of which `known` is known.
    pub(super) fn new(site: SiteName, known: Option<Known>) -> Self {
        Self { topics: Topics::new(site), known, values: Values::default() }
    }

    /// What `message` is.
    pub(super) fn explain(&mut self, message: &Message, now: Timestamp) -> Explained {
        let Ok(topic) = self.topics.parse(&message.topic) else {
            let mut told = Explained::new(Kind::Unknown, None);
            told.says = format!("{}: no topic of this site that is known here", shown(&message.topic));
            return told;
        };
        if message.payload.is_empty() {
            let mut told = Explained::new(Kind::of(&topic), sender(&topic));
            told.to = receiver(&topic).cloned();
            told.says = "cleared: the broker keeps nothing here any more".to_owned();
            return told;
        }
        let mut told = self.read(&topic, &message.payload, now);
        told.to = told.to.or_else(|| receiver(&topic).cloned());
        told
    }

    fn read(&mut self, topic: &Topic, payload: &[u8], now: Timestamp) -> Explained {
        let told = Explained::new(Kind::of(topic), sender(topic));
        match topic {
            Topic::Audit { peer } => self.head(told, peer, payload),
            Topic::Card { node } => self.card(told, node, payload),
            Topic::Charter => self.charters(told, payload, now),
            Topic::CharterProposed { peer } => self.proposal(told, peer, payload),
            Topic::Control { agent } => self.control(told, agent, payload),
            Topic::Decision { peer, .. } => self.decision(told, peer, payload),
            Topic::Discovery { entity, .. } => discovery(told, entity, payload),
            Topic::Introduction { node } => self.introduction(told, node, payload),
            Topic::Operator { peer } => self.order(told, peer, payload),
            Topic::Output { to, from, query } => {
                let says = format!(
                    "a share of the output of {query}, sealed: only {to} can open it, and only with others' shares"
                );
                self.sealed(told, (from, to), payload, says)
            }
            Topic::PairAnswer { .. } | Topic::PairAsk { .. } | Topic::PairOffer { .. } => {
                pairing::explain(told, topic, payload)
            }
            Topic::Peer { to, from } => {
                let says =
                    format!("a step of the protocol, sealed: only {to} sees which, and of which window");
                self.sealed(told, (from, to), payload, says)
            }
            Topic::Request { client, query } => self.request(told, client, query, payload),
            Topic::Result { query } => self.result(told, query, payload),
            Topic::ResultPart { query, part } => self.part(told, query, *part, payload),
            Topic::ResultState { query } => bare(told, query, payload),
            Topic::Share { to, from } => {
                let says = format!("shares of its readings, sealed: only {to} can open them");
                self.sealed(told, (from, to), payload, says)
            }
            Topic::Status { node } => presence::explain(told, node, payload),
        }
    }

    /// An envelope: its header is all that can be read.
    fn sealed(
        &self,
        mut told: Explained,
        (from, to): (&NodeName, &NodeName),
        payload: &[u8],
        says: String,
    ) -> Explained {
        let Ok(envelope) = Envelope::parse(payload, payload.len()) else {
            told.says = MALFORMED.to_owned();
            return told;
        };
        let is_share = told.kind == Kind::Share;
        let header = (envelope.site(), envelope.from(), envelope.to());
        if header != (self.site().as_str(), from, to.as_str()) || envelope.window().is_some() != is_share {
            told.says = format!("{MALFORMED}: its header says something else");
            return told;
        }
        let part = if envelope.part() > 0 {
            format!(", part {} of a vector", envelope.part())
        } else {
            String::new()
        };
        let key = if envelope.epoch() == output::EPOCH {
            "to its one key".to_owned()
        } else {
            format!("to its key of epoch {}{}", envelope.epoch(), self.age(&envelope))
        };
        told.says = format!("{says}{part}; {key}, message {} under one encapsulation", envelope.counter());
        told.sealed = Some(Sealed { to: to.clone(), epoch: envelope.epoch() });
        told.window = envelope.window().map(|(period, index)| Window {
            index,
            time: Some((period.start(index).to_string(), period.end(index).to_string())),
        });
        told
    }

    /// What is to be said of the key epoch of an input, beside its window.
    fn age(&self, envelope: &Envelope<'_>) -> &'static str {
        let (Some(known), Some((period, window))) = (&self.known, envelope.window()) else { return "" };
        let expected = card::epoch_at(&known.roster, period.start(window));
        if envelope.epoch().0.abs_diff(expected.0) > 1 {
            ", WHICH IS NOT OF THE TIME OF THE WINDOW"
        } else {
            ""
        }
    }

    /// The site.
    pub(super) fn site(&self) -> &SiteName {
        self.topics.site()
    }

    /// What to say of a window of which only the number is known.
    pub(super) fn window(&self, query: &QueryName, index: WindowIndex) -> Window {
        let known = self.known.as_ref().and_then(|known| {
            let query = known.roster.query(known.roster.query_named(query)?);
            Some(known.roster.quantity(query.quantity).quantity.period())
        });
        let time = known.map(|period| (period.start(index).to_string(), period.end(index).to_string()));
        Window { index, time }
    }

    /// Why nothing can be checked, if that is so.
    pub(super) fn unchecked(&self) -> Signature {
        match &self.known {
            None => Signature::Unchecked(NO_SITE_FILE),
            Some(_) => Signature::Unchecked("the site file has no key of the sender"),
        }
    }
}

/// Who says what comes on a topic; of a result whoever signed it.
fn sender(topic: &Topic) -> Option<&NodeName> {
    match topic {
        Topic::Audit { peer: node }
        | Topic::Card { node }
        | Topic::CharterProposed { peer: node }
        | Topic::Control { agent: node }
        | Topic::Decision { peer: node, .. }
        | Topic::Introduction { node }
        | Topic::Operator { peer: node }
        | Topic::Output { from: node, .. }
        | Topic::PairAnswer { member: node }
        | Topic::PairOffer { member: node }
        | Topic::Peer { from: node, .. }
        | Topic::Request { client: node, .. }
        | Topic::Share { from: node, .. }
        | Topic::Status { node } => Some(node),
        Topic::Charter
        | Topic::Discovery { .. }
        | Topic::PairAsk { .. }
        | Topic::Result { .. }
        | Topic::ResultPart { .. }
        | Topic::ResultState { .. } => None,
    }
}

/// Whom a topic is for, if for one node alone.
fn receiver(topic: &Topic) -> Option<&NodeName> {
    match topic {
        Topic::Control { agent: to }
        | Topic::Operator { peer: to }
        | Topic::Output { to, .. }
        | Topic::PairAsk { member: to }
        | Topic::Peer { to, .. }
        | Topic::Share { to, .. } => Some(to),
        Topic::Audit { .. }
        | Topic::Card { .. }
        | Topic::Charter
        | Topic::CharterProposed { .. }
        | Topic::Decision { .. }
        | Topic::Discovery { .. }
        | Topic::Introduction { .. }
        | Topic::PairAnswer { .. }
        | Topic::PairOffer { .. }
        | Topic::Request { .. }
        | Topic::Result { .. }
        | Topic::ResultPart { .. }
        | Topic::ResultState { .. }
        | Topic::Status { .. } => None,
    }
}

/// Home Assistant's words.
fn discovery(mut told: Explained, entity: &Entity, payload: &[u8]) -> Explained {
    let Ok(words) = serde_json::from_slice::<serde_json::Value>(payload) else {
        told.says = MALFORMED.to_owned();
        return told;
    };
    let word = |key: &str| words.get(key).and_then(serde_json::Value::as_str);
    let what = match entity {
        Entity::Diagnostic(_, node) | Entity::Node(node) => format!("how {node} fares"),
        Entity::Outcome(query) => format!("whether {query} has a value, and why not"),
        Entity::Result(query) => format!("the results of {query}"),
    };
    let unit = word("unit_of_measurement").map_or_else(String::new, |unit| format!(" in {unit}"));
    let class = word("device_class").map_or_else(String::new, |class| format!(", {class}"));
    let id = word("default_entity_id").map_or_else(String::new, |id| format!(" as {id}"));
    told.says = format!("has Home Assistant show {what}{id}{unit}{class}");
    told
}

/// What is there for programs that take no JSON apart.
fn bare(mut told: Explained, query: &QueryName, payload: &[u8]) -> Explained {
    const SHOWN: usize = 64;
    let value: String = String::from_utf8_lossy(payload).chars().take(SHOWN).collect();
    told.says = format!(
        "the newest value of {query} and nothing else: {value}; the result beside it is what is signed"
    );
    told
}
