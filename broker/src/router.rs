//! rumqttd's router and the only ways into it.
//!
//! The router keeps a bounded log per filter. Clients never reach it: everything published goes in through one link, and
//! every subscribed filter comes out of a link of its own (see [`crate::fanout`]). So nothing that a client does (its id, its
//! disconnecting, its acknowledgements) can touch the parts of the router that end its thread, and nothing that it keeps
//! per client can grow.
//!
//! Nor does it learn what clients call their topics. It remembers every topic that it ever saw, and forgets none: so each
//! filter has one topic there, its inlet, and a message goes into the inlets of all filters that match it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rumqttd::local::{LinkBuilder, LinkRx, LinkTx};
use rumqttd::protocol::{Packet, Publish};
use rumqttd::{Router as Rumqttd, RouterConfig};

use crate::error::BrokerError;
use crate::limits::Limits;
use crate::message::Message;

/// Logs of a filter: the one being written and one before it.
const LOGS_PER_FILTER: usize = 2;
/// Messages that the router hands over at once.
const HANDED_OVER: u64 = 500;
/// Small packets that one connection may hand over besides a long one, in bytes that the router counts.
const READ_AT_ONCE: usize = 256 << 10;
/// Links besides those of filters.
const OWN_LINKS: usize = 4;
/// Messages and bytes that may wait for the router; publishers wait beyond that.
const WAITING_MESSAGES: usize = 2_048;
const WAITING_BYTES: usize = 8 << 20;

/// A message, and the inlet of a filter that it is for.
#[derive(Debug, Clone)]
pub(crate) struct Routed {
    pub(crate) inlet: Bytes,
    pub(crate) message: Message,
}

type Connect = dyn Fn(&str) -> Option<(LinkTx, LinkRx)> + Send + Sync;

/// A running router. Its thread can't be ended: it sleeps on when this is dropped, until the process ends.
pub(crate) struct Router {
    connect: Box<Connect>,
    ingress: Mutex<LinkTx>,
    /// Bytes that wait in the ingress link; changed only while `ingress` is locked.
    waiting: AtomicUsize,
}

impl Router {
    /// Starts a router for at most `filters` distinct filters. Blocks until its thread answers.
    pub(crate) fn start(limits: &Limits, filters: usize) -> Result<Self, BrokerError> {
        let config = RouterConfig {
            max_connections: filters + OWN_LINKS,
            max_outgoing_packet_count: HANDED_OVER,
            // What may be unread, and a batch that came on top of it.
            max_segment_size: limits.log_bytes + limits.packet_bytes + READ_AT_ONCE,
            max_segment_count: LOGS_PER_FILTER,
            ..RouterConfig::default()
        };
        let sender = Rumqttd::new(0, config).spawn();
        let connect: Box<Connect> = Box::new(move |name| {
            let (tx, rx, _) = LinkBuilder::new(name, sender.clone()).clean_session(true).build().ok()?;
            Some((tx, rx))
        });
        let (ingress, _) = connect("ingress").ok_or(BrokerError::Router)?;
        Ok(Self { connect, ingress: Mutex::new(ingress), waiting: AtomicUsize::new(0) })
    }

    /// A new link. Blocks until the router answers. `name` must be unique and free of `+ # $ /`.
    pub(crate) fn link(&self, name: &str) -> Result<(LinkTx, LinkRx), BrokerError> {
        (self.connect)(name).ok_or(BrokerError::Router)
    }

    /// Hands a batch to the router, in order, and wakes it once.
    ///
    /// # Errors
    /// The router's thread has ended.
    pub(crate) async fn publish(&self, batch: &mut Vec<Routed>) -> Result<(), BrokerError> {
        if batch.is_empty() {
            return Ok(());
        }
        while self.is_full() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.push(batch)
    }

    fn is_full(&self) -> bool {
        let ingress = self.ingress.lock().unwrap_or_else(PoisonError::into_inner);
        let messages = ingress.buffer().len();
        messages > WAITING_MESSAGES || (messages > 0 && self.waiting.load(Ordering::Relaxed) > WAITING_BYTES)
    }

    fn push(&self, batch: &mut Vec<Routed>) -> Result<(), BrokerError> {
        let bytes: usize = batch.iter().map(|routed| routed.message.len()).sum();
        let mut ingress = self.ingress.lock().unwrap_or_else(PoisonError::into_inner);
        let last = {
            let mut buffer = ingress.buffer();
            // With packets in the buffer the router is on its way already.
            let last = if buffer.is_empty() {
                self.waiting.store(0, Ordering::Relaxed);
                batch.pop()
            } else {
                None
            };
            self.waiting.fetch_add(bytes, Ordering::Relaxed);
            buffer.extend(batch.drain(..).map(packet));
            last
        };
        if let Some(Routed { inlet, message }) = last {
            ingress.publish(inlet, message.into_bytes()).map_err(|_| BrokerError::Router)?;
        }
        Ok(())
    }
}

fn packet(Routed { inlet, message }: Routed) -> Packet {
    Packet::Publish(Publish::new(inlet, message.into_bytes(), false), None)
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").finish_non_exhaustive()
    }
}
