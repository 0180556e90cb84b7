//! What happens to a PUBLISH before the router sees it.

use std::collections::HashMap;

use crate::codec::{Publish, reason};
use crate::counters::bump;
use crate::error::BrokerError;
use crate::fanout::{Lead, RESERVED_ROOT, Route};
use crate::filter::is_topic;
use crate::handshake::Client;
use crate::message::Message;
use crate::router::Routed;
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
    batch: Vec<Routed>,
    /// Bytes of the batch for each hub, by its index.
    loads: Vec<(usize, usize)>,
}

impl Publisher {
    /// Checks a PUBLISH and takes it if it is allowed. Returns the reason for its PUBACK.
    pub(crate) async fn accept(&mut self, shared: &Shared, client: &Client, publish: &Publish<'_>) -> u8 {
        let verdict = self.verdict(shared, client, publish);
        if verdict == reason::SUCCESS {
            self.take(shared, client, Message::received(publish, client.origin)).await;
        } else {
            refused(shared, client, publish.topic, verdict);
        }
        verdict
    }

    /// Takes an allowed message: shows it to the tap, keeps it if it is retained, queues it for the router.
    pub(crate) async fn take(&mut self, shared: &Shared, client: &Client, message: Message) {
        bump(&shared.counters.messages_in);
        observe(shared.tap.as_ref(), &client.id, &message, &shared.counters);
        if let Some(admission) = shared.admission.as_ref().filter(|a| a.concerns(message.topic())) {
            admission.take(shared, message.payload());
        }
        if message.retain() {
            shared.retained.put(message.clone(), &client.account.name).await;
        }
        // Last: whoever subscribes from now on finds it among the retained messages, whoever did before is on its route.
        self.route(shared, message);
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

    /// Queues a message for all hubs that it goes to.
    fn route(&mut self, shared: &Shared, message: Message) {
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
        let (bytes, message) = (message.routed_len(), message.stamped(route.generation));
        for Lead { index, inlet } in &route.hubs {
            match self.loads.iter_mut().find(|(known, _)| known == index) {
                Some((_, load)) => *load += bytes,
                None => self.loads.push((*index, bytes)),
            }
            self.batch.push(Routed { inlet: inlet.clone(), message: message.clone() });
        }
    }

    fn verdict(&mut self, shared: &Shared, client: &Client, publish: &Publish<'_>) -> u8 {
        match self.permission(shared, client, publish.topic) {
            reason::SUCCESS if publish.retain && !publish.payload.is_empty() => {
                if !client.account.rules.may_retain(publish.topic) {
                    return reason::NOT_AUTHORIZED;
                }
                let kept = shared.retained.has_room_for(&client.account.name, publish.topic);
                if kept { reason::SUCCESS } else { reason::QUOTA_EXCEEDED }
            }
            verdict => verdict,
        }
    }

    fn permission(&mut self, shared: &Shared, client: &Client, topic: &str) -> u8 {
        if self.allowed.contains_key(topic) {
            return reason::SUCCESS;
        }
        if !is_topic(topic, shared.limits.topic_bytes) {
            return reason::TOPIC_INVALID;
        }
        if topic.starts_with(RESERVED_ROOT) || !client.account.rules.may_publish(topic) {
            return reason::NOT_AUTHORIZED;
        }
        if self.allowed.len() >= REMEMBERED {
            self.allowed.clear();
        }
        self.allowed.insert(topic.into(), shared.fanout.route(topic));
        reason::SUCCESS
    }
}

/// Counts and says that a PUBLISH was refused. A client of MQTT 3.1.1 is not told why; whoever looks after it reads it here.
fn refused(shared: &Shared, client: &Client, topic: &str, verdict: u8) {
    bump(&shared.counters.refused_publishes);
    let quota = verdict == reason::QUOTA_EXCEEDED;
    if quota {
        bump(&shared.counters.refused_over_quota);
    }
    let gate = if quota { &shared.gates.quota } else { &shared.gates.publish };
    let Some(more) = gate.open() else { return };
    let (id, account) = (&*client.id, &*client.account.name);
    if quota {
        let limit = shared.limits.topics_per_account;
        tracing::warn!(
            client = id,
            account,
            topic,
            limit,
            more,
            "refused a retained PUBLISH: this account keeps as many topics as it may; clear some, or raise \
             limits.topics_per_account"
        );
    } else {
        tracing::warn!(client = id, topic, more, "refused a PUBLISH ({verdict:#04x})");
    }
}
