//! What all connections of a broker have in common.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::admission::{self, Admission};
use crate::auth::Authenticator;
use crate::counters::Counters;
use crate::error::BrokerError;
use crate::fanout::Fanout;
use crate::filter::Filter;
use crate::gate::Gate;
use crate::limits::Limits;
use crate::message::Origin;
use crate::registry::Registry;
use crate::reload;
use crate::retained::Retained;
use crate::router::Router;
use crate::tap::Tap;
use crate::tls::TlsDoor;
use crate::watchdog;
use crate::websocket::WebsocketListener;

/// The broker's parts, shared by its connections.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) admission: Option<Admission>,
    pub(crate) auth: Authenticator,
    pub(crate) counters: Arc<Counters>,
    pub(crate) fanout: Fanout,
    pub(crate) gates: Gates,
    pub(crate) limits: Limits,
    pub(crate) origins: Origins,
    pub(crate) registry: Arc<Registry>,
    pub(crate) retained: Retained,
    pub(crate) router: Arc<Router>,
    pub(crate) tap: Option<Tap>,
    pub(crate) tls: Option<TlsDoor>,
    pub(crate) websocket: Option<WebsocketListener>,
}

/// What they are made of.
pub(crate) struct Parts {
    pub(crate) admission: Option<Admission>,
    pub(crate) auth: Authenticator,
    /// Where retained messages are kept.
    pub(crate) folder: Option<PathBuf>,
    /// Whether accounts may come that nobody knows of yet.
    pub(crate) follows_file: bool,
    pub(crate) limits: Limits,
    pub(crate) tap: Option<Tap>,
    pub(crate) tls: Option<TlsDoor>,
    pub(crate) websocket: Option<WebsocketListener>,
}

impl Shared {
    /// Does what blocks: the disk and the router's thread.
    pub(crate) fn start(parts: Parts) -> Result<Self, BrokerError> {
        let Parts { admission, auth, folder, follows_file, limits, tap, tls, websocket } = parts;
        let counters = Arc::new(Counters::default());
        let retained = Retained::open(folder.as_deref(), &limits, counters.clone())?;
        let filters = routed_filters(&auth);
        let of_members = if admission.is_some() { admission::FILTERS_TO_COME } else { 0 };
        let to_come = of_members + if follows_file { reload::FILTERS_TO_COME } else { 0 };
        let router = Arc::new(Router::start(&limits, filters.len() + to_come)?);
        let fanout = Fanout::start(filters, to_come, router.clone(), &limits, counters.clone())?;
        Ok(Self {
            admission,
            auth,
            counters,
            fanout,
            gates: Default::default(),
            limits,
            origins: Default::default(),
            registry: Default::default(),
            retained,
            router,
            tap,
            tls,
            websocket,
        })
    }
}

/// The filters that the router has to know: those that some account may subscribe.
fn routed_filters(auth: &Authenticator) -> Vec<Filter> {
    let accounts = auth.configured();
    let of_rules = accounts.iter().flat_map(|account| account.rules.subscribe.iter().cloned());
    let all: BTreeSet<Filter> = of_rules.chain(watchdog::TOPIC.parse()).collect();
    all.into_iter().collect()
}

/// One gate per kind of line that clients can provoke.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    pub(crate) certificate: Gate,
    pub(crate) charter: Gate,
    pub(crate) closed: Gate,
    pub(crate) crowded: Gate,
    pub(crate) handshake: Gate,
    pub(crate) login: Gate,
    pub(crate) publish: Gate,
    pub(crate) quota: Gate,
    pub(crate) subscribe: Gate,
}

/// Numbers connections.
#[derive(Debug, Default)]
pub(crate) struct Origins(AtomicU32);

impl Origins {
    /// A number that is not the broker's own. Comes round after four thousand million connections.
    pub(crate) fn next(&self) -> Origin {
        Origin(self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1))
    }
}
