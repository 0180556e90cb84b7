//! What happens to a PUBLISH before the router sees it.

use std::collections::HashMap;

use crate::codec::{Publish, reason};
use crate::counters::bump;
use crate::error::BrokerError;
use crate::fanout::{RESERVED_ROOT, Route};
use crate::filter::is_topic;
use crate::handshake::Client;
use crate::message::Message;
use crate::shared::Shared;
use crate::tap::observe;

/// Topics that a connection remembers as allowed.
const REMEMBERED: usize = 256;
/// Room that an empty batch may keep.
const KEPT: usize = 64;

/// The publishing side of one connection.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    allowed: HashMap<Box<str>, Route>,
    batch: Vec<Message>,
    /// Bytes of the batch for each hub, by its index.
    loads: Vec<(usize, usize)>,
}

impl Publisher {
    /// Checks a PUBLISH and takes it if it is allowed. Returns the reason for its PUBACK.
    pub(crate) async fn accept(&mut self, shared: &Shared, client: &Client, publish: &Publish<'_>) -> u8 {
        let verdict = self.verdict(shared, client, publish.topic);
        if verdict == reason::SUCCESS {
            self.take(shared, client, Message::received(publish, client.origin)).await;
        } else {
            bump(&shared.counters.refused_publishes);
            if let Some(more) = shared.gates.publish.open() {
                let (id, topic) = (&*client.id, publish.topic);
                tracing::warn!(client = id, topic, more, "refused a PUBLISH ({verdict:#04x})");
            }
        }
        verdict
    }

    /// Takes an allowed message: shows it to the tap, keeps it if it is retained, queues it for the router.
    pub(crate) async fn take(&mut self, shared: &Shared, client: &Client, message: Message) {
        bump(&shared.counters.messages_in);
        let message = self.charged(shared, message);
        observe(shared.tap.as_ref(), &client.id, &message, &shared.counters);
        if let Some(admission) = shared.admission.as_ref().filter(|a| a.concerns(message.topic())) {
            admission.take(shared, message.payload());
        }
        if message.retain() {
            shared.retained.put(message.clone()).await;
        }
        self.batch.push(message);
    }

    /// Hands what was taken to the router, once the hubs that it goes to have room.
    pub(crate) async fn hand_over(&mut self, shared: &Shared) -> Result<(), BrokerError> {
        // In one order for all publishers, so that none waits for one that waits for it.
        self.loads.sort_unstable();
        for (hub, bytes) in self.loads.drain(..) {
            shared.fanout.charge_bytes(hub, bytes).await;
        }
        shared.router.publish(&mut self.batch).await?;
        if self.batch.capacity() > KEPT {
            self.batch = Vec::new();
        }
        Ok(())
    }

    fn charged(&mut self, shared: &Shared, message: Message) -> Message {
        let known = self.allowed.get(message.topic()).filter(|route| shared.fanout.is_current(route));
        let found;
        let route = match known {
            Some(route) => route,
            None => {
                found = shared.fanout.route(message.topic());
                if let Some(route) = self.allowed.get_mut(message.topic()) {
                    *route = found.clone();
                }
                &found
            }
        };
        let bytes = message.routed_len();
        for &hub in &route.hubs {
            match self.loads.iter_mut().find(|(index, _)| *index == hub) {
                Some((_, load)) => *load += bytes,
                None => self.loads.push((hub, bytes)),
            }
        }
        message.stamped(route.generation)
    }

    fn verdict(&mut self, shared: &Shared, client: &Client, topic: &str) -> u8 {
        if self.allowed.contains_key(topic) {
            return reason::SUCCESS;
        }
        if !is_topic(topic, shared.limits.topic_bytes) {
            return reason::TOPIC_INVALID;
        }
        if topic.starts_with(RESERVED_ROOT) || !client.account.rules.may_publish(topic) {
            return reason::NOT_AUTHORIZED;
        }
        if !shared.topics.admit(&client.account.name, topic, shared.limits.topics_per_account) {
            return reason::QUOTA_EXCEEDED;
        }
        if self.allowed.len() >= REMEMBERED {
            self.allowed.clear();
        }
        self.allowed.insert(topic.into(), shared.fanout.route(topic));
        reason::SUCCESS
    }
}
