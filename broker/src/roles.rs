//! What each role of a site may publish and subscribe.

use serde::Deserialize;
use smc_core::name::{NameError, NodeName};
use smc_mqtt::homie::HOMIE_EVERYTHING;
use smc_mqtt::topic::{
    EVERYTHING, HOME_ASSISTANT_EVERYTHING, HOME_ASSISTANT_STATUS, PAIR_ANSWERS, PAIR_OFFERS, Topic, Topics,
};

use crate::account::Rules;
use crate::filter::{Filter, FilterError};

/// What a client is to the site.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Seals shares for the peers.
    Agent,
    /// Asks, and opens outputs that are for its eyes alone.
    Client,
    /// Has only the filters that its account lists: zigbee2mqtt, a sensor, a dashboard.
    #[default]
    Device,
    /// Home Assistant: reads results and what is discovered, announces that it came up.
    HomeAssistant,
    /// Joins by a code, and has no login yet.
    Newcomer,
    /// Holds shares and publishes results.
    Peer,
    /// Looks at everything of the site and publishes nothing.
    Reader,
}

/// Why a role can't be given to an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// A filter of the role is too long, because the site's name or the node's is.
    #[error("the site's and the node's name make a filter that can't be used: {0}")]
    Filter(#[from] FilterError),
    /// A peer's or an agent's name must be that of a node.
    #[error("a node can't have this name: {0}")]
    Name(#[from] NameError),
}

impl Role {
    /// Whether several clients may use one login of the role. Peers and agents are one client each; a client of the site may
    /// watch one query while it asks another.
    pub fn is_shared(self) -> bool {
        !matches!(self, Self::Agent | Self::Peer)
    }

    /// The rules of an account called `name`.
    ///
    /// # Errors
    /// A name that no node can have, or names that make too long a filter.
    pub fn rules(self, topics: &Topics, name: &str) -> Result<Rules, RoleError> {
        let (publish, subscribe) = match self {
            Self::Agent => agent(topics, &name.parse()?),
            Self::Client => client(topics, &name.parse()?),
            Self::Device => (vec![], vec![]),
            Self::HomeAssistant => home_assistant(topics),
            Self::Newcomer => {
                (vec![topics.pair_asks()], vec![PAIR_OFFERS.to_owned(), PAIR_ANSWERS.to_owned()])
            }
            Self::Peer => peer(topics, &name.parse()?),
            Self::Reader => (vec![], reader(topics)),
        };
        let filters = |texts: Vec<String>| -> Result<Vec<Filter>, FilterError> {
            texts.iter().map(|text| text.parse()).collect()
        };
        let fleeting = filters(self.fleeting(topics, name)?)?;
        Ok(Rules { publish: filters(publish)?, fleeting, subscribe: filters(subscribe)?, role: self })
    }

    /// What an account of the role may publish and not have retained.
    fn fleeting(self, topics: &Topics, name: &str) -> Result<Vec<String>, NameError> {
        Ok(match self {
            Self::Agent => vec![topics.share_outbox(&name.parse()?)],
            Self::Newcomer => vec![topics.pair_asks()],
            Self::Peer => {
                let own: NodeName = name.parse()?;
                let messages = topics.peer_outbox(&own);
                vec![messages, topics.result_parts(), topics.spell(&Topic::PairAnswer { member: own })]
            }
            Self::Client | Self::Device | Self::HomeAssistant | Self::Reader => vec![],
        })
    }
}

type Filters = (Vec<String>, Vec<String>);

fn agent(topics: &Topics, own: &NodeName) -> Filters {
    let status = topics.spell(&Topic::Status { node: own.clone() });
    // By its owner, who has its login.
    let control = topics.spell(&Topic::Control { agent: own.clone() });
    let subscribe = vec![
        topics.cards(),
        topics.spell(&Topic::Charter),
        topics.statuses(),
        topics.output_inbox(own),
        control.clone(),
        // For its owner, who may know what is asked about it and what came of it.
        topics.requests(),
        topics.decisions(),
        topics.results(),
    ];
    let introduction = topics.spell(&Topic::Introduction { node: own.clone() });
    (vec![topics.share_outbox(own), status, control, introduction], subscribe)
}

fn client(topics: &Topics, own: &NodeName) -> Filters {
    let subscribe = vec![
        topics.spell(&Topic::Charter),
        topics.output_inbox(own),
        topics.request_outbox(own),
        topics.decisions(),
        topics.results_and_parts(),
        topics.statuses(),
    ];
    let introduction = topics.spell(&Topic::Introduction { node: own.clone() });
    (vec![topics.request_outbox(own), introduction], subscribe)
}

fn peer(topics: &Topics, own: &NodeName) -> Filters {
    let mut publish = vec![
        topics.peer_outbox(own),
        topics.output_outbox(own),
        topics.spell(&Topic::Audit { peer: own.clone() }),
        topics.decision_outbox(own),
        topics.spell(&Topic::Card { node: own.clone() }),
        topics.spell(&Topic::Charter),
        topics.spell(&Topic::CharterProposed { peer: own.clone() }),
        // By its operator, who has its login.
        topics.spell(&Topic::Operator { peer: own.clone() }),
        topics.spell(&Topic::PairAnswer { member: own.clone() }),
        topics.spell(&Topic::PairOffer { member: own.clone() }),
        topics.spell(&Topic::Status { node: own.clone() }),
        topics.results(),
        topics.result_parts(),
        topics.result_states(),
        topics.homie().everything(),
    ];
    publish.extend(topics.discovery());
    let mut subscribe = vec![
        topics.share_inbox(own),
        topics.peer_inbox(own),
        topics.heads(),
        topics.requests(),
        topics.decisions(),
        topics.spell(&Topic::Operator { peer: own.clone() }),
        topics.spell(&Topic::PairAsk { member: own.clone() }),
        topics.cards(),
        topics.introductions(),
        topics.spell(&Topic::Charter),
        topics.charters_proposed(),
        topics.statuses(),
        topics.results(),
        HOME_ASSISTANT_STATUS.to_owned(),
    ];
    // What it announces may be there already, or be there in vain.
    subscribe.extend(topics.discovery());
    (publish, subscribe)
}

fn home_assistant(topics: &Topics) -> Filters {
    let subscribe = vec![
        topics.results(),
        topics.result_states(),
        topics.statuses(),
        HOME_ASSISTANT_EVERYTHING.to_owned(),
        HOMIE_EVERYTHING.to_owned(),
    ];
    (vec![HOME_ASSISTANT_STATUS.to_owned()], subscribe)
}

fn reader(topics: &Topics) -> Vec<String> {
    // This broker serves one site, so that there is nothing else under it; and nobody has to know the site's name to look.
    let everything = vec![topics.everything(), EVERYTHING.to_owned(), topics.homie().everything()];
    everything.into_iter().chain(topics.discovery()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(role: Role, name: &str) -> Rules {
        role.rules(&Topics::new("hq".parse().unwrap()), name).unwrap()
    }

    fn subscribes(rules: &Rules, filter: &str) -> bool {
        rules.may_subscribe(&filter.parse().unwrap())
    }

    #[test]
    fn an_agent_speaks_for_itself_alone() {
        let agent = rules(Role::Agent, "room-101");
        assert!(agent.may_publish("murmur/hq/share/tenant/room-101"));
        assert!(agent.may_publish("murmur/hq/status/room-101"));
        assert!(!agent.may_publish("murmur/hq/share/tenant/room-102"));
        assert!(!agent.may_publish("murmur/hq/result/co2-mean"));
        assert!(!agent.may_publish("murmur/hq/result/gradient/part/0"));
        assert!(!agent.may_publish("murmur/hq/result/co2-mean/state"));
        assert!(!agent.may_publish("murmur/other/share/tenant/room-101"));
        assert!(subscribes(&agent, "murmur/hq/charter") && !agent.may_publish("murmur/hq/charter"));
        assert!(subscribes(&agent, "murmur/hq/card/+") && subscribes(&agent, "murmur/hq/card/tenant"));
        assert!(!subscribes(&agent, "murmur/hq/share/#") && !subscribes(&agent, "#"));
    }

    #[test]
    fn what_is_of_use_for_a_moment_is_not_retained() {
        for (role, name, topic) in [
            (Role::Agent, "room-101", "share/tenant/room-101"),
            (Role::Newcomer, "newcomer", "pair/ask/tenant"),
            (Role::Peer, "tenant", "peer/landlord/tenant"),
            (Role::Peer, "tenant", "pair/answer/tenant"),
            (Role::Peer, "tenant", "result/gradient/part/0"),
        ] {
            let (rules, topic) = (rules(role, name), format!("murmur/hq/{topic}"));
            assert!(rules.may_publish(&topic) && !rules.may_retain(&topic), "{topic}");
        }
        assert!(rules(Role::Agent, "room-101").may_retain("murmur/hq/status/room-101"));
        assert!(rules(Role::Peer, "tenant").may_retain("murmur/hq/result/gradient"));
    }

    #[test]
    fn a_client_asks_for_itself_alone_and_a_peer_decides_for_itself_alone() {
        let client = rules(Role::Client, "display");
        assert!(client.may_publish("murmur/hq/request/display/air"));
        assert!(!client.may_publish("murmur/hq/request/kiosk/air"));
        assert!(!client.may_publish("murmur/hq/decision/display/air"));
        assert!(
            subscribes(&client, "murmur/hq/request/display/+")
                && subscribes(&client, "murmur/hq/decision/+/air")
        );
        assert!(!subscribes(&client, "murmur/hq/request/+/+"));
        let peer = rules(Role::Peer, "tenant");
        assert!(peer.may_publish("murmur/hq/decision/tenant/air"));
        assert!(!peer.may_publish("murmur/hq/decision/landlord/air"));
        assert!(!peer.may_publish("murmur/hq/request/display/air"));
        assert!(subscribes(&peer, "murmur/hq/request/+/+") && subscribes(&peer, "murmur/hq/decision/+/+"));
        let agent = rules(Role::Agent, "room-101");
        assert!(subscribes(&agent, "murmur/hq/request/+/+") && subscribes(&agent, "murmur/hq/decision/+/+"));
        assert!(!agent.may_publish("murmur/hq/request/room-101/air"));
        assert!(
            agent.may_publish("murmur/hq/control/room-101")
                && subscribes(&agent, "murmur/hq/control/room-101")
        );
        assert!(!agent.may_publish("murmur/hq/control/room-102"));
    }

    #[test]
    fn a_newcomer_can_do_nothing_but_pair() {
        let newcomer = rules(Role::Newcomer, "newcomer");
        assert!(newcomer.may_publish("murmur/hq/pair/ask/tenant"));
        assert!(
            subscribes(&newcomer, "murmur/+/pair/offer/+")
                && subscribes(&newcomer, "murmur/hq/pair/answer/+")
        );
        for topic in
            ["murmur/hq/pair/offer/tenant", "murmur/hq/pair/answer/tenant", "murmur/hq/status/newcomer"]
        {
            assert!(!newcomer.may_publish(topic), "{topic}");
        }
        for filter in ["murmur/hq/pair/ask/+", "murmur/hq/charter", "murmur/hq/result/+", "#"] {
            assert!(!subscribes(&newcomer, filter), "{filter}");
        }
        let peer = rules(Role::Peer, "tenant");
        assert!(
            peer.may_publish("murmur/hq/pair/offer/tenant") && subscribes(&peer, "murmur/hq/pair/ask/tenant")
        );
        assert!(
            !peer.may_publish("murmur/hq/pair/answer/landlord") && !subscribes(&peer, "murmur/hq/pair/ask/+")
        );
    }

    #[test]
    fn agents_and_clients_introduce_themselves_alone_and_peers_look_at_it() {
        for (role, own) in [(Role::Agent, "room-101"), (Role::Client, "display")] {
            let rules = rules(role, own);
            assert!(rules.may_publish(&format!("murmur/hq/introduction/{own}")));
            assert!(!rules.may_publish("murmur/hq/introduction/room-102"));
            assert!(!subscribes(&rules, "murmur/hq/introduction/+"));
        }
        let peer = rules(Role::Peer, "tenant");
        assert!(subscribes(&peer, "murmur/hq/introduction/+"));
        assert!(!peer.may_publish("murmur/hq/introduction/room-101"));
    }

    #[test]
    fn a_client_reads_its_own_box_alone() {
        let client = rules(Role::Client, "display");
        assert!(
            subscribes(&client, "murmur/hq/output/display/+/+") && subscribes(&client, "murmur/hq/result/+")
        );
        assert!(
            !subscribes(&client, "murmur/hq/output/+/+/+")
                && !subscribes(&client, "murmur/hq/output/kiosk/+/+")
        );
        assert!(
            !subscribes(&client, "murmur/hq/share/#")
                && !client.may_publish("murmur/hq/output/display/tenant/x")
        );
        assert!(
            subscribes(&client, "murmur/hq/result/#") && subscribes(&client, "murmur/hq/result/+/part/+")
        );
        let peer = rules(Role::Peer, "tenant");
        assert!(peer.may_publish("murmur/hq/output/display/tenant/co2-max"));
        assert!(!peer.may_publish("murmur/hq/output/display/landlord/co2-max"));
        assert!(!subscribes(&peer, "murmur/hq/output/display/+/+"));
    }

    #[test]
    fn a_peer_reads_its_own_boxes_alone() {
        let peer = rules(Role::Peer, "tenant");
        assert!(peer.may_publish("murmur/hq/peer/landlord/tenant"));
        assert!(peer.may_publish("murmur/hq/result/co2-mean"));
        assert!(peer.may_publish("murmur/hq/result/gradient/part/40"));
        assert!(!peer.may_publish("murmur/hq/result/gradient/part/40/more"));
        assert!(peer.may_publish("murmur/hq/result/co2-mean/state"));
        assert!(peer.may_publish("homie/murmur-hq/co2-mean/value/$unit"));
        assert!(!peer.may_publish("homie/murmur-lab/$state") && !peer.may_publish("homie/lamp/$state"));
        assert!(peer.may_publish("homeassistant/sensor/murmur_hq/co2-mean/config"));
        assert!(peer.may_publish("homeassistant/binary_sensor/murmur_hq/co2-any-above/config"));
        assert!(!peer.may_publish("homeassistant/switch/murmur_hq/co2-mean/config"));
        assert!(!peer.may_publish("murmur/hq/peer/tenant/landlord"));
        assert!(!peer.may_publish("murmur/hq/card/landlord"));
        assert!(
            peer.may_publish("murmur/hq/charter") && peer.may_publish("murmur/hq/charter/proposed/tenant")
        );
        assert!(!peer.may_publish("murmur/hq/charter/proposed/landlord"));
        assert!(peer.may_publish("murmur/hq/audit/tenant") && !peer.may_publish("murmur/hq/audit/landlord"));
        assert!(subscribes(&peer, "murmur/hq/audit/+"));
        assert!(
            peer.may_publish("murmur/hq/operator/tenant") && !peer.may_publish("murmur/hq/operator/landlord")
        );
        assert!(subscribes(&peer, "murmur/hq/operator/tenant") && !subscribes(&peer, "murmur/hq/operator/+"));
        assert!(subscribes(&peer, "murmur/hq/share/tenant/+"));
        assert!(!subscribes(&peer, "murmur/hq/share/landlord/+") && !subscribes(&peer, "murmur/hq/+/+/+"));
    }

    #[test]
    fn the_others_do_not_disturb() {
        let reader = rules(Role::Reader, "reader");
        assert!(reader.publish.is_empty() && subscribes(&reader, "murmur/hq/#"));
        assert!(subscribes(&reader, "murmur/#") && subscribes(&reader, "murmur/+/result/+"));
        assert!(!subscribes(&reader, "#") && !subscribes(&reader, "+/#"));
        let assistant = rules(Role::HomeAssistant, "ha");
        assert!(assistant.may_publish("homeassistant/status") && subscribes(&assistant, "homeassistant/#"));
        assert!(!assistant.may_publish("murmur/hq/result/co2-mean"));
        assert!(subscribes(&assistant, "murmur/hq/result/+/state") && subscribes(&assistant, "homie/#"));
        assert!(!assistant.may_publish("homie/murmur-hq/$state"));
        assert!(!subscribes(&assistant, "murmur/hq/#"));
        let device = rules(Role::Device, "zigbee2mqtt");
        assert!(device.publish.is_empty() && device.subscribe.is_empty());
    }

    #[test]
    fn a_node_needs_a_node_name() {
        let topics = Topics::new("hq".parse().unwrap());
        assert_eq!(Role::Peer.rules(&topics, "a.b").unwrap_err(), RoleError::Name(NameError::Alphabet));
    }
}
