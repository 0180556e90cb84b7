//! MQTT 3.1.1 and 5 as a server reads and writes them.
//!
//! rumqttd's own codec is not used: it keeps a PUBLISH's QoS and packet id private, drops MQTT 5 properties
//! of an odd length, and writes a DISCONNECT one byte too long. Here every packet is decoded from one whole
//! frame, borrowed from the read buffer, and whatever is not exactly as the standards say is an error.

mod connect;
mod encode;
mod error;
mod packet;
mod properties;
mod reader;

pub(crate) use connect::{Connect, Will};
pub(crate) use encode::{
    ConnAck, Outgoing, connack, disconnect, pingresp, puback, publish, suback, unsuback,
};
pub(crate) use error::DecodeError;
pub(crate) use packet::{Packet, Publish, RetainHandling, SubscribeFilter};
pub(crate) use properties::message_expiry;

use reader::Reader;

/// The protocol that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.
    V5,
}

/// How surely a message is delivered. There is no `ExactlyOnce`: the broker neither takes nor grants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QoS {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce,
}

/// MQTT 5 reason codes that the broker sends.
pub(crate) mod reason {
    pub(crate) const SUCCESS: u8 = 0x00;
    pub(crate) const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
    pub(crate) const UNSPECIFIED: u8 = 0x80;
    pub(crate) const MALFORMED_PACKET: u8 = 0x81;
    pub(crate) const PROTOCOL_ERROR: u8 = 0x82;
    pub(crate) const UNSUPPORTED_PROTOCOL: u8 = 0x84;
    pub(crate) const CLIENT_ID_NOT_VALID: u8 = 0x85;
    pub(crate) const BAD_LOGIN: u8 = 0x86;
    pub(crate) const NOT_AUTHORIZED: u8 = 0x87;
    pub(crate) const SERVER_UNAVAILABLE: u8 = 0x88;
    pub(crate) const SERVER_SHUTTING_DOWN: u8 = 0x8B;
    pub(crate) const BAD_AUTHENTICATION_METHOD: u8 = 0x8C;
    pub(crate) const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
    pub(crate) const SESSION_TAKEN_OVER: u8 = 0x8E;
    pub(crate) const FILTER_INVALID: u8 = 0x8F;
    pub(crate) const TOPIC_INVALID: u8 = 0x90;
    pub(crate) const TOPIC_ALIAS_INVALID: u8 = 0x94;
    pub(crate) const PACKET_TOO_LARGE: u8 = 0x95;
    pub(crate) const QUOTA_EXCEEDED: u8 = 0x97;
    pub(crate) const QOS_NOT_SUPPORTED: u8 = 0x9B;
    pub(crate) const SHARED_SUBSCRIPTION_NOT_SUPPORTED: u8 = 0x9E;
}

/// One whole packet, still encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// Packet type and flags.
    pub(crate) first: u8,
    /// What follows the remaining length.
    pub(crate) body: &'a [u8],
    /// Bytes that the packet occupies in the buffer.
    pub(crate) len: usize,
}

/// The first packet in `buffer`, if all of it has arrived.
///
/// # Errors
/// A remaining length above `max` bytes, or one that is not a variable byte integer: said before the
/// packet's body is waited for.
pub(crate) fn frame(buffer: &[u8], max: usize) -> Result<Option<Frame<'_>>, DecodeError> {
    let mut reader = Reader::new(buffer);
    let Ok(first) = reader.u8() else { return Ok(None) };
    let remaining = match reader.variable() {
        Ok(remaining) => remaining as usize,
        Err(DecodeError::Truncated) => return Ok(None),
        Err(error) => return Err(error),
    };
    if remaining > max {
        return Err(DecodeError::TooLarge { len: remaining, max });
    }
    let header = buffer.len() - reader.len();
    Ok(reader.take(remaining).ok().map(|body| Frame { first, body, len: header + remaining }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_cut_only_when_it_is_whole() {
        assert!(frame(&[], 10).unwrap().is_none());
        assert!(frame(&[0x30], 10).unwrap().is_none());
        assert!(frame(&[0x30, 0x80], 10).unwrap().is_none());
        assert!(frame(&[0x30, 2, 7], 10).unwrap().is_none());
        let whole = frame(&[0x30, 2, 7, 8, 9], 10).unwrap().unwrap();
        assert_eq!((whole.first, whole.body, whole.len), (0x30, &[7, 8][..], 4));
    }

    #[test]
    fn a_giant_length_is_refused_before_its_body_arrives() {
        let claims_256_mb = [0x30, 0xff, 0xff, 0xff, 0x7f];
        assert!(matches!(frame(&claims_256_mb, 1 << 20), Err(DecodeError::TooLarge { .. })));
        let five_length_bytes = [0x30, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert!(matches!(frame(&five_length_bytes, 1 << 20), Err(DecodeError::VariableByteInteger)));
    }
}
