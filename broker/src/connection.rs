//! One client's connection, from CONNACK to its end.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use crate::close::Close;
use crate::codec::{self, Outgoing, Packet, QoS, Version};
use crate::counters::{add, bump};
use crate::filter::Filter;
use crate::handshake::Client;
use crate::hub::Subscription;
use crate::inflight::Inflight;
use crate::message::Message;
use crate::outbox::{Delivery, Outbox};
use crate::publish::Publisher;
use crate::rate::Bucket;
use crate::registry::Ending;
use crate::shared::Shared;
use crate::wire::{Turn, Wire};

/// Bytes of output beyond which no further messages are encoded.
const OUTPUT_ENOUGH: usize = 64 << 10;
/// Bytes of output beyond which nothing more is read: what is read has to be answered.
const OUTPUT_FULL: usize = 256 << 10;
/// How long the client has to take the DISCONNECT.
const FAREWELL: Duration = Duration::from_secs(1);

/// A logged-in client and everything that belongs to it alone.
pub(crate) struct Connection<S> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) wire: Wire<S>,
    pub(crate) client: Client,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) subscriptions: HashMap<Filter, Subscription>,
    /// Retained messages of new subscriptions: they go before what the outbox holds.
    pub(crate) backlog: VecDeque<Delivery>,
    inflight: Inflight,
    publisher: Publisher,
    bucket: Bucket,
    last_read: Instant,
    last_progress: Instant,
}

/// Serves a client until either side ends the connection, then publishes its will if that is due.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    shared: Arc<Shared>,
    wire: Wire<S>,
    client: Client,
) {
    let mut connection = Connection::new(shared, wire, client);
    let close = match connection.run().await {
        Ok(()) => Close::Gone,
        Err(close) => close,
    };
    connection.end(close).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(shared: Arc<Shared>, wire: Wire<S>, client: Client) -> Self {
        let limits = &shared.limits;
        let pace = limits.publish.of(client.account.rules.role);
        let now = Instant::now();
        Self {
            outbox: Arc::new(Outbox::new(limits.queue_messages, limits.queue_bytes)),
            subscriptions: HashMap::new(),
            backlog: VecDeque::new(),
            inflight: Inflight::new(client.window),
            publisher: Publisher::default(),
            bucket: Bucket::new(pace.rate, pace.burst, now.into_std()),
            last_read: now,
            last_progress: now,
            shared,
            wire,
            client,
        }
    }

    async fn run(&mut self) -> Result<(), Close> {
        // Packets that came with CONNECT wait in the input already.
        self.process().await?;
        let mut timer = pin!(sleep_until(self.next_check()));
        let mut resume: Option<Instant> = None;
        loop {
            self.fill();
            let reading = resume.is_none() && self.wire.pending() < OUTPUT_FULL;
            tokio::select! {
                biased;
                ending = self.client.claim.ended() => return Err(Close::Ended(ending)),
                turn = self.wire.turn(reading) => match turn? {
                    Turn::Closed => return Err(Close::Gone),
                    Turn::Read(count) => {
                        add(&self.shared.counters.bytes_in, count as u64);
                        self.last_read = Instant::now();
                        self.process().await?;
                        resume = self.throttle();
                    }
                    Turn::Written(count) => {
                        add(&self.shared.counters.bytes_out, count as u64);
                        self.last_progress = Instant::now();
                    }
                },
                () = self.outbox.filled() => {}
                () = sleep_until(resume.unwrap_or(self.last_read)), if resume.is_some() => {
                    // It was the broker that did not listen.
                    self.last_read = Instant::now();
                    resume = None;
                }
                () = &mut timer => {
                    self.check(resume.is_some())?;
                    timer.as_mut().reset(self.next_check());
                }
            }
        }
    }

    /// Decodes and handles what was received, then hands what was published to the router in one go.
    async fn process(&mut self) -> Result<(), Close> {
        let input = std::mem::take(&mut self.wire.input);
        let mut used = 0;
        let mut outcome = Ok(());
        while outcome.is_ok() {
            outcome = match codec::frame(&input[used..], self.shared.limits.packet_bytes) {
                Ok(None) => break,
                Err(error) => Err(error.into()),
                Ok(Some(frame)) => {
                    used += frame.len;
                    match Packet::decode(frame, self.client.version) {
                        Ok(packet) => self.handle(packet).await,
                        Err(error) => Err(error.into()),
                    }
                }
            };
        }
        self.wire.input = input;
        self.wire.consume(used, false);
        self.publisher.hand_over(&self.shared).await?;
        outcome
    }

    async fn handle(&mut self, packet: Packet<'_>) -> Result<(), Close> {
        match packet {
            Packet::Disconnect { with_will } => return Err(Close::ByClient { with_will }),
            Packet::PingReq => codec::pingresp(&mut self.wire.output),
            Packet::PubAck { id } => self.inflight.acknowledge(id),
            Packet::Publish(publish) => {
                self.bucket.take();
                let why = self.publisher.accept(&self.shared, &self.client, &publish).await;
                if let Some(id) = publish.id {
                    codec::puback(&mut self.wire.output, self.client.version, id, why);
                }
            }
            Packet::Subscribe { id, subscription_id, filters } => {
                self.subscribe(id, subscription_id, &filters).await?;
            }
            Packet::Unsubscribe { id, filters } => self.unsubscribe(id, &filters),
        }
        Ok(())
    }

    /// Encodes waiting messages while there is room for them.
    fn fill(&mut self) {
        while let Some(delivery) = self.backlog.front() {
            if !send(&self.shared, &self.client, &mut self.wire, &mut self.inflight, delivery) {
                return;
            }
            self.backlog.pop_front();
        }
        let (shared, client, wire, inflight) =
            (&self.shared, &self.client, &mut self.wire, &mut self.inflight);
        self.outbox.take_while(|delivery| send(shared, client, wire, inflight, delivery));
    }

    fn throttle(&mut self) -> Option<Instant> {
        let wait = self.bucket.wait(Instant::now().into_std())?;
        bump(&self.shared.counters.throttled);
        Some(Instant::now() + wait)
    }

    fn next_check(&self) -> Instant {
        let stalled = Instant::now() + self.shared.limits.write_timeout();
        self.silent_until().map_or(stalled, |silent| silent.min(stalled))
    }

    fn silent_until(&self) -> Option<Instant> {
        let seconds = u64::from(self.client.keep_alive);
        (seconds > 0).then(|| self.last_read + Duration::from_millis(seconds * 1_500))
    }

    fn check(&mut self, throttled: bool) -> Result<(), Close> {
        let now = Instant::now();
        if !throttled && self.silent_until().is_some_and(|deadline| deadline <= now) {
            return Err(Close::KeepAlive);
        }
        if self.wire.pending() == 0 {
            self.last_progress = now;
            self.wire.shrink();
            self.inflight.shrink();
        } else if now - self.last_progress >= self.shared.limits.write_timeout() {
            return Err(Close::WriteStalled);
        }
        if throttled {
            self.last_read = now;
        }
        Ok(())
    }

    /// Says goodbye, publishes the will if it is due, and frees the client id.
    async fn end(mut self, close: Close) {
        let counters = &self.shared.counters;
        match &close {
            Close::Decode(_) => bump(&counters.protocol_errors),
            Close::Ended(Ending::TakenOver) => bump(&counters.taken_over),
            Close::KeepAlive => bump(&counters.keep_alive_timeouts),
            Close::WriteStalled => bump(&counters.write_timeouts),
            _ => {}
        }
        if !matches!(close, Close::ByClient { .. } | Close::Gone | Close::Ended(_))
            && let Some(more) = self.shared.gates.closed.open()
        {
            tracing::warn!(client = &*self.client.id, why = %close, more, "connection closed");
        }
        self.subscriptions.clear();
        if let Some(why) = close.reason() {
            codec::disconnect(&mut self.wire.output, self.client.version, why);
            // A client that does not take it learns the same from the closed connection.
            let _ = tokio::time::timeout(FAREWELL, self.wire.flush()).await;
        }
        if let (true, Some(will)) = (close.leaves_will(), self.client.will.take()) {
            let message = Message::of_will(&will, self.client.origin);
            self.publisher.take(&self.shared, &self.client, message).await;
            // Without a router nobody is left to hear of it.
            let _ = self.publisher.hand_over(&self.shared).await;
        }
        if !matches!(close, Close::Io(_) | Close::WriteStalled) {
            // Whoever went first does not listen.
            let _ = tokio::time::timeout(FAREWELL, self.wire.close()).await;
        }
    }
}

/// Encodes one message; false if it has to wait.
fn send<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    client: &Client,
    wire: &mut Wire<S>,
    inflight: &mut Inflight,
    delivery: &Delivery,
) -> bool {
    let acknowledged = delivery.qos == QoS::AtLeastOnce;
    if wire.pending() >= OUTPUT_ENOUGH || (acknowledged && !inflight.has_room()) {
        return false;
    }
    let message = &delivery.message;
    let outgoing = Outgoing {
        id: acknowledged.then(|| inflight.next_id()),
        retain: delivery.retain,
        topic: message.topic(),
        subscription_id: delivery.subscription_id,
        properties: message.properties(),
        payload: message.payload(),
    };
    debug_assert!(client.version == Version::V5 || client.max_packet == u32::MAX);
    if codec::publish(&mut wire.output, client.version, outgoing, client.max_packet) {
        bump(&shared.counters.messages_out);
        if acknowledged {
            inflight.sent();
        }
    } else {
        bump(&shared.counters.dropped_deliveries);
    }
    true
}
