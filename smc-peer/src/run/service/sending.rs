//! What a peer sends: messages to the others, outputs to clients, results to everybody.

use smc_core::message::PeerMessage;
use smc_core::result::ResultDocument;

use super::*;
use crate::state::{shape, state};

impl Service {
    pub(super) fn transmit(&mut self, transmit: &Transmit) {
        let message = transmit.message.to_bytes();
        self.observe_saying(transmit);
        let shares = match &*transmit.message {
            PeerMessage::Partial(partial) => partial.shares.0.len() as u64,
            _ => 0,
        };
        for to in transmit.to.iter() {
            let Some(name) = self.roster.peer(to).map(|node| node.name.clone()) else { continue };
            match post::seal(&mut self.recipients, to, &message, &mut self.rng) {
                Ok(Some(sealed)) => {
                    self.sent.shares += shares;
                    self.send(name, sealed);
                }
                // Ordinary while nodes start: it has yet to introduce itself.
                Ok(None) => {
                    if self.refused.count("no_card_of_recipient") {
                        info!(node = %self.name, to = %name, "no card of this peer yet");
                    }
                }
                Err(error) => warn!(node = %self.name, to = %name, %error, "could not seal"),
            }
        }
    }

    fn send(&mut self, to: NodeName, sealed: Bytes) {
        let Some(publisher) = &self.publisher else { return };
        self.sent.messages += 1;
        self.sent.bytes += sealed.len() as u64;
        let now = self.clock.now();
        let topic = self.topics.spell(&Topic::Peer { to, from: self.name.clone() });
        let expires = now + 2 * self.roster.timing().step;
        if self.outbox.send(publisher, now, expires, topic, sealed).is_err() {
            self.refuse("outgoing_queue_full", "");
        }
    }

    /// The result, which is retained, and the bare value beside it. After them the parts of a value that is too long, which are
    /// not: they may be more than a broker keeps, and parts of an older window would stay beside a window without a value.
    pub(super) fn publish_result(&mut self, signed: &SignedResult, parts: Vec<Arc<[u8]>>) {
        let query = &signed.result.query;
        let json = serde_json::to_vec(signed).unwrap_or_default();
        self.publish(&Topic::Result { query: query.clone() }, json.into());
        self.publish_state(&signed.result);
        self.tell_homie_of(&signed.result);
        for (part, payload) in (0..).zip(parts) {
            let topic = self.topics.spell(&Topic::ResultPart { query: query.clone(), part });
            self.publish_to(topic, Bytes::from_owner(payload), false);
        }
    }

    /// The bare value; without one, the topic is cleared.
    fn publish_state(&mut self, result: &ResultDocument) {
        // Of what one client alone may see there never is one.
        let Some(known) = self.peer.sessions().get(&result.query).filter(|_| result.audience.is_none())
        else {
            return;
        };
        let kind = shape(&self.roster, known.session.query()).kind;
        let state = state(result, kind).unwrap_or_default();
        self.publish(&Topic::ResultState { query: result.query.clone() }, state.into());
    }

    /// Seals an output part by part. One that has a single part is retained, so that a client that comes later finds the
    /// newest; of many, a topic would keep the last.
    pub(super) fn hand_over(&mut self, to: &NodeName, output: &SealedOutput) {
        for part in output.cut() {
            match self.recipients.seal_for_client(to, &part.to_bytes(), &mut self.rng) {
                Ok(Some(sealed)) => {
                    let (to, from, query) = (to.clone(), self.name.clone(), part.query);
                    let topic = self.topics.spell(&Topic::Output { to, from, query });
                    self.publish_to(topic, sealed.into(), part.parts == 1);
                }
                Ok(None) => self.refuse("unknown_client", to.as_str()),
                Err(error) => warn!(node = %self.name, %to, %error, "could not seal"),
            }
        }
    }

    /// Says again what `to` may have missed: its card comes whenever it connects or this peer does.
    pub(super) fn resend(&mut self, to: NodeName) {
        let Some(publisher) = &self.publisher else { return };
        let topic = self.topics.spell(&Topic::Peer { to, from: self.name.clone() });
        if self.outbox.resend(publisher, self.clock.now(), &topic) > 0 {
            self.refuse("outgoing_queue_full", "");
        }
    }

    /// Publishes a retained document of this peer's own.
    pub(in crate::run) fn publish(&mut self, topic: &Topic, payload: Bytes) {
        let topic = self.topics.spell(topic);
        self.publish_to(topic, payload, true);
    }

    pub(in crate::run) fn publish_to(&mut self, topic: String, payload: Bytes, retain: bool) {
        if let Some(publisher) = &self.publisher
            && publisher.publish(topic, payload, retain).is_err()
        {
            self.refuse("outgoing_queue_full", "");
        }
    }
}
