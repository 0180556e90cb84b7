//! The properties of MQTT 5 packets.

use super::{DecodeError, Reader};

pub(crate) const PAYLOAD_FORMAT: u8 = 0x01;
pub(crate) const MESSAGE_EXPIRY: u8 = 0x02;
pub(crate) const CONTENT_TYPE: u8 = 0x03;
pub(crate) const RESPONSE_TOPIC: u8 = 0x08;
pub(crate) const CORRELATION_DATA: u8 = 0x09;
pub(crate) const SUBSCRIPTION_ID: u8 = 0x0B;
pub(crate) const SESSION_EXPIRY: u8 = 0x11;
pub(crate) const ASSIGNED_CLIENT_ID: u8 = 0x12;
pub(crate) const SERVER_KEEP_ALIVE: u8 = 0x13;
pub(crate) const AUTHENTICATION_METHOD: u8 = 0x15;
pub(crate) const AUTHENTICATION_DATA: u8 = 0x16;
pub(crate) const REQUEST_PROBLEM_INFO: u8 = 0x17;
pub(crate) const WILL_DELAY: u8 = 0x18;
pub(crate) const REQUEST_RESPONSE_INFO: u8 = 0x19;
pub(crate) const REASON_STRING: u8 = 0x1F;
pub(crate) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(crate) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub(crate) const TOPIC_ALIAS: u8 = 0x23;
pub(crate) const MAXIMUM_QOS: u8 = 0x24;
pub(crate) const USER_PROPERTY: u8 = 0x26;
pub(crate) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
pub(crate) const SHARED_SUBSCRIPTION_AVAILABLE: u8 = 0x2A;

/// The value of a property, as far as the broker looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Binary(&'a [u8]),
    Byte(u8),
    Four(u32),
    Pair,
    Text(&'a str),
    Two(u16),
    Variable(u32),
}

/// The properties of one packet: known ones, allowed in that packet, none twice but user properties.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Properties<'a>(&'a [u8]);

impl<'a> Properties<'a> {
    /// Reads the length and all properties; only those in `allowed` may occur.
    pub(crate) fn read(reader: &mut Reader<'a>, allowed: &[u8]) -> Result<Self, DecodeError> {
        let len = reader.variable()?;
        let properties = Self(reader.take(len as usize)?);
        let mut seen: u64 = 0;
        let mut rest = Reader::new(properties.0);
        while !rest.is_empty() {
            let (id, _) = property(&mut rest)?;
            if !allowed.contains(&id) {
                return Err(if id == TOPIC_ALIAS {
                    DecodeError::TopicAlias
                } else {
                    DecodeError::Property(id)
                });
            }
            let bit = 1_u64 << (id & 0x3f);
            if id != USER_PROPERTY && seen & bit != 0 {
                return Err(DecodeError::DuplicateProperty(id));
            }
            seen |= bit;
        }
        Ok(properties)
    }

    /// The properties as they were received, without their length.
    pub(crate) fn raw(self) -> &'a [u8] {
        self.0
    }

    /// The value of property `id`.
    pub(crate) fn get(self, id: u8) -> Option<Value<'a>> {
        self.iter().find(|(found, ..)| *found == id).map(|(_, value, _)| value)
    }

    /// The encoded properties except `id`.
    pub(crate) fn without(self, id: u8) -> Vec<u8> {
        self.iter().filter(|(found, ..)| *found != id).flat_map(|(.., raw)| raw.iter().copied()).collect()
    }

    fn iter(self) -> impl Iterator<Item = (u8, Value<'a>, &'a [u8])> {
        let mut rest = Reader::new(self.0);
        let whole = self.0;
        std::iter::from_fn(move || {
            let start = whole.len() - rest.len();
            let (id, value) = property(&mut rest).ok()?;
            Some((id, value, &whole[start..whole.len() - rest.len()]))
        })
    }
}

/// The message expiry interval among the encoded properties of a PUBLISH: its offset and its seconds.
pub(crate) fn message_expiry(raw: &[u8]) -> Option<(usize, u32)> {
    let mut offset = 0;
    for (id, value, encoded) in Properties(raw).iter() {
        if let (MESSAGE_EXPIRY, Value::Four(seconds)) = (id, value) {
            return Some((offset + 1, seconds));
        }
        offset += encoded.len();
    }
    None
}

fn property<'a>(reader: &mut Reader<'a>) -> Result<(u8, Value<'a>), DecodeError> {
    let id = reader.u8()?;
    let value = match id {
        PAYLOAD_FORMAT | REQUEST_PROBLEM_INFO | REQUEST_RESPONSE_INFO => match reader.u8()? {
            flag @ 0..=1 => Value::Byte(flag),
            _ => return Err(DecodeError::PropertyValue(id)),
        },
        RECEIVE_MAXIMUM | TOPIC_ALIAS => match reader.u16()? {
            0 => return Err(DecodeError::PropertyValue(id)),
            number => Value::Two(number),
        },
        TOPIC_ALIAS_MAXIMUM => Value::Two(reader.u16()?),
        MAXIMUM_PACKET_SIZE => match reader.u32()? {
            0 => return Err(DecodeError::PropertyValue(id)),
            number => Value::Four(number),
        },
        MESSAGE_EXPIRY | SESSION_EXPIRY | WILL_DELAY => Value::Four(reader.u32()?),
        SUBSCRIPTION_ID => match reader.variable()? {
            0 => return Err(DecodeError::PropertyValue(id)),
            number => Value::Variable(number),
        },
        AUTHENTICATION_METHOD | CONTENT_TYPE | REASON_STRING | RESPONSE_TOPIC => Value::Text(reader.text()?),
        AUTHENTICATION_DATA | CORRELATION_DATA => Value::Binary(reader.binary()?),
        USER_PROPERTY => {
            reader.text()?;
            reader.text()?;
            Value::Pair
        }
        unknown => return Err(DecodeError::Property(unknown)),
    };
    Ok((id, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_checked_one_by_one() {
        let read = |bytes: &[u8], allowed: &[u8]| {
            Properties::read(&mut Reader::new(bytes), allowed).map(|p| p.raw().to_vec())
        };
        assert_eq!(read(&[0], &[]), Ok(vec![]));
        assert_eq!(read(&[2, PAYLOAD_FORMAT, 1], &[PAYLOAD_FORMAT]), Ok(vec![PAYLOAD_FORMAT, 1]));
        assert_eq!(
            read(&[2, PAYLOAD_FORMAT, 2], &[PAYLOAD_FORMAT]),
            Err(DecodeError::PropertyValue(PAYLOAD_FORMAT))
        );
        assert_eq!(read(&[2, PAYLOAD_FORMAT, 1], &[]), Err(DecodeError::Property(PAYLOAD_FORMAT)));
        assert_eq!(
            read(&[4, PAYLOAD_FORMAT, 1, PAYLOAD_FORMAT, 1], &[PAYLOAD_FORMAT]),
            Err(DecodeError::DuplicateProperty(PAYLOAD_FORMAT))
        );
        assert_eq!(read(&[3, TOPIC_ALIAS, 0, 1], &[]), Err(DecodeError::TopicAlias));
        assert_eq!(read(&[9, PAYLOAD_FORMAT, 1], &[PAYLOAD_FORMAT]), Err(DecodeError::Truncated));
    }

    #[test]
    fn the_expiry_interval_is_found_behind_others() {
        let raw = [PAYLOAD_FORMAT, 1, MESSAGE_EXPIRY, 0, 0, 1, 0];
        assert_eq!(message_expiry(&raw), Some((3, 256)));
        assert_eq!(message_expiry(&raw[..2]), None);
    }
}
