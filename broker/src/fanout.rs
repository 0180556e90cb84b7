//! From the router to the connections: one link per filter, shared by all who subscribed it.
//!
//! The filters that reach the router are those of the accounts' rules, a set that the configuration bounds. A
//! client's own filter hangs on the narrowest of them that covers it, and is matched here. The links are read
//! by a thread of their own, so that a burst of publishing connections can't keep them waiting.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;

use bytes::Bytes;
use tokio::sync::{OnceCell, mpsc, oneshot};

use crate::counters::Counters;
use crate::error::BrokerError;
use crate::filter::Filter;
use crate::filter_tree::FilterTree;
use crate::hub::{Hub, Subscriber, Subscription};
use crate::limits::Limits;
use crate::pump::{Open, inlet, serve};
use crate::router::Router;

/// What only the broker itself may publish and subscribe.
pub(crate) const RESERVED_ROOT: &str = "smc-broker/";

/// All filters that may be subscribed, and the thread that reads them.
#[derive(Debug)]
pub(crate) struct Fanout {
    table: RwLock<Arc<Table>>,
    /// The most filters that there may be.
    room: usize,
    opens: mpsc::Sender<Open>,
    max_unread: usize,
    /// Counts hubs that came to be charged, so that publishers know when their routes are out of date.
    generation: AtomicU32,
    opening: Mutex<()>,
}

/// The filters. One that came once stays, at its index: members may come, and their filters with them.
#[derive(Debug, Clone)]
struct Table {
    slots: Vec<Arc<Slot>>,
    by_level: FilterTree,
}

#[derive(Debug)]
struct Slot {
    filter: Filter,
    inlet: Bytes,
    hub: OnceCell<Arc<Hub>>,
}

/// Where the messages of one topic go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Route {
    pub(crate) generation: u32,
    /// The hubs that are charged, ascending.
    pub(crate) hubs: Box<[Lead]>,
}

/// The way to one hub.
#[derive(Debug, Clone)]
pub(crate) struct Lead {
    pub(crate) index: usize,
    pub(crate) inlet: Bytes,
}

impl Fanout {
    /// Starts the thread, with room for `to_come` filters besides. It ends when this is dropped.
    pub(crate) fn start(
        filters: Vec<Filter>,
        to_come: usize,
        router: Arc<Router>,
        limits: &Limits,
        counters: Arc<Counters>,
    ) -> Result<Self, BrokerError> {
        let room = filters.len() + to_come;
        let mut table = Table { slots: Vec::new(), by_level: FilterTree::default() };
        table.extend(filters, room);
        let (opens, requests) = mpsc::channel(16);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .map_err(|source| BrokerError::Thread { source })?;
        thread::Builder::new()
            .name("fan-out".into())
            .spawn(move || runtime.block_on(serve(requests, router, counters)))
            .map_err(|source| BrokerError::Thread { source })?;
        let (generation, opening) = (AtomicU32::new(0), Mutex::new(()));
        let table = RwLock::new(Arc::new(table));
        Ok(Self { table, room, opens, max_unread: limits.log_bytes, generation, opening })
    }

    /// Has `filters` be subscribed from now on, as far as there is room.
    pub(crate) fn extend(&self, filters: Vec<Filter>) {
        let mut current = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut table = Table::clone(&current);
        if table.extend(filters, self.room) > 0 {
            tracing::warn!(room = self.room, "too many accounts and members came: restart the broker");
        }
        *current = Arc::new(table);
    }

    fn table(&self) -> Arc<Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a subscriber; it gets every message published after this returns. None if no rule's filter covers
    /// the subscriber's.
    pub(crate) async fn subscribe(
        &self,
        subscriber: Subscriber,
    ) -> Result<Option<Subscription>, BrokerError> {
        let table = self.table();
        let Some(index) = table.narrowest(&subscriber.filter) else { return Ok(None) };
        let hub = table.slots[index].hub.get_or_try_init(|| self.open(&table, index)).await?;
        self.charge(hub);
        Ok(Some(hub.add(subscriber)))
    }

    /// Whether `route` still names all hubs that are charged for its topic.
    pub(crate) fn is_current(&self, route: &Route) -> bool {
        route.generation == self.generation.load(Ordering::Acquire)
    }

    /// Where messages on `topic` go.
    pub(crate) fn route(&self, topic: &str) -> Route {
        let generation = self.generation.load(Ordering::Acquire);
        let table = self.table();
        let lead = |index: usize| {
            let slot = &table.slots[index];
            let charged = slot.hub.get().is_some_and(|hub| hub.is_charged(generation));
            charged.then(|| Lead { index, inlet: slot.inlet.clone() })
        };
        Route { generation, hubs: table.by_level.matching(topic).into_iter().filter_map(lead).collect() }
    }

    /// Charges the hub at `index` for `bytes` on their way into the router.
    pub(crate) async fn charge_bytes(&self, index: usize, bytes: usize) {
        if let Some(hub) = self.table().slots.get(index).and_then(|slot| slot.hub.get()) {
            hub.charge(i64::try_from(bytes).unwrap_or(i64::MAX)).await;
        }
    }

    /// From now on publishers are charged for `hub`. It stands in its slot already: whoever sees the new
    /// generation sees it too, and messages of earlier generations are neither charged nor discharged.
    fn charge(&self, hub: &Hub) {
        let _opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.generation.load(Ordering::Acquire) + 1;
        if hub.charge_from(next) {
            self.generation.store(next, Ordering::Release);
        }
    }

    async fn open(&self, table: &Table, index: usize) -> Result<Arc<Hub>, BrokerError> {
        let (reply, answer) = oneshot::channel();
        let filter = table.slots[index].filter.clone();
        let open = Open { filter, index, max_unread: self.max_unread, reply };
        self.opens.send(open).await.map_err(|_| BrokerError::Router)?;
        answer.await.map_err(|_| BrokerError::Router)?
    }
}

impl Table {
    /// Adds those that are new; how many there was no room for.
    fn extend(&mut self, filters: Vec<Filter>, room: usize) -> usize {
        let mut left_out = 0;
        for filter in filters {
            if self.by_level.get(&filter).is_some() {
                continue;
            }
            if self.slots.len() >= room {
                left_out += 1;
                continue;
            }
            let (index, hub) = (self.slots.len(), OnceCell::new());
            self.by_level.insert(&filter, index);
            self.slots.push(Arc::new(Slot { filter, inlet: inlet(index).into(), hub }));
        }
        left_out
    }

    fn narrowest(&self, wanted: &Filter) -> Option<usize> {
        let narrower = |one: usize, other: usize| {
            if self.slots[one].filter.covers(&self.slots[other].filter) { other } else { one }
        };
        self.by_level.get(wanted).or_else(|| self.by_level.covering(wanted).into_iter().reduce(narrower))
    }
}
