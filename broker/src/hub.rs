//! One filter at the router with its subscribers, and how much of it the router holds unread.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

use crate::codec::QoS;
use crate::counters::{Counters, add};
use crate::filter::Filter;
use crate::message::{Message, Origin};
use crate::outbox::{Delivery, Outbox};

/// How long a publisher waits for room before it takes the account for wrong: the router is never that slow.
const PATIENCE: Duration = Duration::from_secs(10);
/// The generation of a hub that nobody is charged for yet.
const NOT_YET: u32 = u32::MAX;

/// A filter's subscribers, and its account of bytes on their way through the router.
///
/// The router forgets the oldest messages of a filter when its log is full, silently. So publishers are charged
/// for what they send before they send it, and wait while a hub that it goes to holds too much.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) filter: Filter,
    subscribers: RwLock<Vec<Arc<Subscriber>>>,
    /// The first generation of messages that are charged to this hub.
    since: AtomicU32,
    /// Bytes charged and not yet read from the router.
    unread: AtomicI64,
    max_unread: i64,
    room: Notify,
}

/// One subscription of one connection.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) filter: Filter,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) origin: Origin,
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) subscription_id: Option<u32>,
}

/// A subscription that lasts until this is dropped.
#[derive(Debug)]
pub(crate) struct Subscription {
    hub: Arc<Hub>,
    subscriber: Arc<Subscriber>,
}

impl Hub {
    /// A hub for which at most `max_unread` bytes, and one batch more, are in the router.
    pub(crate) fn new(filter: Filter, max_unread: usize) -> Self {
        Self {
            filter,
            subscribers: RwLock::default(),
            since: AtomicU32::new(NOT_YET),
            unread: AtomicI64::new(0),
            max_unread: i64::try_from(max_unread).unwrap_or(i64::MAX),
            room: Notify::new(),
        }
    }

    pub(crate) fn add(self: &Arc<Self>, subscriber: Subscriber) -> Subscription {
        let subscriber = Arc::new(subscriber);
        self.subscribers.write().unwrap_or_else(PoisonError::into_inner).push(subscriber.clone());
        Subscription { hub: self.clone(), subscriber }
    }

    /// Whether messages of `generation` are charged to this hub.
    pub(crate) fn is_charged(&self, generation: u32) -> bool {
        self.since.load(Ordering::Acquire) <= generation
    }

    /// From `generation` on messages are charged; returns whether that was not so already.
    pub(crate) fn charge_from(&self, generation: u32) -> bool {
        self.since.compare_exchange(NOT_YET, generation, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Charges `bytes`, waiting for room first.
    pub(crate) async fn charge(&self, bytes: i64) {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            let charge = |unread| (unread < self.max_unread).then_some(unread + bytes);
            if self.unread.fetch_update(Ordering::AcqRel, Ordering::Acquire, charge).is_ok() {
                return;
            }
            if tokio::time::timeout(PATIENCE, room).await.is_err() {
                tracing::error!(filter = %self.filter, "nothing is read from the router: starting its account anew");
                self.settle();
            }
        }
    }

    /// Passes a batch that was read from the router on to all subscribers.
    pub(crate) fn deliver(&self, batch: &[Message], counters: &Counters) {
        let charged = batch.iter().filter(|message| self.is_charged(message.generation()));
        self.discharge(charged.map(Message::routed_len).sum());
        let subscribers = self.subscribers.read().unwrap_or_else(PoisonError::into_inner);
        for subscriber in subscribers.iter() {
            let everything = subscriber.filter == self.filter;
            let wanted = batch.iter().filter(|message| subscriber.wants(message, everything));
            let refused = subscriber.outbox.push(wanted.map(|message| subscriber.delivery(message)));
            if refused > 0 {
                add(&counters.dropped_deliveries, refused);
            }
        }
    }

    /// Forgets what was charged: messages were lost, and with them how many bytes they had.
    pub(crate) fn settle(&self) {
        self.unread.store(0, Ordering::Release);
        self.room.notify_waiters();
    }

    fn discharge(&self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let before = self.unread.fetch_sub(bytes, Ordering::AcqRel);
        if before >= self.max_unread && before - bytes < self.max_unread {
            self.room.notify_waiters();
        }
    }
}

impl Subscriber {
    fn wants(&self, message: &Message, everything: bool) -> bool {
        let own = message.origin() == self.origin;
        // A client that may see `#` still doesn't see the watchdog's traffic.
        let private = message.origin() == Origin::BROKER && !own;
        let unwanted = private || (own && self.no_local);
        !unwanted && (everything || self.filter.matches(message.topic()))
    }

    fn delivery(&self, message: &Message) -> Delivery {
        Delivery {
            message: message.clone(),
            qos: self.qos.min(message.qos()),
            retain: self.retain_as_published && message.retain(),
            subscription_id: self.subscription_id,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut subscribers = self.hub.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| !Arc::ptr_eq(subscriber, &self.subscriber));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(generation: u32) -> Message {
        Message::build("a", QoS::AtMostOnce, false, &[], &[0; 100], Origin(1)).stamped(generation)
    }

    #[tokio::test]
    async fn a_publisher_waits_until_its_hub_was_read() {
        let hub = Arc::new(Hub::new("a".parse().unwrap(), 200));
        assert!(hub.charge_from(3) && !hub.charge_from(4));
        let one = i64::try_from(message(3).routed_len()).unwrap();
        hub.charge(one).await;
        hub.charge(one).await;
        let waiting = tokio::spawn({
            let hub = hub.clone();
            async move { hub.charge(one).await }
        });
        tokio::task::yield_now().await;
        hub.deliver(&[message(2)], &Counters::default());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "an uncharged message makes no room");
        hub.deliver(&[message(3)], &Counters::default());
        waiting.await.unwrap();
        assert_eq!(hub.unread.load(Ordering::Acquire), 2 * one);
    }
}
