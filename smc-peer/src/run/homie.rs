//! What of this peer appears by the Homie convention, if its file says so.
//!
//! The device is the site, not this peer: it is there while any peer is. So it can't be lost by the last will of one
//! connection, which tells of the peer itself besides; the last peer that leaves in order says that it is gone.

use bytes::Bytes;
use smc_core::result::ResultDocument;
use smc_core::session::Session;
use smc_mqtt::homie::{HomieTopics, Property};

use super::service::Service;
use crate::homie::{device, node, values};
use crate::state::shape;

impl Service {
    /// Tells all that the site says of itself. Controllers take changes in while it is not ready.
    pub(super) fn tell_homie(&mut self) {
        let Some(topics) = self.homie.clone() else { return };
        let computed = self.peer.sessions().iter().filter(|known| known.computed);
        let queries = computed.map(|known| &*known.session).filter(|session| is_public(session));
        let told = device(&self.roster, &topics, queries);
        let state = topics.attribute("$state");
        self.publish_to(state.clone(), Bytes::from_static(b"init"), true);
        for (topic, payload) in told {
            self.publish_to(topic, payload.into(), true);
        }
        self.publish_to(state, Bytes::from_static(b"ready"), true);
    }

    /// Tells what a window came to.
    pub(super) fn tell_homie_of(&mut self, result: &ResultDocument) {
        let Some(topics) = self.homie.clone() else { return };
        let known = self.peer.sessions().get(&result.query).filter(|known| is_public(&known.session));
        let Some(kind) = known.map(|known| shape(&self.roster, known.session.query()).kind) else { return };
        for (topic, payload) in values(&topics, result, kind) {
            self.publish_to(topic, payload.into(), true);
        }
    }

    /// A session has ended: nothing is kept of it.
    pub(super) fn clear_homie(&mut self, session: &Session) {
        let Some(topics) = self.homie.clone() else { return };
        let query = &session.query().name;
        let values = Property::ALL.map(|property| topics.property(query, property));
        let attributes = node(&self.roster, &topics, session).into_iter().map(|(topic, _)| topic);
        for topic in attributes.chain(values) {
            self.publish_to(topic, Bytes::new(), true);
        }
    }

    /// This peer leaves: if no other is there, so does the site.
    pub(super) fn leave_homie(&mut self) {
        let others =
            self.roster.peers().any(|(index, _)| index != self.me && self.peer.online().contains(index));
        if let Some(topics) = self.homie.clone().filter(|_| !others) {
            self.publish_to(topics.attribute("$state"), Bytes::from_static(b"disconnected"), true);
        }
    }
}

/// Whether its values are for everybody.
fn is_public(session: &Session) -> bool {
    session.query().audience.is_none()
}

/// The topics of a site that speaks Homie.
pub(super) fn topics(roster: &smc_core::roster::Roster, speaks: bool) -> Option<HomieTopics> {
    speaks.then(|| HomieTopics::new(roster.site()))
}
