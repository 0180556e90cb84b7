//! Every packet that a connected client sends.

use super::properties::{self as property, Properties, Value};
use super::{DecodeError, Frame, QoS, Reader, Version};

const ALLOWED_IN_PUBLISH: &[u8] = &[
    property::PAYLOAD_FORMAT,
    property::MESSAGE_EXPIRY,
    property::CONTENT_TYPE,
    property::RESPONSE_TOPIC,
    property::CORRELATION_DATA,
    property::USER_PROPERTY,
];
const ALLOWED_IN_ACK: &[u8] = &[property::REASON_STRING, property::USER_PROPERTY];
const ALLOWED_IN_SUBSCRIBE: &[u8] = &[property::SUBSCRIPTION_ID, property::USER_PROPERTY];
const ALLOWED_IN_DISCONNECT: &[u8] =
    &[property::SESSION_EXPIRY, property::REASON_STRING, property::USER_PROPERTY];

/// A packet from a connected client, borrowed from the read buffer.
#[derive(Debug)]
pub(crate) enum Packet<'a> {
    Disconnect { with_will: bool },
    PingReq,
    PubAck { id: u16 },
    Publish(Publish<'a>),
    Subscribe { id: u16, subscription_id: Option<u32>, filters: Vec<SubscribeFilter<'a>> },
    Unsubscribe { id: u16, filters: Vec<&'a str> },
}

/// A message on its way in.
#[derive(Debug)]
pub(crate) struct Publish<'a> {
    /// Some exactly for QoS 1.
    pub(crate) id: Option<u16>,
    pub(crate) retain: bool,
    pub(crate) topic: &'a str,
    /// Encoded properties, empty for MQTT 3.1.1.
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

impl Publish<'_> {
    pub(crate) fn qos(&self) -> QoS {
        if self.id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce }
    }
}

/// One filter of a SUBSCRIBE, with its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SubscribeFilter<'a> {
    pub(crate) filter: &'a str,
    /// What is granted at most; a wish for QoS 2 is read as QoS 1.
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: RetainHandling,
}

/// When a subscription brings retained messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetainHandling {
    Always,
    IfNew,
    Never,
}

impl<'a> Packet<'a> {
    /// Decodes a packet of a client that speaks `version`.
    pub(crate) fn decode(frame: Frame<'a>, version: Version) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame.body);
        let packet = match (frame.first >> 4, frame.first & 0x0f) {
            (3, flags) => return publish(reader, flags, version).map(Self::Publish),
            (4, 0) => puback(&mut reader, version)?,
            (8, 2) => subscribe(&mut reader, version)?,
            (10, 2) => unsubscribe(&mut reader, version)?,
            (12, 0) => Self::PingReq,
            (14, 0) => disconnect(&mut reader, version)?,
            // PUBREC, PUBREL and PUBCOMP belong to QoS 2.
            (5, 0) | (6, 2) | (7, 0) => return Err(DecodeError::QosTwo),
            (4 | 5 | 6 | 7 | 8 | 10 | 12 | 14, flags) => return Err(DecodeError::Flags(flags)),
            (kind, _) => return Err(DecodeError::PacketType(kind)),
        };
        reader.finish()?;
        Ok(packet)
    }
}

fn publish<'a>(mut reader: Reader<'a>, flags: u8, version: Version) -> Result<Publish<'a>, DecodeError> {
    let topic = reader.text()?;
    let id = match (flags >> 1) & 3 {
        0 if flags & 0x08 != 0 => return Err(DecodeError::Flags(flags)),
        0 => None,
        1 => Some(reader.packet_id()?),
        2 => return Err(DecodeError::QosTwo),
        _ => return Err(DecodeError::QosThree),
    };
    let properties = match version {
        Version::V311 => &[],
        Version::V5 => Properties::read(&mut reader, ALLOWED_IN_PUBLISH)?.raw(),
    };
    Ok(Publish { id, retain: flags & 1 != 0, topic, properties, payload: reader.rest() })
}

fn puback<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Packet<'a>, DecodeError> {
    let id = reader.packet_id()?;
    if version == Version::V5 && !reader.is_empty() {
        reader.u8()?;
        if !reader.is_empty() {
            Properties::read(reader, ALLOWED_IN_ACK)?;
        }
    }
    Ok(Packet::PubAck { id })
}

fn subscribe<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Packet<'a>, DecodeError> {
    let id = reader.packet_id()?;
    let mut subscription_id = None;
    if version == Version::V5 {
        let properties = Properties::read(reader, ALLOWED_IN_SUBSCRIBE)?;
        if let Some(Value::Variable(number)) = properties.get(property::SUBSCRIPTION_ID) {
            subscription_id = Some(number);
        }
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        let filter = reader.text()?;
        filters.push(options(filter, reader.u8()?, version)?);
    }
    if filters.is_empty() {
        return Err(DecodeError::NoFilter);
    }
    Ok(Packet::Subscribe { id, subscription_id, filters })
}

fn options(filter: &str, bits: u8, version: Version) -> Result<SubscribeFilter<'_>, DecodeError> {
    let reserved = if version == Version::V5 { 0xc0 } else { 0xfc };
    if bits & reserved != 0 {
        return Err(DecodeError::SubscriptionOptions(bits));
    }
    let qos = match bits & 3 {
        0 => QoS::AtMostOnce,
        1 | 2 => QoS::AtLeastOnce,
        _ => return Err(DecodeError::QosThree),
    };
    let retain_handling = match (bits >> 4) & 3 {
        0 => RetainHandling::Always,
        1 => RetainHandling::IfNew,
        2 => RetainHandling::Never,
        _ => return Err(DecodeError::SubscriptionOptions(bits)),
    };
    let (no_local, retain_as_published) = (bits & 4 != 0, bits & 8 != 0);
    Ok(SubscribeFilter { filter, qos, no_local, retain_as_published, retain_handling })
}

fn unsubscribe<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Packet<'a>, DecodeError> {
    let id = reader.packet_id()?;
    if version == Version::V5 {
        Properties::read(reader, &[property::USER_PROPERTY])?;
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        filters.push(reader.text()?);
    }
    if filters.is_empty() { Err(DecodeError::NoFilter) } else { Ok(Packet::Unsubscribe { id, filters }) }
}

fn disconnect<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Packet<'a>, DecodeError> {
    if version == Version::V311 || reader.is_empty() {
        return Ok(Packet::Disconnect { with_will: false });
    }
    let with_will = reader.u8()? != 0;
    if !reader.is_empty() {
        Properties::read(reader, ALLOWED_IN_DISCONNECT)?;
    }
    Ok(Packet::Disconnect { with_will })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Connect, frame};
    use super::*;

    fn decode(packet: &[u8], version: Version) -> Result<Packet<'_>, DecodeError> {
        Packet::decode(frame(packet, 1 << 20).unwrap().unwrap(), version)
    }

    #[test]
    fn publishes_are_read() {
        let Packet::Publish(publish) = decode(b"\x33\x07\x00\x01t\x00\x09hi", Version::V311).unwrap() else {
            panic!("not a publish")
        };
        assert_eq!((publish.topic, publish.id, publish.retain), ("t", Some(9), true));
        assert_eq!(publish.payload, b"hi");
        let Packet::Publish(publish) = decode(b"\x30\x07\x00\x01t\x02\x01\x01x", Version::V5).unwrap() else {
            panic!("not a publish")
        };
        assert_eq!((publish.properties, publish.payload), (&[1, 1][..], &b"x"[..]));
    }

    #[test]
    fn quality_two_is_refused() {
        assert_eq!(decode(b"\x34\x05\x00\x01t\x00\x01", Version::V311).unwrap_err(), DecodeError::QosTwo);
        assert_eq!(decode(b"\x36\x05\x00\x01t\x00\x01", Version::V5).unwrap_err(), DecodeError::QosThree);
        assert_eq!(decode(b"\x62\x02\x00\x01", Version::V311).unwrap_err(), DecodeError::QosTwo);
    }

    #[test]
    fn subscriptions_carry_identifier_and_options() {
        let packet = b"\x82\x09\x00\x01\x02\x0b\x07\x00\x01a\x2d";
        let Packet::Subscribe { id, subscription_id, filters } = decode(packet, Version::V5).unwrap() else {
            panic!("not a subscribe")
        };
        assert_eq!((id, subscription_id), (1, Some(7)));
        let expected = SubscribeFilter {
            filter: "a",
            qos: QoS::AtLeastOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::Never,
        };
        assert_eq!(filters, [expected]);
        assert!(decode(b"\x82\x02\x00\x01", Version::V311).is_err());
        assert!(decode(b"\x80\x06\x00\x01\x00\x01a\x00", Version::V311).is_err());
    }

    #[test]
    fn a_disconnect_of_one_byte_is_one() {
        assert!(matches!(decode(b"\xe0\x01\x04", Version::V5), Ok(Packet::Disconnect { with_will: true })));
        assert!(matches!(decode(b"\xe0\x00", Version::V5), Ok(Packet::Disconnect { with_will: false })));
        assert!(decode(b"\xe0\x01\x00", Version::V311).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(mut bytes: Vec<u8>, kind in 1_u8..=15, five: bool) {
            let version = if five { Version::V5 } else { Version::V311 };
            bytes.insert(0, u8::try_from(bytes.len() % 128).unwrap());
            bytes.insert(0, kind << 4 | if matches!(kind, 6 | 8 | 10) { 2 } else { 0 });
            if let Ok(Some(found)) = frame(&bytes, 1 << 20) {
                let _ = Packet::decode(found, version);
                let _ = Connect::decode(found);
            }
        }
    }
}
