//! What all connections of a broker have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::admission::Admission;
use crate::auth::Authenticator;
use crate::counters::Counters;
use crate::fanout::Fanout;
use crate::gate::Gate;
use crate::limits::Limits;
use crate::message::Origin;
use crate::registry::Registry;
use crate::retained::Retained;
use crate::router::Router;
use crate::tap::Tap;
use crate::tls::TlsDoor;

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
}

/// One gate per kind of line that clients can provoke.
#[derive(Debug, Default)]
pub(crate) struct Gates {
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
