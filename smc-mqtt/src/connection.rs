//! One lasting MQTT 3.1.1 connection: it reconnects, subscribes again and loses nothing that it accepted.
//!
//! Packets are encoded and decoded by `rumqttc`'s codec; the loop that moves them is our own, because
//! `rumqttc::EventLoop` (0.25) writes and flushes once per publish (its `max_request_batch` is read nowhere),
//! can drop an acknowledgement when a select branch is cancelled, stays stalled after a reconnect that met a
//! packet id collision, forgets accepted publishes at a reconnect, and answers one oversized message by
//! disconnecting, again and again. Here:
//!
//! - Whatever waits is written in one go: one system call for a burst, none waiting for more (`TCP_NODELAY`).
//! - What [`Publisher::publish`] accepted is sent again on the next connection until the broker acknowledges
//!   it. It may thus arrive twice; it is lost only when the process ends, [`Publisher::close`] gives up, or
//!   three connections in a row broke over it.
//!   An acknowledgement means that the broker has it, not that anybody received it, so the owner sends again
//!   on [`Happening::Connected`] what it still wants.
//! - A broker that answers two pings, and has not acknowledged what it was sent before them, is left like one that
//!   answers nothing.
//! - A slow consumer holds up the socket, and so the broker: never more than [`ConnectionSettings::queue`]
//!   messages and a few packets' bytes wait. Pings go on meanwhile.
//! - Sessions are clean; subscriptions are made anew on every connection.

mod backoff;
mod driver;
mod exchange;
mod fault;
mod fuzz;
mod inbox;
mod link;
mod looks;
mod outbox;
mod teller;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::Publish;
use smc_core::time::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, watch};

pub use crate::settings::{
    BrokerAddress, BrokerAddressError, ConnectionSettings, Login, Pauses, Secret, Will,
};
pub use fault::{Fault, Refusal};
pub(crate) use fuzz::fuzz;

use crate::tls::{Dates, Expiring};
use driver::{Driver, Fed};
use exchange::{Exchange, Exchanges};
use looks::{Looks, Wildcards};

/// How many exchanges of filters may wait.
const EXCHANGES: usize = 4;

/// Starts connecting, in a task of its own, and keeps at it until both halves are dropped or
/// [`Publisher::close`] is called. Must be called within a tokio runtime.
///
/// `subscriptions` are topic filters, subscribed at QoS 1 on every connection. [`Incoming`] must be read or dropped:
/// while it is full, nothing is received and no new connection is made.
pub fn connect(settings: ConnectionSettings, subscriptions: Vec<String>) -> (Publisher, Incoming) {
    let room = settings.queue.max(1);
    let (publishes, queue) = mpsc::channel(room);
    let (looks, names) = mpsc::channel(room);
    let (exchanges, exchanged) = mpsc::channel(EXCHANGES);
    let (tell, told) = mpsc::channel(room);
    let (phase, tally) = (watch::Sender::new(Phase::Open), Tally::default());
    let shared = Shared {
        phase,
        tally,
        settled: Notify::new(),
        dates: Arc::default(),
        wildcards: Wildcards::default(),
    };
    let (shared, max_packet) = (Arc::new(shared), settings.max_packet);
    let publisher = Publisher { publishes, looks, exchanges, shared: shared.clone(), max_packet };
    let fed = Fed { queue, looks: Looks::new(names), exchanges: Exchanges::new(exchanged) };
    let driver = Driver::new(settings, subscriptions, shared, fed, tell);
    tokio::spawn(driver.run());
    (publisher, Incoming { told })
}

/// The sending half. Clones share the connection.
#[derive(Debug, Clone)]
pub struct Publisher {
    publishes: mpsc::Sender<Publish>,
    looks: mpsc::Sender<String>,
    exchanges: mpsc::Sender<Exchange>,
    shared: Arc<Shared>,
    max_packet: usize,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefused {
    /// [`Publisher::close`] was called, or the runtime is shutting down.
    #[error("the connection is closed")]
    Closed,
    /// As many messages wait as may: the broker is away or slower than we are.
    #[error("too many messages wait for the broker")]
    QueueFull,
    /// The packet would exceed [`ConnectionSettings::max_packet`].
    #[error("the message is larger than `max_packet`")]
    TooLarge,
    /// The topic is empty, longer than 65,535 bytes, or has a wildcard or a NUL.
    #[error("not a topic that can be published to")]
    Topic,
}

impl Publisher {
    /// Hands a message over for sending at QoS 1. Never waits; the payload is not copied until it is written.
    ///
    /// # Errors
    /// See [`PublishRefused`]; each is counted in [`Counters::refused`].
    pub fn publish(
        &self,
        topic: impl Into<String>,
        payload: impl Into<Bytes>,
        retain: bool,
    ) -> Result<(), PublishRefused> {
        let outcome = self.packet(topic.into(), payload.into(), retain).and_then(|packet| {
            self.publishes.try_send(packet).map_err(|refused| match refused {
                mpsc::error::TrySendError::Closed(_) => PublishRefused::Closed,
                mpsc::error::TrySendError::Full(_) => PublishRefused::QueueFull,
            })
        });
        self.count(outcome)
    }

    /// Like [`Publisher::publish`], but waits for room in the queue.
    ///
    /// # Errors
    /// See [`PublishRefused`]; never [`PublishRefused::QueueFull`].
    pub async fn publish_wait(
        &self,
        topic: impl Into<String>,
        payload: impl Into<Bytes>,
        retain: bool,
    ) -> Result<(), PublishRefused> {
        let outcome = match self.packet(topic.into(), payload.into(), retain) {
            Ok(packet) => self.publishes.send(packet).await.map_err(|_| PublishRefused::Closed),
            Err(refused) => Err(refused),
        };
        self.count(outcome)
    }

    /// Has what is retained on `topic` found, one of those that a subscription with wildcards covers: at brokers that hand out
    /// what is retained by name alone it is subscribed, too, now and on every later connection. What comes may come twice.
    pub fn look(&self, topic: String) {
        if !self.finds_retained() && self.looks.try_send(topic).is_err() {
            self.shared.tally.refused.fetch_add(1, Relaxed);
        }
    }

    /// Has the filter `to` take the place of `from` for as long as the present connection lasts: `to` is subscribed, and `from`
    /// given up once the broker has taken `to`, so that nothing is missed between them; what matches both may come twice.
    /// If the broker does not take it, [`Happening::Refused`] tells, and `from` stays.
    pub fn exchange(&self, from: String, to: String) {
        if self.exchanges.try_send(Exchange { from, to }).is_err() {
            self.shared.tally.refused.fetch_add(1, Relaxed);
        }
    }

    /// Whether the broker has shown that it hands out what is retained to subscriptions with wildcards.
    pub fn finds_retained(&self) -> bool {
        self.shared.wildcards.work()
    }

    /// How many accepted messages the broker has not acknowledged yet.
    pub fn unsettled(&self) -> u64 {
        let Counters { accepted, acknowledged, given_up, .. } = self.counters();
        accepted.saturating_sub(acknowledged + given_up)
    }

    /// Waits until fewer than `most` accepted messages are unacknowledged: for who sends much and would rather keep it
    /// than have it wait here.
    pub async fn settled(&self, most: u64) {
        loop {
            let settled = self.shared.settled.notified();
            tokio::pin!(settled);
            // Before looking, so that nothing can come between.
            settled.as_mut().enable();
            if self.unsettled() < most {
                return;
            }
            settled.await;
        }
    }

    /// Takes no more messages, sends what was accepted, waits for its acknowledgements (at most 5 s) and
    /// says DISCONNECT, so that the broker does not publish the will.
    ///
    /// Returns how many accepted messages the broker did not acknowledge.
    pub async fn close(&self) -> usize {
        let mut phase = self.shared.phase.subscribe();
        self.shared.phase.send_if_modified(|phase| {
            let open = *phase == Phase::Open;
            if open {
                *phase = Phase::Closing;
            }
            open
        });
        match phase.wait_for(|phase| matches!(phase, Phase::Closed { .. })).await.as_deref() {
            Ok(Phase::Closed { unacknowledged }) => *unacknowledged,
            _ => 0,
        }
    }

    /// The certificates of the connection that end soon, or have ended; in the log, too, once a day.
    pub fn expiring(&self, now: Timestamp) -> Vec<Expiring> {
        self.shared.dates.look(now)
    }

    /// What this connection did so far.
    pub fn counters(&self) -> Counters {
        self.shared.tally.read()
    }

    fn packet(&self, topic: String, payload: Bytes, retain: bool) -> Result<Publish, PublishRefused> {
        let legal = |b: u8| !matches!(b, b'+' | b'#' | 0);
        if topic.is_empty() || topic.len() > usize::from(u16::MAX) || !topic.bytes().all(legal) {
            return Err(PublishRefused::Topic);
        }
        let mut packet = Publish::from_bytes(topic, QoS::AtLeastOnce, payload);
        packet.retain = retain;
        // The packet id, two bytes, is given when it is sent.
        if packet.size() + 2 > self.max_packet { Err(PublishRefused::TooLarge) } else { Ok(packet) }
    }

    fn count(&self, outcome: Result<(), PublishRefused>) -> Result<(), PublishRefused> {
        let tally = &self.shared.tally;
        let counter = if outcome.is_ok() { &tally.accepted } else { &tally.refused };
        counter.fetch_add(1, Relaxed);
        outcome
    }
}

/// The receiving half.
#[derive(Debug)]
pub struct Incoming {
    told: mpsc::Receiver<Told>,
}

impl Incoming {
    /// The next happening; `None` once the connection is closed for good. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Happening> {
        self.told.recv().await.map(|told| told.happening)
    }

    /// The same for who waits for several connections at once.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Happening>> {
        self.told.poll_recv(context).map(|told| told.map(|told| told.happening))
    }
}

/// What happens on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// Connected, and every subscription answered. Messages may already have come before.
    Connected,
    /// The connection broke, or the broker can't be reached; told again only when the reason changes.
    /// Attempts go on, as [`ConnectionSettings::pauses`] has it.
    Disconnected {
        /// Why.
        reason: Fault,
    },
    /// A message on a subscribed topic.
    Message {
        /// Where.
        topic: String,
        /// What. A slice of the read buffer: copy it if you keep it long.
        payload: Bytes,
        /// Whether the broker had kept it.
        retain: bool,
    },
    /// The broker turns us or a subscription down. Told once; attempts go on.
    Refused {
        /// Why.
        reason: Refusal,
    },
}

/// What a connection did since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Publishes taken.
    pub accepted: u64,
    /// Publishes that the broker acknowledged.
    pub acknowledged: u64,
    /// Connections that came about.
    pub connections: u64,
    /// Messages that nobody took: [`Incoming`] was dropped, or the connection was closing.
    pub dropped: u64,
    /// Accepted publishes that were given up, as each of three connections in a row broke over them: the broker
    /// does not allow them, or finds them too large, and says so by closing or by not acknowledging.
    pub given_up: u64,
    /// Messages that were skipped because they exceed [`ConnectionSettings::max_packet`].
    pub oversized: u64,
    /// Messages handed to [`Incoming`].
    pub received: u64,
    /// Publishes, topics to look at, and exchanges of filters that were not taken.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct Tally {
    accepted: AtomicU64,
    acknowledged: AtomicU64,
    connections: AtomicU64,
    dropped: AtomicU64,
    given_up: AtomicU64,
    oversized: AtomicU64,
    received: AtomicU64,
    refused: AtomicU64,
}

impl Tally {
    fn read(&self) -> Counters {
        Counters {
            accepted: self.accepted.load(Relaxed),
            acknowledged: self.acknowledged.load(Relaxed),
            connections: self.connections.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            given_up: self.given_up.load(Relaxed),
            oversized: self.oversized.load(Relaxed),
            received: self.received.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}

/// What both halves and the driver know together.
#[derive(Debug)]
struct Shared {
    phase: watch::Sender<Phase>,
    tally: Tally,
    /// Told whenever a message was acknowledged or given up.
    settled: Notify,
    /// Until when the certificates of the connection hold.
    dates: Arc<Dates>,
    wildcards: Wildcards,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
    Closed { unacknowledged: usize },
}

/// A happening on its way to the owner, with its share of the bytes that may wait.
#[derive(Debug)]
struct Told {
    happening: Happening,
    _weight: OwnedSemaphorePermit,
}
