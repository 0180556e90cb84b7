//! Bytes from the broker, cut into packets.

use bytes::{Buf, BytesMut};
use rumqttc::mqttbytes::v4::Packet;
use rumqttc::mqttbytes::{self, Error};

/// How many bytes one read may bring.
const READ: usize = 16 << 10;
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
        let Some(pkid) = publish_id(&self.buffer) else { return Ok(None) };
        self.skip = length;
        Ok(Some(Received::Oversized { pkid: (first & 0b0110 != 0).then_some(pkid) }))
    }
}

/// The two bytes after a PUBLISH's topic; `None` if they are not here yet.
fn publish_id(packet: &[u8]) -> Option<u16> {
    let digits = packet.get(1..)?.iter().take(4).position(|b| b & 0x80 == 0)?;
    let rest = packet.get(2 + digits..)?;
    let topic = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
    let id = rest.get(2 + topic..4 + topic)?;
    Some(u16::from_be_bytes([id[0], id[1]]))
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
}
