//! The thread that reads the router's links.

use std::sync::Arc;

use rumqttd::Notification;
use rumqttd::local::LinkRx;
use tokio::sync::{mpsc, oneshot};

use crate::counters::{Counters, add};
use crate::error::BrokerError;
use crate::filter::Filter;
use crate::hub::Hub;
use crate::message::Message;
use crate::router::Router;

/// Messages that a link passes on at once.
const MOST_AT_ONCE: usize = 1_024;

/// A filter to be read from now on.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) filter: Filter,
    /// Unique among all filters.
    pub(crate) index: usize,
    pub(crate) max_unread: usize,
    pub(crate) reply: oneshot::Sender<Result<Arc<Hub>, BrokerError>>,
}

/// Opens filters on request and reads them, until there can be no more requests.
pub(crate) async fn serve(mut requests: mpsc::Receiver<Open>, router: Arc<Router>, counters: Arc<Counters>) {
    while let Some(Open { filter, index, max_unread, reply }) = requests.recv().await {
        let opened = subscribe(&router, index).map(|rx| {
            let hub = Arc::new(Hub::new(filter, max_unread));
            tokio::spawn(pump(hub.clone(), rx, counters.clone()));
            hub
        });
        // Whoever asked may have gone; the hub serves the next.
        let _ = reply.send(opened);
    }
}

/// What the messages for the filter at `index` are called at the router.
pub(crate) fn inlet(index: usize) -> String {
    index.to_string()
}

/// Subscribes a filter's inlet at the router and waits until the router has it.
fn subscribe(router: &Router, index: usize) -> Result<LinkRx, BrokerError> {
    let (mut tx, mut rx) = router.link(&format!("filter-{index}"))?;
    tx.subscribe(inlet(index)).map_err(|_| BrokerError::Router)?;
    while !matches!(rx.recv().map_err(|_| BrokerError::Router)?, Some(Notification::DeviceAck(_))) {}
    Ok(rx)
}

/// Carries messages from a link to the hub's subscribers until the router ends or the runtime is dropped.
///
/// The link is never disconnected: the router thread outlives the broker anyhow, and a disconnect is where its
/// bookkeeping is weakest.
async fn pump(hub: Arc<Hub>, mut rx: LinkRx, counters: Arc<Counters>) {
    let mut batch = Vec::new();
    let mut next_offset = None;
    while let Ok(first) = rx.next().await {
        let (mut paused, mut lost) = (false, 0);
        let mut notification = Some(first);
        while let Some(next) = notification {
            match next {
                Some(Notification::Forward(forward)) => {
                    let offset = forward.cursor.map(|(_, offset)| offset);
                    lost += gap(&mut next_offset, offset);
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
        if lost > 0 {
            add(&counters.dropped_in_router, lost);
            hub.settle();
        }
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

/// How many messages are missing before the one at offset `found`.
fn gap(next: &mut Option<u64>, found: Option<u64>) -> u64 {
    let Some(found) = found else { return 0 };
    let expected = next.replace(found + 1).unwrap_or(found);
    found.saturating_sub(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_seen() {
        let mut next = None;
        let offsets = [Some(5), Some(6), None, Some(7), Some(10), Some(11)];
        assert_eq!(offsets.map(|offset| gap(&mut next, offset)), [0, 0, 0, 0, 2, 0]);
    }
}
