//! Bytes from the broker, cut into packets.

use bytes::{Buf, BytesMut};
use rumqttc::mqttbytes::v4::Packet;
use rumqttc::mqttbytes::{self, Error};

/// How many bytes one read may bring.
pub(super) const READ: usize = 16 << 10;
/// PUBLISH, QoS 1, as the upper bits of a packet's first byte.
const PUBLISH: u8 = 3;

/// The unread part of the stream.
#[derive(Debug)]
pub(super) struct Inbox {
    buffer: BytesMut,
    /// Bytes of an oversized packet still to be thrown away.
    skip: usize,
    max_packet: usize,
}

/// What the stream holds next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Packet(Packet),
    /// A PUBLISH beyond the limit: its payload is thrown away, its id (if it has one) wants an acknowledgement.
    Oversized {
        pkid: Option<u16>,
    },
}

impl Inbox {
    pub(super) fn new(max_packet: usize) -> Self {
        Self { buffer: BytesMut::new(), skip: 0, max_packet }
    }

    /// Where the next bytes go. Call [`Inbox::next`] until it is `None` before reading again.
    pub(super) fn space(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < READ / 4 {
            self.buffer.reserve(READ);
        }
        &mut self.buffer
    }

    /// The first unread byte.
    pub(super) fn peek(&self) -> Option<u8> {
        self.buffer.first().copied()
    }

    /// The next whole packet; `None` if more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<Received>, Error> {
        let skipped = self.skip.min(self.buffer.len());
        self.buffer.advance(skipped);
        self.skip -= skipped;
        match Packet::read(&mut self.buffer, self.max_packet) {
            Ok(packet) => Ok(Some(Received::Packet(packet))),
            Err(Error::InsufficientBytes(more)) => {
                self.buffer.reserve(more);
                Ok(None)
            }
            Err(Error::PayloadSizeLimitExceeded(_)) => self.oversized(),
            Err(error) => Err(error),
        }
    }

    /// Steps over a packet that is too large, once its head is here; anything but a PUBLISH is an error.
    fn oversized(&mut self) -> Result<Option<Received>, Error> {
        let head = mqttbytes::check(self.buffer.iter(), usize::MAX);
        let length = match head {
            Ok(header) => header.frame_length(),
            Err(Error::InsufficientBytes(more)) => self.buffer.len() + more,
            Err(error) => return Err(error),
        };
        let first = self.buffer[0];
        if first >> 4 != PUBLISH {
            return Err(Error::PayloadSizeLimitExceeded(length));
        }
        let Some(topic) = topic_end(&self.buffer) else { return Ok(None) };
        let has_id = first & 0b0110 != 0;
        let end = topic + if has_id { 2 } else { 0 };
        if end > length {
            // Its topic would reach into what follows.
            return Err(Error::MalformedPacket);
        }
        let Some(head) = self.buffer.get(..end) else { return Ok(None) };
        let pkid = has_id.then(|| u16::from_be_bytes([head[end - 2], head[end - 1]]));
        self.skip = length;
        Ok(Some(Received::Oversized { pkid }))
    }
}

/// Where a PUBLISH's topic ends; `None` if its length is not here yet.
fn topic_end(packet: &[u8]) -> Option<usize> {
    let digits = packet.get(1..)?.iter().take(4).position(|b| b & 0x80 == 0)?;
    let (length, _) = packet.get(2 + digits..)?.split_first_chunk()?;
    Some(2 + digits + 2 + usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rumqttc::mqttbytes::QoS;
    use rumqttc::mqttbytes::v4::Publish;

    fn publish(pkid: u16, size: usize) -> Packet {
        let mut publish = Publish::new("a/b", QoS::AtLeastOnce, vec![7; size]);
        publish.pkid = pkid;
        Packet::Publish(publish)
    }

    fn encode(packets: &[Packet]) -> BytesMut {
        let mut bytes = BytesMut::new();
        for packet in packets {
            packet.write(&mut bytes, usize::MAX).unwrap();
        }
        bytes
    }

    fn decode(stream: &[u8], chunk: usize, max: usize) -> Vec<Received> {
        let mut inbox = Inbox::new(max);
        let mut all = Vec::new();
        for part in stream.chunks(chunk) {
            inbox.space().extend_from_slice(part);
            while let Some(received) = inbox.next().unwrap() {
                all.push(received);
            }
        }
        all
    }

    proptest! {
        #[test]
        fn packets_are_found_however_the_stream_is_cut(
            sizes in prop::collection::vec(0usize..400, 1..20), chunk in 1usize..500, max in 50usize..450,
        ) {
            let packets: Vec<_> = (1..).zip(&sizes).map(|(pkid, size)| publish(pkid, *size)).collect();
            let expected: Vec<_> = (1..).zip(&sizes).map(|(pkid, size)| {
                // Topic and id take seven bytes.
                if size + 7 > max { Received::Oversized { pkid: Some(pkid) } }
                else { Received::Packet(publish(pkid, *size)) }
            }).collect();
            prop_assert_eq!(decode(&encode(&packets), chunk, max), expected);
        }

        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), chunk in 1usize..50) {
            let mut inbox = Inbox::new(64);
            for part in bytes.chunks(chunk) {
                inbox.space().extend_from_slice(part);
                loop {
                    match inbox.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => return Ok(()),
                    }
                }
            }
        }
    }

    #[test]
    fn an_oversized_packet_is_not_buffered() {
        let mut inbox = Inbox::new(1000);
        let stream = encode(&[publish(9, 3_000_000), Packet::PingResp]);
        let mut all = Vec::new();
        for part in stream.chunks(10_000) {
            inbox.space().extend_from_slice(part);
            while let Some(received) = inbox.next().unwrap() {
                all.push(received);
            }
            assert!(inbox.buffer.capacity() < 100_000, "{}", inbox.buffer.capacity());
        }
        assert_eq!(all, [Received::Oversized { pkid: Some(9) }, Received::Packet(Packet::PingResp)]);
    }
    /// A PUBLISH with a topic that claims to have `topic` bytes, cut or filled up to `length` bytes after its header.
    fn titled(first: u8, topic: u16, length: usize) -> Vec<u8> {
        let digits = [(length as u8 & 0x7f) | 0x80, (length >> 7) as u8];
        let mut packet = vec![first, digits[0], digits[1]];
        packet.extend(topic.to_be_bytes());
        packet.resize(3 + length, b't');
        packet
    }

    #[test]
    fn an_oversized_packet_that_is_all_topic_waits_for_nothing_more() {
        let mut inbox = Inbox::new(1000);
        inbox.space().extend_from_slice(&titled(0x30, 1998, 2000));
        assert_eq!(inbox.next().unwrap(), Some(Received::Oversized { pkid: None }));
        assert_eq!(inbox.next().unwrap(), None);
        assert!(inbox.buffer.is_empty());
    }

    #[test]
    fn an_oversized_packet_whose_topic_reaches_beyond_its_end_is_an_error() {
        for (first, topic) in [(0x30, 1999), (0x32, 1997), (0x32, 1998), (0x32, u16::MAX)] {
            let mut inbox = Inbox::new(1000);
            inbox.space().extend_from_slice(&titled(first, topic, 2000));
            assert!(matches!(inbox.next(), Err(Error::MalformedPacket)), "{topic}");
        }
    }
}
