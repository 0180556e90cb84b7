//! What is said again: what this peer decided, and asked for by name, for brokers that hand out retained messages by name alone
//! (docs/decisions/0027); and its card, when one of several connections broke.

use std::collections::BTreeSet;

use super::*;

/// How long after somebody came up it is said again: for all who come within it at once.
const GATHER: Duration = Duration::from_millis(300);

/// Who is there, and when it is said again.
#[derive(Debug, Default)]
pub(super) struct Again {
    there: BTreeSet<PeerIndex>,
    due: Option<Timestamp>,
    /// When the card is.
    card: Option<Timestamp>,
}

impl Again {
    /// When something is said again.
    pub(super) fn due(&self) -> Option<Timestamp> {
        [self.due, self.card].into_iter().flatten().min()
    }
}

impl Service {
    /// Another peer says that it is there, or is gone.
    pub(super) fn note_presence(&mut self, peer: PeerIndex, presence: Presence) {
        match presence {
            Presence::Idle | Presence::Online if self.again.there.insert(peer) => self.expect_again(),
            Presence::Idle | Presence::Online => {}
            Presence::Offline => {
                self.again.there.remove(&peer);
            }
        }
    }

    /// Asks for what the other peers have retained.
    pub(super) fn look_for_others(&self) {
        let others = self.roster.peers().filter(|(peer, _)| *peer != self.me);
        for name in others.map(|(_, node)| &node.name) {
            self.look(&Topic::Audit { peer: name.clone() });
            self.look(&Topic::Card { node: name.clone() });
            self.look(&Topic::CharterProposed { peer: name.clone() });
            self.look(&Topic::Status { node: name.clone() });
        }
    }

    /// Asks for a request that this peer has not heard of, but another one.
    pub(in crate::run) fn look_for_request(&self, client: &NodeName, query: &QueryName) {
        if self.roster.client(client).is_some() && self.desk.entry(query).is_none() {
            self.look(&Topic::Request { client: client.clone(), query: query.clone() });
        }
    }

    /// Somebody is there who may have missed what this peer decided.
    pub(super) fn expect_again(&mut self) {
        let finds = self.publisher.as_ref().is_none_or(Publisher::finds_retained);
        if !finds {
            let due = self.clock.now() + GATHER;
            self.again.due.get_or_insert(due);
        }
    }

    /// Home Assistant came up; it subscribes with wildcards, and is told what appears in it.
    pub(super) fn handle_birth(&mut self, payload: &[u8], retain: bool) {
        let finds = self.publisher.as_ref().is_none_or(Publisher::finds_retained);
        if payload == b"online" && !retain && !finds {
            self.handle_shown();
        }
    }

    /// What agents sent may be lost: they say it again when they hear this peer's card.
    pub(super) fn expect_card(&mut self) {
        let due = self.clock.now() + GATHER;
        self.again.card.get_or_insert(due);
    }

    /// Says it, if it is time.
    pub(super) fn say_again(&mut self, now: Timestamp) {
        if self.again.due.take_if(|due| *due <= now).is_some() {
            self.tell_decisions();
        }
        if self.again.card.take_if(|due| *due <= now).is_some() {
            self.publish_card();
        }
    }

    fn look(&self, topic: &Topic) {
        if let Some(publisher) = &self.publisher {
            publisher.look(self.topics.spell(topic));
        }
    }
}
