//! CONNECT: who the client says it is and what it asks for.

use super::properties::{self as property, Properties, Value};
use super::{DecodeError, Frame, QoS, Reader, Version};
use smc_mqtt::password::Password;

const CONNECT: u8 = 0x10;
const CLEAN: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_QOS: u8 = 0x18;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

const ALLOWED: &[u8] = &[
    property::SESSION_EXPIRY,
    property::AUTHENTICATION_METHOD,
    property::AUTHENTICATION_DATA,
    property::REQUEST_PROBLEM_INFO,
    property::REQUEST_RESPONSE_INFO,
    property::RECEIVE_MAXIMUM,
    property::TOPIC_ALIAS_MAXIMUM,
    property::USER_PROPERTY,
    property::MAXIMUM_PACKET_SIZE,
];

const ALLOWED_IN_WILL: &[u8] = &[
    property::PAYLOAD_FORMAT,
    property::MESSAGE_EXPIRY,
    property::CONTENT_TYPE,
    property::RESPONSE_TOPIC,
    property::CORRELATION_DATA,
    property::WILL_DELAY,
    property::USER_PROPERTY,
];

/// What a client asks for when it connects.
#[derive(Debug)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    pub(crate) client_id: String,
    pub(crate) clean: bool,
    /// Seconds; 0 turns the check off.
    pub(crate) keep_alive: u16,
    pub(crate) will: Option<Will>,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<Password>,
    /// How many QoS 1 messages the client takes before it has acknowledged any.
    pub(crate) receive_maximum: u16,
    /// The longest packet that the client takes, in bytes.
    pub(crate) max_packet: u32,
    /// The client wants MQTT 5's extended authentication.
    pub(crate) extended_authentication: bool,
}

/// What is to be published when the client goes without a DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Encoded properties of the PUBLISH to be.
    pub(crate) properties: Vec<u8>,
}

impl Connect {
    /// Decodes a client's first packet.
    pub(crate) fn decode(frame: Frame<'_>) -> Result<Self, DecodeError> {
        if frame.first & 0xf0 != CONNECT {
            return Err(DecodeError::NotConnect);
        }
        if frame.first != CONNECT {
            return Err(DecodeError::Flags(frame.first));
        }
        let mut reader = Reader::new(frame.body);
        let version = version(&mut reader)?;
        let flags = reader.u8()?;
        if flags & 1 != 0 || (flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0) {
            return Err(DecodeError::Flags(flags));
        }
        let keep_alive = reader.u16()?;
        let properties = match version {
            Version::V311 => None,
            Version::V5 => Some(Properties::read(&mut reader, ALLOWED)?),
        };
        let get = |id| properties.and_then(|properties| properties.get(id));
        let receive_maximum =
            if let Some(Value::Two(most)) = get(property::RECEIVE_MAXIMUM) { most } else { u16::MAX };
        let max_packet =
            if let Some(Value::Four(most)) = get(property::MAXIMUM_PACKET_SIZE) { most } else { u32::MAX };
        let connect = Self {
            version,
            client_id: reader.text()?.to_owned(),
            clean: flags & CLEAN != 0,
            keep_alive,
            will: will(&mut reader, flags, version)?,
            user_name: if flags & USER_NAME != 0 { Some(reader.text()?.to_owned()) } else { None },
            password: if flags & PASSWORD != 0 { Some(Password::new(reader.binary()?)) } else { None },
            receive_maximum,
            max_packet,
            extended_authentication: get(property::AUTHENTICATION_METHOD).is_some(),
        };
        reader.finish()?;
        Ok(connect)
    }
}

fn version(reader: &mut Reader<'_>) -> Result<Version, DecodeError> {
    let name = reader.binary()?;
    let level = reader.u8()?;
    match (name, level) {
        (b"MQTT", 4) => Ok(Version::V311),
        (b"MQTT", 5) => Ok(Version::V5),
        (b"MQTT" | b"MQIsdp", level) => Err(DecodeError::UnsupportedProtocol(level)),
        _ => Err(DecodeError::NotConnect),
    }
}

fn will(reader: &mut Reader<'_>, flags: u8, version: Version) -> Result<Option<Will>, DecodeError> {
    if flags & WILL == 0 {
        return Ok(None);
    }
    let properties = match version {
        Version::V311 => Vec::new(),
        // The delay is about the will, not about its message, and sessions end with their connection, so
        // that the will is always due at once.
        Version::V5 => Properties::read(reader, ALLOWED_IN_WILL)?.without(property::WILL_DELAY),
    };
    let qos = match (flags & WILL_QOS) >> 3 {
        0 => QoS::AtMostOnce,
        // MQTT 3.1.1 has no way to say that QoS 2 is not offered; the will is published with QoS 1.
        1 => QoS::AtLeastOnce,
        2 if version == Version::V311 => QoS::AtLeastOnce,
        2 => return Err(DecodeError::QosTwo),
        _ => return Err(DecodeError::QosThree),
    };
    let topic = reader.text()?.to_owned();
    let payload = reader.binary()?.to_vec();
    Ok(Some(Will { topic, payload, qos, retain: flags & WILL_RETAIN != 0, properties }))
}

#[cfg(test)]
mod tests {
    use super::super::frame;
    use super::*;

    fn decode(packet: &[u8]) -> Result<Connect, DecodeError> {
        Connect::decode(frame(packet, 1000).unwrap().unwrap())
    }

    #[test]
    fn a_full_3_1_1_connect_is_read() {
        let packet =
            b"\x10\x24\x00\x04MQTT\x04\xee\x00\x3c\x00\x02id\x00\x01t\x00\x03off\x00\x04user\x00\x06secret";
        let connect = decode(packet).unwrap();
        assert_eq!(
            (connect.version, connect.client_id.as_str(), connect.keep_alive),
            (Version::V311, "id", 60)
        );
        let will = connect.will.unwrap();
        assert_eq!((will.topic.as_str(), will.payload.as_slice(), will.retain), ("t", &b"off"[..], true));
        assert_eq!(connect.user_name.as_deref(), Some("user"));
        assert_eq!(format!("{:?}", connect.password), "Some(<redacted>)");
    }

    #[test]
    fn a_version_5_connect_states_its_limits() {
        let packet = b"\x10\x15\x00\x04MQTT\x05\x02\x00\x0a\x08\x21\x00\x14\x27\x00\x00\x10\x00\x00\x00";
        let connect = decode(packet).unwrap();
        assert_eq!((connect.receive_maximum, connect.max_packet, connect.clean), (20, 4096, true));
    }

    #[test]
    fn other_protocols_and_broken_ones_are_told_apart() {
        let of_mqtt_3_1 = b"\x10\x10\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x02id";
        assert_eq!(decode(of_mqtt_3_1).unwrap_err(), DecodeError::UnsupportedProtocol(3));
        assert_eq!(
            decode(b"\x10\x0c\x00\x04HTTP\x04\x02\x00\x0a\x00\x00").unwrap_err(),
            DecodeError::NotConnect
        );
        assert_eq!(decode(b"\x30\x02\x00\x00").unwrap_err(), DecodeError::NotConnect);
        assert_eq!(
            decode(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x0a\x00\x00x").unwrap_err(),
            DecodeError::Excess
        );
        assert_eq!(decode(b"\x10\x0a\x00\x04MQTT\x04\x02\x00\x0a").unwrap_err(), DecodeError::Truncated);
    }
}
