//! What all connections of a broker have in common.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// Topics that all accounts together may publish to while the broker runs: the router remembers each.
const TOPICS: usize = 1 << 18;

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
    pub(crate) topics: Topics,
}

/// One gate per kind of line that clients can provoke.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    pub(crate) charter: Gate,
    pub(crate) closed: Gate,
    pub(crate) crowded: Gate,
    pub(crate) login: Gate,
    pub(crate) publish: Gate,
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

/// The topics that were ever published to.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    by_account: Mutex<HashMap<String, HashSet<Box<str>>>>,
    count: AtomicUsize,
}

impl Topics {
    /// Whether `account` may publish to `topic` without exceeding `max` distinct topics.
    pub(crate) fn admit(&self, account: &str, topic: &str, max: usize) -> bool {
        let mut by_account = self.by_account.lock().unwrap_or_else(PoisonError::into_inner);
        if !by_account.contains_key(account) {
            by_account.insert(account.to_owned(), HashSet::new());
        }
        let Some(topics) = by_account.get_mut(account) else { return false };
        if topics.contains(topic) {
            return true;
        }
        if topics.len() >= max || self.count.load(Ordering::Relaxed) >= TOPICS {
            return false;
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        topics.insert(topic.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_cannot_fill_the_router_with_topics() {
        let topics = Topics::default();
        assert!(topics.admit("a", "1", 2) && topics.admit("a", "2", 2));
        assert!(!topics.admit("a", "3", 2));
        assert!(topics.admit("a", "2", 2) && topics.admit("b", "3", 2));
    }
}
