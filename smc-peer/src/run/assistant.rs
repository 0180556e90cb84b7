//! What of this peer appears in Home Assistant: queries that it computes for everybody, the peers and the agents.

use std::collections::BTreeSet;

use bytes::Bytes;
use smc_core::name::NodeName;
use smc_core::peer::Peer;
use smc_core::roster::Roster;
use smc_core::session::Session;
use smc_core::time::Timestamp;
use smc_mqtt::status;
use smc_mqtt::topic::{self, Topic};
use tracing::info;

use super::service::Service;
use crate::discovery::announcer::{Say, wish};
use crate::discovery::{HomeAssistant, MAX_AGENTS_SHOWN, Place, Thing, thing_of};

impl Service {
    /// A connection has come about: the broker shows what it keeps.
    pub(super) fn handle_shown(&mut self) {
        if self.home_assistant.discovery {
            self.announcer.handle_connected(self.clock.now());
        }
    }

    /// The broker shows what it keeps of what appears in Home Assistant.
    pub(super) fn handle_announced(&mut self, place: Place, payload: &Bytes, retain: bool) {
        // What others say just now is theirs, until the broker shows it to somebody who comes later.
        if retain {
            let own = thing(self.home_assistant, &self.roster, &self.peer, &thing_of(&place.1))
                .map(|own| own.messages(self.home_assistant.form, &self.roster, &self.topics));
            self.announcer.handle_kept(self.clock.now(), place, payload, own.as_deref());
        } else if payload.is_empty() {
            self.announcer.forget(&place);
        }
    }

    /// Another peer says in its status what it lets appear.
    pub(super) fn note_wish(&mut self, peer: &NodeName, payload: &[u8]) {
        self.announcer.handle_wish(peer, status::announces(payload));
    }

    /// Says what is missing, and takes back what nobody wants, when it is time.
    pub(super) fn announce(&mut self, now: Timestamp) {
        let mut said = Vec::new();
        if self.announcer.speaks(now) {
            let (form, roster, topics) = (self.home_assistant.form, &self.roster, &self.topics);
            let own = things(self.home_assistant, roster, &self.peer);
            said = self.announcer.speak(now, own.flat_map(|thing| thing.messages(form, roster, topics)));
        }
        if self.announcer.tidies(now) {
            let online = self.peer.online();
            let there = self.roster.peers().filter(|(index, _)| *index != self.me && online.contains(*index));
            let there = there.map(|(_, node)| node.name.clone());
            said.extend(self.announcer.tidy(
                now,
                &wanted(self.home_assistant, &self.roster, &self.peer),
                there,
            ));
        }
        for say in said {
            self.say(say);
        }
    }

    fn say(&mut self, say: Say) {
        let ((component, entity), payload) = match say {
            Say::Message(place, payload) => (place, Bytes::from(payload)),
            Say::Removal(place) => (place, Bytes::new()),
        };
        let gone = match &entity {
            topic::Entity::Result(query) if payload.is_empty() => Some(query.clone()),
            _ => None,
        };
        self.publish(&Topic::Discovery { component, entity }, payload);
        if let Some(query) = gone {
            info!(node = %self.name, %query, form = component.name(), "taken away from Home Assistant");
            if self.desk.entry(&query).is_none() {
                self.clear_result(&query);
            }
        }
    }

    /// What is computed has changed, and so has what appears. The status says so before anything appears: nobody takes back
    /// what another peer says that it wants.
    pub(super) fn wish_anew(&mut self) {
        if self.home_assistant.discovery {
            self.announcer.handle_changed(self.clock.now());
        }
        self.status_is_old = true;
    }

    /// The member list has changed.
    pub(super) fn appear_anew(&mut self, now: Timestamp) {
        if self.home_assistant.discovery {
            self.announcer.handle_moved(now, &wanted(self.home_assistant, &self.roster, &self.peer));
        }
    }

    /// A session has ended.
    pub(super) fn take_back(&mut self, session: &Session) {
        if !is_shown(self.home_assistant, session) {
            return;
        }
        for message in Thing::Query(session).messages(self.home_assistant.form, &self.roster, &self.topics) {
            self.announcer.forget(&message.place);
            let (component, entity) = message.place;
            self.publish(&Topic::Discovery { component, entity }, Bytes::new());
        }
    }

    /// All that this peer wants to appear, in a digest; nothing if it shows nothing.
    pub(super) fn wish(&self) -> Option<smc_core::digest::Digest> {
        let options = self.home_assistant;
        options.discovery.then(|| wish(&wanted(options, &self.roster, &self.peer)))
    }
}

/// What appears at the broker by this peer's settings.
fn things<'a>(options: HomeAssistant, roster: &'a Roster, peer: &'a Peer) -> impl Iterator<Item = Thing<'a>> {
    let sessions = peer.sessions().iter().filter(|known| known.computed).map(|known| &*known.session);
    let queries = sessions.filter(move |session| is_shown(options, session)).map(Thing::Query);
    let peers = roster.peers().map(|(_, node)| Thing::Peer(&node.name));
    let agents = roster.agents().iter().map(|agent| Thing::Agent(&agent.node.name));
    let nodes = peers.chain(agents.take(MAX_AGENTS_SHOWN));
    // Queries first: they bring the device that the nodes belong to.
    queries.chain(nodes.filter(move |_| options.discovery && options.nodes))
}

/// One of them by its name.
fn thing<'a>(
    options: HomeAssistant,
    roster: &'a Roster,
    peer: &'a Peer,
    name: &topic::Entity,
) -> Option<Thing<'a>> {
    match name {
        topic::Entity::Result(query) => {
            let known = peer.sessions().get(query).filter(|known| known.computed)?;
            is_shown(options, &known.session).then(|| Thing::Query(&known.session))
        }
        topic::Entity::Node(node) if options.discovery && options.nodes => {
            let of_peer = roster.peer_named(node.as_str()).and_then(|index| roster.peer(index));
            let agent = roster.agent_named(node.as_str()).filter(|agent| agent.at() < MAX_AGENTS_SHOWN);
            let of_agent = || agent.map(|agent| Thing::Agent(&roster.agent(agent).node.name));
            of_peer.map(|node| Thing::Peer(&node.name)).or_else(of_agent)
        }
        _ => None,
    }
}

fn wanted(options: HomeAssistant, roster: &Roster, peer: &Peer) -> BTreeSet<topic::Entity> {
    things(options, roster, peer).map(|thing| thing.name()).collect()
}

/// Nobody but one client has anything to show of some.
fn is_shown(options: HomeAssistant, session: &Session) -> bool {
    options.discovery && session.query().audience.is_none()
}
