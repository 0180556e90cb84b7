//! A message inside the broker: one shared allocation that passes through the router as a payload.

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{Publish, QoS, Will};

const RETAIN: u8 = 0x02;
const AT_LEAST_ONCE: u8 = 0x01;
/// Flags, origin, generation, topic length, properties length.
const HEADER: usize = 1 + 4 + 4 + 2 + 4;

/// Bytes of the name of a filter's inlet at the router, at most: a number.
pub(crate) const LONGEST_INLET: usize = 20;

/// Who published a message: the connection's number, or [`Origin::BROKER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin(pub(crate) u32);

impl Origin {
    /// The broker itself.
    pub(crate) const BROKER: Self = Self(0);
}

/// A valid message. Cloning it copies no bytes.
///
/// rumqttd hides a PUBLISH's QoS, charges its properties to nobody and does not know who published. So the
/// router gets all of it as an opaque payload: its logs are then bounded by what they really hold, and what
/// comes out is what went in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message(Bytes);

impl Message {
    /// Copies a received PUBLISH. Its topic must have passed [`crate::filter::is_topic`].
    pub(crate) fn received(publish: &Publish<'_>, origin: Origin) -> Self {
        let Publish { topic, properties, payload, retain, .. } = *publish;
        Self::build(topic, publish.qos(), retain, properties, payload, origin)
    }

    /// The message that a will asks for.
    pub(crate) fn of_will(will: &Will, origin: Origin) -> Self {
        Self::build(&will.topic, will.qos, will.retain, &will.properties, &will.payload, origin)
    }

    /// Lays a message out.
    pub(crate) fn build(
        topic: &str,
        qos: QoS,
        retain: bool,
        properties: &[u8],
        payload: &[u8],
        origin: Origin,
    ) -> Self {
        let mut bytes = BytesMut::with_capacity(HEADER + topic.len() + properties.len() + payload.len());
        let quality = if qos == QoS::AtLeastOnce { AT_LEAST_ONCE } else { 0 };
        bytes.put_u8(quality | if retain { RETAIN } else { 0 });
        bytes.put_u32(origin.0);
        bytes.put_u32(0);
        // Topics and properties come from packets whose lengths fit these fields.
        bytes.put_u16(u16::try_from(topic.len()).unwrap_or(u16::MAX));
        bytes.put_u32(u32::try_from(properties.len()).unwrap_or(u32::MAX));
        bytes.put_slice(topic.as_bytes());
        bytes.put_slice(properties);
        bytes.put_slice(payload);
        Self(bytes.freeze())
    }

    /// Reads back what [`Message::into_bytes`] gave.
    pub(crate) fn from_bytes(bytes: Bytes) -> Option<Self> {
        let message = Self(bytes);
        let (topic, properties) = message.lengths()?;
        let content = message.0.get(HEADER..)?;
        std::str::from_utf8(content.get(..topic)?).ok()?;
        content.get(topic..topic.checked_add(properties)?)?;
        Some(message)
    }

    /// The message as one piece.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The topic, sharing the message's memory.
    pub(crate) fn topic_bytes(&self) -> Bytes {
        let (topic, _) = self.lengths().unwrap_or_default();
        self.0.slice(HEADER..HEADER + topic)
    }

    /// The payload, sharing the message's memory.
    pub(crate) fn payload_bytes(&self) -> Bytes {
        let (topic, properties) = self.lengths().unwrap_or_default();
        self.0.slice(HEADER + topic + properties..)
    }

    pub(crate) fn topic(&self) -> &str {
        let (topic, _) = self.lengths().unwrap_or_default();
        std::str::from_utf8(&self.0[HEADER..HEADER + topic]).unwrap_or_default()
    }

    pub(crate) fn properties(&self) -> &[u8] {
        let (topic, properties) = self.lengths().unwrap_or_default();
        &self.0[HEADER + topic..HEADER + topic + properties]
    }

    pub(crate) fn payload(&self) -> &[u8] {
        let (topic, properties) = self.lengths().unwrap_or_default();
        &self.0[HEADER + topic + properties..]
    }

    pub(crate) fn qos(&self) -> QoS {
        if self.0[0] & AT_LEAST_ONCE != 0 { QoS::AtLeastOnce } else { QoS::AtMostOnce }
    }

    pub(crate) fn retain(&self) -> bool {
        self.0[0] & RETAIN != 0
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin(u32::from_be_bytes([self.0[1], self.0[2], self.0[3], self.0[4]]))
    }

    /// Which hubs were charged for the message on its way into the router; see [`crate::fanout`].
    pub(crate) fn generation(&self) -> u32 {
        u32::from_be_bytes([self.0[5], self.0[6], self.0[7], self.0[8]])
    }

    /// Notes the generation of hubs that are charged for the message. Copies it if it is shared.
    pub(crate) fn stamped(self, generation: u32) -> Self {
        let mut bytes = BytesMut::from(self.0);
        bytes[5..9].copy_from_slice(&generation.to_be_bytes());
        Self(bytes.freeze())
    }

    /// Bytes that the router counts for the message in a filter's log, or a few more.
    pub(crate) fn routed_len(&self) -> usize {
        4 + LONGEST_INLET + self.0.len()
    }

    /// Bytes that the message occupies.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Lengths of topic and properties.
    fn lengths(&self) -> Option<(usize, usize)> {
        let header = self.0.get(..HEADER)?;
        let topic = u16::from_be_bytes([header[9], header[10]]);
        let properties = u32::from_be_bytes([header[11], header[12], header[13], header[14]]);
        Some((usize::from(topic), properties as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out() {
        let message =
            Message::build("a/b", QoS::AtLeastOnce, true, &[1, 1], b"payload", Origin(7)).stamped(9);
        let back = Message::from_bytes(message.clone().into_bytes()).unwrap();
        assert_eq!((back.topic(), back.properties(), back.payload()), ("a/b", &[1, 1][..], &b"payload"[..]));
        assert_eq!((back.qos(), back.retain(), back.origin()), (QoS::AtLeastOnce, true, Origin(7)));
        assert_eq!(back.generation(), 9);
        assert_eq!(&back.topic_bytes()[..], b"a/b");
        assert_eq!(&back.payload_bytes()[..], b"payload");
    }

    #[test]
    fn torn_bytes_are_no_message() {
        let whole = Message::build("a/b", QoS::AtMostOnce, false, &[1, 1], b"", Origin::BROKER).into_bytes();
        for len in 0..whole.len() {
            assert_eq!(Message::from_bytes(whole.slice(..len)), None, "{len}");
        }
        assert!(Message::from_bytes(whole).is_some());
    }
}
