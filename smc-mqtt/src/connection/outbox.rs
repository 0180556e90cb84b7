//! Packets to the broker, and those of them that it has yet to acknowledge.

use std::collections::VecDeque;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{Packet, PubAck, Publish, Subscribe, Unsubscribe};
use tokio::sync::mpsc;

use crate::traffic;

/// How many publishes may be unacknowledged. With a round trip of 10 ms, 100,000 a second still fit.
const WINDOW: usize = 1000;
/// Beyond this many encoded bytes, no further packet is encoded before some are written.
const WRITE: usize = 64 << 10;

/// At how many broken connections in a row the same publish may have been the first without an acknowledgement.
const BREAKS: u8 = 3;
/// How many pings in a row the broker may answer while the same publish is the first without an acknowledgement. The first of
/// them may have been on its way together with the publish; by the second the broker had time.
const ANSWERS: u8 = 2;

/// What is to be written, and what was written but not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Encoded, to be written.
    pub(super) bytes: BytesMut,
    /// Sent on this connection, oldest first.
    unacknowledged: VecDeque<Publish>,
    /// Sent on an earlier connection, to be sent again.
    again: VecDeque<Publish>,
    last_id: u16,
    /// Broken connections in a row at which the first of `unacknowledged` was the same publish.
    breaks: u8,
    /// Pings in a row that were sent after the first of `unacknowledged`, and answered before it.
    answers: u8,
    /// Whether the ping that is unanswered was sent after the first of `unacknowledged`.
    pinged_behind: bool,
}

impl Outbox {
    /// Forgets the broken connection: nothing is half written, everything unacknowledged is to be sent again.
    /// Returns how many publishes are given up, 0 or 1.
    ///
    /// Many brokers answer a publish that they don't allow, or find too large, by disconnecting. As they acknowledge
    /// in order, it is then the first that is unacknowledged; sending it for ever would keep us disconnected for
    /// ever.
    pub(super) fn restart(&mut self) -> u64 {
        self.bytes = BytesMut::new();
        self.last_id = 0;
        (self.answers, self.pinged_behind) = (0, false);
        self.breaks += u8::from(!self.unacknowledged.is_empty());
        let given_up = self.breaks >= BREAKS;
        if given_up {
            self.unacknowledged.pop_front();
            self.breaks = 0;
        }
        while let Some(publish) = self.unacknowledged.pop_back() {
            self.again.push_front(publish);
        }
        given_up.into()
    }

    /// Whether another publish can be sent now.
    pub(super) fn has_room(&self) -> bool {
        let next = self.next_id();
        // Brokers acknowledge in order. Where one does not, ids go round until they meet the oldest one.
        self.bytes.len() < WRITE
            && self.unacknowledged.len() < WINDOW
            && self.unacknowledged.front().is_none_or(|oldest| oldest.pkid != next)
    }

    /// Encodes what waits, the old before the new, as long as there is room.
    pub(super) fn fill(&mut self, queue: &mut mpsc::Receiver<Publish>) {
        while self.has_room() {
            let Some(publish) = self.again.pop_front().or_else(|| queue.try_recv().ok()) else { return };
            self.send(publish);
        }
    }

    /// Encodes one publish under the next id; the caller saw that there is room.
    pub(super) fn send(&mut self, mut publish: Publish) {
        publish.pkid = self.next_id();
        self.last_id = publish.pkid;
        // Fails only beyond 256 MB, which `Publisher` refuses.
        if publish.write(&mut self.bytes).is_ok() {
            traffic::note_publish(publish.payload.len());
            self.unacknowledged.push_back(publish);
        }
    }

    /// Notes an acknowledgement; `false` if nothing has that id.
    pub(super) fn acknowledge(&mut self, pkid: u16) -> bool {
        let Some(place) = self.unacknowledged.iter().position(|publish| publish.pkid == pkid) else {
            return false;
        };
        if place == 0 {
            self.breaks = 0;
            (self.answers, self.pinged_behind) = (0, false);
        }
        self.unacknowledged.remove(place).is_some()
    }

    /// Acknowledges a message of the broker's.
    pub(super) fn puback(&mut self, pkid: u16) {
        self.encode(Packet::PubAck(PubAck::new(pkid)));
    }

    /// Asks the broker whether it is alive.
    pub(super) fn ping(&mut self) {
        self.encode(Packet::PingReq);
        self.pinged_behind = !self.unacknowledged.is_empty();
    }

    /// Notes that the broker answered the ping; `false` if by now it should have acknowledged what was sent before. There are
    /// brokers that close their own inner channel over a publish that they find too large, take no notice of any later one, and go on
    /// answering pings.
    pub(super) fn answered(&mut self) -> bool {
        self.answers += u8::from(std::mem::take(&mut self.pinged_behind));
        self.answers < ANSWERS
    }

    /// Asks for messages.
    pub(super) fn subscribe(&mut self, subscribe: Subscribe) {
        self.encode(Packet::Subscribe(subscribe));
    }

    /// Asks for no more of some.
    pub(super) fn unsubscribe(&mut self, unsubscribe: Unsubscribe) {
        self.encode(Packet::Unsubscribe(unsubscribe));
    }

    /// Takes leave.
    pub(super) fn disconnect(&mut self) {
        self.encode(Packet::Disconnect);
    }

    /// How many publishes the broker has not acknowledged.
    pub(super) fn pending(&self) -> usize {
        self.unacknowledged.len() + self.again.len()
    }

    fn encode(&mut self, packet: Packet) {
        // These packets are small: only a length beyond 256 MB can't be encoded.
        let _ = packet.write(&mut self.bytes, usize::MAX);
    }

    fn next_id(&self) -> u16 {
        self.last_id.checked_add(1).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumqttc::mqttbytes::QoS;

    fn publish(text: &str) -> Publish {
        Publish::new("t", QoS::AtLeastOnce, text)
    }

    fn written(outbox: &mut Outbox) -> Vec<(u16, Vec<u8>)> {
        let mut all = Vec::new();
        while let Ok(packet) = Packet::read(&mut outbox.bytes, usize::MAX) {
            let Packet::Publish(publish) = packet else { panic!("{packet:?}") };
            all.push((publish.pkid, publish.payload.to_vec()));
        }
        all
    }

    #[test]
    fn what_was_not_acknowledged_is_sent_again_first_and_in_order() {
        let (sender, mut queue) = mpsc::channel(10);
        let mut outbox = Outbox::default();
        for text in ["a", "b", "c"] {
            sender.try_send(publish(text)).unwrap();
        }
        outbox.fill(&mut queue);
        assert_eq!(written(&mut outbox).len(), 3);
        assert!(outbox.acknowledge(2));
        assert!(!outbox.acknowledge(2), "only once");

        sender.try_send(publish("d")).unwrap();
        outbox.restart();
        outbox.fill(&mut queue);
        let texts: Vec<_> = written(&mut outbox).into_iter().map(|(id, text)| (id, text[0])).collect();
        assert_eq!(texts, [(1, b'a'), (2, b'c'), (3, b'd')]);
        assert_eq!(outbox.pending(), 3);
    }

    #[test]
    fn what_breaks_every_connection_is_given_up() {
        let (sender, mut queue) = mpsc::channel(10);
        let mut outbox = Outbox::default();
        for text in ["fine", "poison", "after"] {
            sender.try_send(publish(text)).unwrap();
        }
        outbox.fill(&mut queue);
        assert_eq!(outbox.restart(), 0, "a broker was restarted");
        assert_eq!(outbox.restart(), 0, "nothing was sent");
        outbox.fill(&mut queue);
        assert!(outbox.acknowledge(1));
        for given_up in [0, 0, 1] {
            assert_eq!(outbox.restart(), given_up);
            outbox.fill(&mut queue);
        }
        let texts: Vec<_> = written(&mut outbox).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, [b"after"]);
    }

    #[test]
    fn a_broker_that_answers_pings_alone_is_noticed() {
        let mut outbox = Outbox::default();
        let answered = |outbox: &mut Outbox| {
            outbox.ping();
            outbox.answered()
        };
        assert!((0..5).all(|_| answered(&mut outbox)), "nothing was sent");
        outbox.ping();
        outbox.send(publish("a"));
        assert!(outbox.answered(), "the ping was sent before");
        assert!(answered(&mut outbox));
        assert!(outbox.acknowledge(1));
        outbox.send(publish("b"));
        outbox.send(publish("c"));
        assert!(answered(&mut outbox), "another one is first by now");
        assert!(!answered(&mut outbox));
        outbox.restart();
        outbox.send(publish("b"));
        assert!(answered(&mut outbox), "another connection");
    }

    #[test]
    fn unacknowledged_publishes_are_bounded_and_ids_never_meet() {
        let (sender, mut queue) = mpsc::channel(100_000);
        for _ in 0..70_000 {
            sender.try_send(publish("x")).unwrap();
        }
        let mut outbox = Outbox::default();
        outbox.fill(&mut queue);
        outbox.bytes.clear();
        assert_eq!(outbox.pending(), WINDOW);
        // A broker that acknowledges all but the first.
        for id in 2..=u16::MAX {
            assert!(outbox.acknowledge(id), "{id}");
            outbox.fill(&mut queue);
            outbox.bytes.clear();
        }
        assert_eq!(outbox.pending(), 1, "the next id would be that of the first");
        assert!(!outbox.has_room());
        assert!(outbox.acknowledge(1));
        outbox.fill(&mut queue);
        assert_eq!(outbox.pending(), WINDOW);
    }

    #[test]
    fn large_messages_are_not_piled_up() {
        let (sender, mut queue) = mpsc::channel(10);
        for _ in 0..10 {
            sender.try_send(Publish::new("t", QoS::AtLeastOnce, vec![0; WRITE])).unwrap();
        }
        let mut outbox = Outbox::default();
        outbox.fill(&mut queue);
        assert!(outbox.bytes.len() < 2 * WRITE);
    }
}
