//! Which client ids are connected, so that each is connected once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::limits::Limits;

/// How long a newcomer waits for the connection that it replaces.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the broker ends a connection from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Dismissed,
    ShuttingDown,
    TakenOver,
}

/// Why a client id could not be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClaimError {
    #[error("the connection that holds this client id does not end")]
    Held,
    #[error("too many connections of this account")]
    TooMany,
}

/// The connected clients. Ids are claimed within their account: whatever a client calls itself, it can neither
/// take over nor block a client of another account.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Clients>);

#[derive(Debug, Default)]
struct Clients {
    by_account: HashMap<String, HashMap<Arc<str>, watch::Sender<Option<Ending>>>>,
    /// No more claims: the broker is going.
    closed: bool,
}

/// A claimed client id. Dropping it frees the id, after everything that its connection has to do at its end.
#[derive(Debug)]
pub(crate) struct Claim {
    registry: Arc<Registry>,
    account: String,
    id: Arc<str>,
    ending: watch::Receiver<Option<Ending>>,
}

impl Registry {
    /// Claims `id` for a client of `account`; the connection that holds it is ended first.
    pub(crate) async fn claim(
        self: &Arc<Self>,
        id: Arc<str>,
        account: &str,
        limits: &Limits,
    ) -> Result<Claim, ClaimError> {
        let wait = async {
            loop {
                match self.try_claim(&id, account, limits) {
                    Ok(claim) => return claim,
                    // Closed when the old connection's claim, and with it the receiver, is gone.
                    Err(old) => old.closed().await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or(Err(ClaimError::Held))
    }

    /// The claim, or the old connection's handle once that was told to end.
    fn try_claim(
        self: &Arc<Self>,
        id: &Arc<str>,
        account: &str,
        limits: &Limits,
    ) -> Result<Result<Claim, ClaimError>, watch::Sender<Option<Ending>>> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.closed {
            return Ok(Err(ClaimError::Held));
        }
        let clients = clients.by_account.entry(account.to_owned()).or_default();
        if let Some(old) = clients.get(id) {
            old.send_replace(Some(Ending::TakenOver));
            return Err(old.clone());
        }
        if clients.len() >= limits.connections_per_account {
            return Ok(Err(ClaimError::TooMany));
        }
        let (sender, ending) = watch::channel(None);
        clients.insert(id.clone(), sender);
        Ok(Ok(Claim { registry: self.clone(), account: account.to_owned(), id: id.clone(), ending }))
    }

    /// Ends the connections of an account that is no more.
    pub(crate) fn dismiss(&self, account: &str) {
        let clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ending in clients.by_account.get(account).into_iter().flat_map(HashMap::values) {
            ending.send_replace(Some(Ending::Dismissed));
        }
    }

    /// Ends all connections and takes no new ones.
    pub(crate) fn shut_down(&self) {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.closed = true;
        for ending in clients.by_account.values().flat_map(HashMap::values) {
            ending.send_replace(Some(Ending::ShuttingDown));
        }
    }
}

impl Claim {
    /// Returns when the broker wants the connection to end.
    pub(crate) async fn ended(&mut self) -> Ending {
        match self.ending.wait_for(Option::is_some).await.map(|ending| *ending) {
            Ok(Some(ending)) => ending,
            // The sender lives in the registry for as long as the claim does.
            _ => Ending::ShuttingDown,
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut clients = self.registry.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(of_account) = clients.by_account.get_mut(&self.account) else { return };
        of_account.remove(&self.id);
        if of_account.is_empty() {
            clients.by_account.remove(&self.account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections_per_account: usize) -> Limits {
        Limits { connections_per_account, ..Limits::default() }
    }

    #[tokio::test]
    async fn a_newcomer_waits_for_the_old_connection() {
        let registry = Arc::new(Registry::default());
        let mut old = registry.claim("tenant".into(), "tenant", &limits(1)).await.unwrap();
        let claimant = {
            let registry = registry.clone();
            tokio::spawn(async move { registry.claim("tenant".into(), "tenant", &limits(1)).await })
        };
        assert_eq!(old.ended().await, Ending::TakenOver);
        assert!(!claimant.is_finished());
        drop(old);
        assert!(claimant.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn nobody_takes_over_or_blocks_the_id_of_another_account() {
        let registry = Arc::new(Registry::default());
        let held = registry.claim("reader-1".into(), "reader", &limits(9)).await.unwrap();
        let other = registry.claim("reader-1".into(), "reader-1", &limits(9)).await;
        assert!(other.is_ok());
        assert_eq!(*held.ending.borrow(), None);
    }

    #[tokio::test]
    async fn accounts_are_bounded_and_freed_places_are_free() {
        let registry = Arc::new(Registry::default());
        let first = registry.claim("a-1".into(), "a", &limits(1)).await.unwrap();
        assert_eq!(registry.claim("a-2".into(), "a", &limits(1)).await.unwrap_err(), ClaimError::TooMany);
        drop(first);
        let mut second = registry.claim("a-2".into(), "a", &limits(1)).await.unwrap();
        registry.shut_down();
        assert_eq!(second.ended().await, Ending::ShuttingDown);
        assert!(registry.claim("b".into(), "b", &limits(1)).await.is_err());
    }
}
