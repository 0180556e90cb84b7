//! From the router to the connections: one link per filter, shared by all who subscribed it.
//!
//! The filters that reach the router are those of the accounts' rules, a set that the configuration bounds. A
//! client's own filter hangs on the narrowest of them that covers it, and is matched here. The links are read
//! by a thread of their own, so that a burst of publishing connections can't keep them waiting until the
//! router's logs run over; should that happen all the same, the gap shows in the log's offsets and is counted.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use rumqttd::Notification;
use rumqttd::local::LinkRx;
use tokio::sync::{OnceCell, mpsc, oneshot};

use crate::codec::QoS;
use crate::counters::{Counters, add};
use crate::error::BrokerError;
use crate::filter::Filter;
use crate::message::{Message, Origin};
use crate::outbox::{Delivery, Outbox};
use crate::router::Router;

/// What only the broker itself may publish and subscribe.
pub(crate) const RESERVED_ROOT: &str = "smc-broker/";
/// Messages that a link passes on at once.
const MOST_AT_ONCE: usize = 1_024;

/// All filters that may be subscribed, and the thread that reads them.
#[derive(Debug)]
pub(crate) struct Fanout {
    hubs: Vec<Slot>,
    exact: HashMap<Filter, usize>,
    opens: mpsc::Sender<Open>,
}

#[derive(Debug)]
struct Slot {
    filter: Filter,
    hub: OnceCell<Arc<Hub>>,
}

#[derive(Debug)]
struct Open {
    filter: Filter,
    index: usize,
    reply: oneshot::Sender<Result<Arc<Hub>, BrokerError>>,
}

/// One filter at the router with its subscribers.
#[derive(Debug)]
pub(crate) struct Hub {
    filter: Filter,
    subscribers: RwLock<Vec<Arc<Subscriber>>>,
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

impl Fanout {
    /// Starts the thread. It ends when this is dropped.
    pub(crate) fn start(
        filters: Vec<Filter>,
        router: Arc<Router>,
        counters: Arc<Counters>,
    ) -> Result<Self, BrokerError> {
        let exact = filters.iter().cloned().enumerate().map(|(index, filter)| (filter, index)).collect();
        let hubs = filters.into_iter().map(|filter| Slot { filter, hub: OnceCell::new() }).collect();
        let (opens, requests) = mpsc::channel(16);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|source| BrokerError::Thread { source })?;
        thread::Builder::new()
            .name("fan-out".into())
            .spawn(move || runtime.block_on(serve(requests, router, counters)))
            .map_err(|source| BrokerError::Thread { source })?;
        Ok(Self { hubs, exact, opens })
    }

    /// Adds a subscriber; it gets every message published after this returns. None if no rule's filter covers
    /// the subscriber's.
    pub(crate) async fn subscribe(
        &self,
        subscriber: Subscriber,
    ) -> Result<Option<Subscription>, BrokerError> {
        let Some(index) = self.narrowest(&subscriber.filter) else { return Ok(None) };
        let hub = self.hubs[index].hub.get_or_try_init(|| self.open(index)).await?.clone();
        let subscriber = Arc::new(subscriber);
        hub.subscribers.write().unwrap_or_else(PoisonError::into_inner).push(subscriber.clone());
        Ok(Some(Subscription { hub, subscriber }))
    }

    fn narrowest(&self, wanted: &Filter) -> Option<usize> {
        if let Some(&index) = self.exact.get(wanted) {
            return Some(index);
        }
        let mut best: Option<usize> = None;
        for (index, slot) in self.hubs.iter().enumerate() {
            let narrower = best.is_none_or(|best| self.hubs[best].filter.covers(&slot.filter));
            if slot.filter.covers(wanted) && narrower {
                best = Some(index);
            }
        }
        best
    }

    async fn open(&self, index: usize) -> Result<Arc<Hub>, BrokerError> {
        let (reply, answer) = oneshot::channel();
        let filter = self.hubs[index].filter.clone();
        self.opens.send(Open { filter, index, reply }).await.map_err(|_| BrokerError::Router)?;
        answer.await.map_err(|_| BrokerError::Router)?
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut subscribers = self.hub.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| !Arc::ptr_eq(subscriber, &self.subscriber));
    }
}

async fn serve(mut requests: mpsc::Receiver<Open>, router: Arc<Router>, counters: Arc<Counters>) {
    while let Some(Open { filter, index, reply }) = requests.recv().await {
        let opened = open(&router, filter, index).map(|(hub, rx)| {
            tokio::spawn(pump(hub.clone(), rx, counters.clone()));
            hub
        });
        // Whoever asked may have gone; the hub serves the next.
        let _ = reply.send(opened);
    }
}

/// Subscribes a filter at the router and waits until the router has it.
fn open(router: &Router, filter: Filter, index: usize) -> Result<(Arc<Hub>, LinkRx), BrokerError> {
    let (mut tx, mut rx) = router.link(&format!("filter-{index}"))?;
    tx.subscribe(filter.as_str()).map_err(|_| BrokerError::Router)?;
    loop {
        match rx.recv().map_err(|_| BrokerError::Router)? {
            Some(Notification::DeviceAck(_)) => break,
            _ => continue,
        }
    }
    Ok((Arc::new(Hub { filter, subscribers: RwLock::default() }), rx))
}

/// Carries messages from a link to the hub's subscribers until the router ends or the runtime is dropped.
///
/// The link is never disconnected: the router thread outlives the broker anyhow, and a disconnect is where its
/// bookkeeping is weakest.
async fn pump(hub: Arc<Hub>, mut rx: LinkRx, counters: Arc<Counters>) {
    let mut batch = Vec::new();
    let mut next_offset = None;
    while let Ok(first) = rx.next().await {
        let mut paused = false;
        let mut notification = Some(first);
        while let Some(next) = notification {
            match next {
                Some(Notification::Forward(forward)) => {
                    let offset = forward.cursor.map(|(_, offset)| offset);
                    count_gap(&mut next_offset, offset, &counters);
                    batch.extend(Message::from_bytes(forward.publish.payload));
                }
                Some(Notification::Unschedule) => paused = true,
                _ => {}
            }
            notification = if batch.len() < MOST_AT_ONCE { at_once(&mut rx).await } else { None };
        }
        // The router stops after a full batch until it is told that the link is ready again.
        if paused && rx.ready().is_err() {
            return;
        }
        hub.deliver(&batch, &counters);
        batch.clear();
    }
}

/// The next notification if the link has one in hand. Polling `next` once loses nothing: it takes only what
/// it returns.
async fn at_once(rx: &mut LinkRx) -> Option<Option<Notification>> {
    tokio::select! {
        biased;
        next = rx.next() => next.ok(),
        () = std::future::ready(()) => None,
    }
}

fn count_gap(next: &mut Option<u64>, offset: Option<u64>, counters: &Counters) {
    if let (Some(expected), Some(found)) = (*next, offset) {
        add(&counters.dropped_in_router, found.saturating_sub(expected));
    }
    *next = offset.map(|offset| offset + 1).or(*next);
}

impl Hub {
    fn deliver(&self, batch: &[Message], counters: &Counters) {
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
