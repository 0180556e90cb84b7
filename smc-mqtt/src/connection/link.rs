//! One connection, from its subscriptions to its end.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, Publish, SubAck, Subscribe, SubscribeFilter, SubscribeReasonCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::backoff::Backoff;
use super::exchange::{EXCHANGE_ID, Exchanges};
use super::inbox::{Inbox, Received};
use super::looks::Looks;
use super::outbox::Outbox;
use super::teller::{Offer, Teller};
use super::{Fault, Happening, Phase, Refusal, Shared};
use crate::filter::TopicFilter;
use crate::traffic;

/// How long the broker may take to answer a subscription.
const SUBSCRIBING: Duration = Duration::from_secs(10);
/// How long a closing connection waits for acknowledgements.
pub(super) const CLOSING: Duration = Duration::from_secs(5);
/// How long a closing connection tries to say DISCONNECT.
const PARTING: Duration = Duration::from_secs(1);
/// The id of the SUBSCRIBE of all filters. Ids of publishes are a set apart: the answers have different types.
const SUBSCRIBE_ID: u16 = 1;

/// What a connection works with and leaves behind.
pub(super) struct Ends<'a> {
    pub(super) outbox: &'a mut Outbox,
    pub(super) queue: &'a mut mpsc::Receiver<Publish>,
    pub(super) looks: &'a mut Looks,
    pub(super) exchanges: &'a mut Exchanges,
    pub(super) teller: &'a mut Teller,
    pub(super) backoff: &'a mut Backoff,
    pub(super) shared: &'a Shared,
    /// As they are by now.
    pub(super) subscriptions: Vec<String>,
    pub(super) keep_alive: Duration,
}

struct Link<'a> {
    ends: Ends<'a>,
    inbox: Inbox,
    /// What the owner has no room for. While there is something, nothing is read.
    waiting: VecDeque<Delivery>,
    /// The filters asked for, until the broker answered.
    subscribing: Option<Vec<String>>,
    pinged: bool,
    /// Whether the owner held us up since the last tick, so that an answer may lie unread.
    held_up: bool,
    /// All publishers are gone.
    unfed: bool,
    /// The owner of [`super::Incoming`] is gone.
    unheard: bool,
    /// Since when we close, plus [`CLOSING`].
    deadline: Option<Instant>,
}

struct Delivery {
    happening: Happening,
    /// To be acknowledged once the owner has it.
    pkid: Option<u16>,
}

/// Moves packets both ways until we close (`Ok`) or the connection breaks.
pub(super) async fn converse<R, W>(
    ends: Ends<'_>,
    inbox: Inbox,
    mut reader: R,
    mut writer: W,
) -> Result<(), Fault>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut phase = ends.shared.phase.subscribe();
    let mut link = Link::new(ends, inbox);
    let first_tick = link.subscribe();
    let tick = sleep(first_tick);
    tokio::pin!(tick);
    // TLS may hold back the end of what was written.
    let mut unflushed = false;
    loop {
        link.advance()?;
        if link.is_done() {
            break;
        }
        let Link { ends, inbox, waiting, unfed, unheard, deadline, .. } = &mut link;
        let Ends { outbox, queue, looks, exchanges, teller, subscriptions, shared, .. } = ends;
        let (room, encoded) = (outbox.has_room(), !outbox.bytes.is_empty());
        tokio::select! {
            read = reader.read_buf(inbox.space()), if waiting.is_empty() => {
                match read? {
                    0 => return Err(Fault::Closed),
                    bytes => traffic::note_received(bytes),
                }
            }
            written = send(&mut writer, &mut outbox.bytes), if encoded || unflushed => match written? {
                Sent::Nothing => return Err(Fault::Closed),
                Sent::Some => unflushed = true,
                Sent::All => unflushed = false,
            },
            publish = queue.recv(), if room && !*unfed => match publish {
                Some(publish) => outbox.send(publish),
                None => *unfed = true,
            },
            () = looks.due(), if deadline.is_none() => {
                let asked = looks.ask(subscriptions, &shared.wildcards);
                asked.into_iter().for_each(|packet| outbox.subscribe(packet));
            }
            packet = exchanges.next(), if deadline.is_none() => outbox.subscribe(packet),
            () = room_for(teller, waiting), if !waiting.is_empty() => {}
            () = teller.gone(), if !*unheard => *unheard = true,
            () = &mut tick => {
                tick.as_mut().reset(Instant::now() + link.probe()?);
            }
            () = async { let _ = phase.wait_for(|phase| *phase != Phase::Open).await; }, if deadline.is_none() => {
                link.close();
            }
            () = at(*deadline), if deadline.is_some() => break,
        }
    }
    part(link.ends.outbox, writer).await;
    Ok(())
}

/// What [`send`] achieved.
enum Sent {
    /// Everything that was written is on its way.
    All,
    /// The connection takes no more.
    Nothing,
    /// Some of it was written.
    Some,
}

/// Writes what there is, or has what was written be on its way. Loses nothing when dropped.
async fn send(writer: &mut (impl AsyncWrite + Unpin), bytes: &mut BytesMut) -> io::Result<Sent> {
    if bytes.is_empty() {
        return writer.flush().await.map(|()| Sent::All);
    }
    let written = writer.write_buf(bytes).await?;
    traffic::note_sent(written);
    Ok(if written == 0 { Sent::Nothing } else { Sent::Some })
}

async fn room_for(teller: &Teller, waiting: &VecDeque<Delivery>) {
    if let Some(first) = waiting.front() {
        teller.wait_for_room(&first.happening).await;
    }
}

async fn at(deadline: Option<Instant>) {
    sleep_until(deadline.unwrap_or_else(Instant::now)).await;
}

/// Says DISCONNECT, so that the will is not published.
async fn part(outbox: &mut Outbox, mut writer: impl AsyncWrite + Unpin) {
    outbox.disconnect();
    let farewell = async {
        writer.write_all_buf(&mut outbox.bytes).await?;
        writer.shutdown().await
    };
    // A broker that can't be told notices by itself.
    let _ = timeout(PARTING, farewell).await;
}

impl<'a> Link<'a> {
    fn new(ends: Ends<'a>, inbox: Inbox) -> Self {
        Self {
            ends,
            inbox,
            waiting: VecDeque::new(),
            subscribing: None,
            pinged: false,
            held_up: false,
            unfed: false,
            unheard: false,
            deadline: None,
        }
    }

    /// Asks for the subscriptions; returns when to look whether the broker answered.
    fn subscribe(&mut self) -> Duration {
        let (filters, wrong): (Vec<_>, Vec<_>) =
            self.ends.subscriptions.iter().cloned().partition(|filter| filter.parse::<TopicFilter>().is_ok());
        self.tell_refused(wrong);
        if filters.is_empty() {
            self.tell(Happening::Connected);
            return self.rhythm();
        }
        let wanted = filters.iter().map(|path| SubscribeFilter::new(path.clone(), QoS::AtLeastOnce));
        let mut packet = Subscribe::new_many(wanted);
        packet.pkid = SUBSCRIBE_ID;
        self.ends.outbox.subscribe(packet);
        self.subscribing = Some(filters);
        SUBSCRIBING
    }

    /// Everything that can be done without waiting.
    fn advance(&mut self) -> Result<(), Fault> {
        while self.deliver() {
            match self.inbox.next()? {
                Some(received) => self.take(received)?,
                None => break,
            }
        }
        self.held_up |= !self.waiting.is_empty();
        self.ends.outbox.fill(self.ends.queue);
        if self.unfed && self.unheard {
            self.close();
        }
        Ok(())
    }

    /// Hands over what waits; `false` if the owner has no room for all of it.
    fn deliver(&mut self) -> bool {
        let tally = &self.ends.shared.tally;
        while let Some(Delivery { happening, pkid }) = self.waiting.pop_front() {
            let is_message = matches!(happening, Happening::Message { .. });
            match self.ends.teller.offer(happening) {
                Offer::Full(happening) if self.deadline.is_none() => {
                    self.waiting.push_front(Delivery { happening, pkid });
                    return false;
                }
                Offer::Told if is_message => tally.received.fetch_add(1, Relaxed),
                Offer::Full(_) | Offer::Gone if is_message => tally.dropped.fetch_add(1, Relaxed),
                _ => 0,
            };
            if let Some(pkid) = pkid {
                self.ends.outbox.puback(pkid);
            }
        }
        true
    }

    fn take(&mut self, received: Received) -> Result<(), Fault> {
        if self.subscribing.is_none() {
            // Whatever comes after the subscriptions are made: a message, an acknowledgement, the answer to a ping.
            self.ends.backoff.works();
        }
        match received {
            Received::Oversized { pkid } => {
                self.ends.shared.tally.oversized.fetch_add(1, Relaxed);
                if let Some(pkid) = pkid {
                    self.ends.outbox.puback(pkid);
                }
            }
            Received::Packet(Packet::Publish(publish)) => {
                let pkid = (publish.qos == QoS::AtLeastOnce).then_some(publish.pkid);
                let Publish { topic, payload, retain, .. } = publish;
                if retain {
                    let Ends { looks, subscriptions, shared, .. } = &self.ends;
                    looks.note(&topic, subscriptions, &shared.wildcards);
                }
                self.waiting
                    .push_back(Delivery { happening: Happening::Message { topic, payload, retain }, pkid });
            }
            Received::Packet(Packet::PubAck(ack)) => {
                if self.ends.outbox.acknowledge(ack.pkid) {
                    self.ends.shared.tally.acknowledged.fetch_add(1, Relaxed);
                    self.ends.shared.settled.notify_waiters();
                }
            }
            Received::Packet(Packet::SubAck(ack)) if ack.pkid == SUBSCRIBE_ID => self.subscribed(&ack)?,
            Received::Packet(Packet::SubAck(ack)) if ack.pkid == EXCHANGE_ID => self.exchanged(&ack)?,
            Received::Packet(Packet::UnsubAck(_)) if self.ends.exchanges.left() => {}
            Received::Packet(Packet::SubAck(ack)) => {
                let refused = self.ends.looks.answered(&ack).ok_or(Fault::Speech)?;
                self.tell_refused(refused);
            }
            Received::Packet(Packet::PingResp) => {
                self.pinged = false;
                if !self.ends.outbox.answered() {
                    return Err(Fault::Unacknowledged);
                }
            }
            // We ask for QoS 1 at most: everything else is out of place.
            Received::Packet(_) => return Err(Fault::Speech),
        }
        Ok(())
    }

    fn subscribed(&mut self, ack: &SubAck) -> Result<(), Fault> {
        let Some(filters) = self.subscribing.take() else { return Err(Fault::Speech) };
        if ack.return_codes.len() != filters.len() {
            return Err(Fault::Speech);
        }
        let failed = |code: &SubscribeReasonCode| *code == SubscribeReasonCode::Failure;
        let refused: Vec<_> = filters
            .into_iter()
            .zip(&ack.return_codes)
            .filter_map(|(filter, code)| failed(code).then_some(filter))
            .collect();
        self.tell_refused(refused);
        self.tell(Happening::Connected);
        Ok(())
    }

    fn exchanged(&mut self, ack: &SubAck) -> Result<(), Fault> {
        let Ends { exchanges, subscriptions, outbox, .. } = &mut self.ends;
        match exchanges.answered(ack, subscriptions).ok_or(Fault::Speech)? {
            Ok(unsubscribe) => outbox.unsubscribe(unsubscribe),
            Err(refused) => self.tell_refused(vec![refused]),
        }
        Ok(())
    }

    fn tell_refused(&mut self, filters: Vec<String>) {
        if !filters.is_empty() {
            self.tell(Happening::Refused { reason: Refusal::Subscription { filters } });
        }
    }

    fn tell(&mut self, happening: Happening) {
        self.waiting.push_back(Delivery { happening, pkid: None });
    }

    /// Looks whether the broker still answers, and asks it again; returns when to look next.
    fn probe(&mut self) -> Result<Duration, Fault> {
        let answer_due = self.pinged || self.subscribing.is_some();
        if answer_due && !std::mem::take(&mut self.held_up) {
            return Err(Fault::Silent);
        }
        self.held_up = !self.waiting.is_empty();
        if !self.pinged {
            self.pinged = true;
            self.ends.outbox.ping();
        }
        Ok(self.rhythm())
    }

    /// Well within the keep-alive time, so that a late timer does no harm.
    fn rhythm(&self) -> Duration {
        self.ends.keep_alive.mul_f64(0.75)
    }

    /// Takes no more publishes; the rest is sent and acknowledged first.
    fn close(&mut self) {
        self.ends.queue.close();
        self.deadline.get_or_insert_with(|| Instant::now() + CLOSING);
    }

    fn is_done(&self) -> bool {
        let Ends { outbox, queue, .. } = &self.ends;
        self.deadline.is_some() && queue.is_empty() && outbox.pending() == 0 && outbox.bytes.is_empty()
    }
}
