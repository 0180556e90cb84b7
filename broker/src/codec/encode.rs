//! Every packet that the broker sends, appended to a write buffer.

use super::{Version, properties as property, reason};

/// The answer to CONNECT.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnAck<'a> {
    /// A reason code of MQTT 5; for MQTT 3.1.1 the nearest return code is sent.
    pub(crate) reason: u8,
    /// The client id that the broker chose, where the client left it open.
    pub(crate) assigned_client_id: Option<&'a str>,
    /// The keep alive that the client has to use instead of its own, in seconds.
    pub(crate) keep_alive: Option<u16>,
    /// The longest packet that the broker takes, in bytes.
    pub(crate) max_packet: u32,
}

/// A message on its way out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    /// Some for QoS 1.
    pub(crate) id: Option<u16>,
    pub(crate) retain: bool,
    pub(crate) topic: &'a str,
    pub(crate) subscription_id: Option<u32>,
    pub(crate) properties: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// Appends a CONNACK.
pub(crate) fn connack(out: &mut Vec<u8>, version: Version, answer: ConnAck<'_>) {
    if version == Version::V311 {
        out.extend([0x20, 2, 0, return_code(answer.reason)]);
        return;
    }
    let mut properties = Vec::new();
    if answer.reason == reason::SUCCESS {
        properties.extend([property::SESSION_EXPIRY, 0, 0, 0, 0]);
        properties.extend([property::MAXIMUM_QOS, 1, property::SHARED_SUBSCRIPTION_AVAILABLE, 0]);
        properties.push(property::MAXIMUM_PACKET_SIZE);
        properties.extend(answer.max_packet.to_be_bytes());
        if let Some(id) = answer.assigned_client_id {
            properties.push(property::ASSIGNED_CLIENT_ID);
            text(&mut properties, id);
        }
        if let Some(seconds) = answer.keep_alive {
            properties.push(property::SERVER_KEEP_ALIVE);
            properties.extend(seconds.to_be_bytes());
        }
    }
    out.push(0x20);
    variable(out, 2 + variable_len(properties.len()) + properties.len());
    out.extend([0, answer.reason]);
    variable(out, properties.len());
    out.extend(properties);
}

/// Appends a PUBLISH, unless it would be longer than `max` bytes: then nothing is written.
#[must_use]
pub(crate) fn publish(out: &mut Vec<u8>, version: Version, message: Outgoing<'_>, max: u32) -> bool {
    let mut remaining = 2 + message.topic.len() + message.payload.len();
    let mut properties = 0;
    if message.id.is_some() {
        remaining += 2;
    }
    if version == Version::V5 {
        properties =
            message.properties.len() + message.subscription_id.map_or(0, |id| 1 + variable_len(id as usize));
        remaining += variable_len(properties) + properties;
    }
    let whole = 1 + variable_len(remaining) + remaining;
    if whole as u64 > u64::from(max) {
        return false;
    }
    out.reserve(whole);
    out.push(0x30 | u8::from(message.retain) | if message.id.is_some() { 2 } else { 0 });
    variable(out, remaining);
    text(out, message.topic);
    if let Some(id) = message.id {
        out.extend(id.to_be_bytes());
    }
    if version == Version::V5 {
        variable(out, properties);
        if let Some(id) = message.subscription_id {
            out.push(property::SUBSCRIPTION_ID);
            variable(out, id as usize);
        }
        out.extend_from_slice(message.properties);
    }
    out.extend_from_slice(message.payload);
    true
}

/// Appends a PUBACK; MQTT 3.1.1 can't carry the reason.
pub(crate) fn puback(out: &mut Vec<u8>, version: Version, id: u16, why: u8) {
    let [high, low] = id.to_be_bytes();
    match version {
        Version::V5 if why != reason::SUCCESS => out.extend([0x40, 3, high, low, why]),
        _ => out.extend([0x40, 2, high, low]),
    }
}

/// Appends a SUBACK. `grants`: 0, 1 or a reason of MQTT 5 (0x80 and above).
pub(crate) fn suback(out: &mut Vec<u8>, version: Version, id: u16, grants: &[u8]) {
    acks(out, version, 0x90, id, grants.len());
    out.extend(grants.iter().map(|&grant| if version == Version::V311 { grant.min(0x80) } else { grant }));
}

/// Appends an UNSUBACK; MQTT 3.1.1 can't carry the reasons.
pub(crate) fn unsuback(out: &mut Vec<u8>, version: Version, id: u16, reasons: &[u8]) {
    let reasons = if version == Version::V5 { reasons } else { &[] };
    acks(out, version, 0xB0, id, reasons.len());
    out.extend(reasons);
}

/// Appends a PINGRESP.
pub(crate) fn pingresp(out: &mut Vec<u8>) {
    out.extend([0xD0, 0]);
}

/// Appends a DISCONNECT, which a server may send only in MQTT 5.
pub(crate) fn disconnect(out: &mut Vec<u8>, version: Version, why: u8) {
    if version == Version::V5 {
        out.extend([0xE0, 1, why]);
    }
}

fn acks(out: &mut Vec<u8>, version: Version, first: u8, id: u16, reasons: usize) {
    let properties = usize::from(version == Version::V5);
    out.push(first);
    variable(out, 2 + properties + reasons);
    out.extend(id.to_be_bytes());
    if version == Version::V5 {
        out.push(0);
    }
}

/// MQTT 3.1.1's nearest CONNACK return code.
fn return_code(why: u8) -> u8 {
    match why {
        reason::SUCCESS => 0,
        reason::UNSUPPORTED_PROTOCOL => 1,
        reason::CLIENT_ID_NOT_VALID => 2,
        reason::BAD_LOGIN => 4,
        reason::NOT_AUTHORIZED | reason::BAD_AUTHENTICATION_METHOD => 5,
        _ => 3,
    }
}

/// Texts were received behind a two-byte length, so that theirs fits one too.
fn text(out: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend(len.to_be_bytes());
    out.extend_from_slice(&text.as_bytes()[..usize::from(len)]);
}

fn variable(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

fn variable_len(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_either_version_are_byte_exact() {
        let answer =
            ConnAck { reason: 0, assigned_client_id: Some("a"), keep_alive: Some(60), max_packet: 256 };
        let bytes = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            write(&mut out);
            out
        };
        assert_eq!(bytes(&|out| connack(out, Version::V311, answer)), [0x20, 2, 0, 0]);
        let expected = [
            0x20, 24, 0, 0, 21, 0x11, 0, 0, 0, 0, 0x24, 1, 0x2A, 0, 0x27, 0, 0, 1, 0, 0x12, 0, 1, b'a', 0x13,
            0, 60,
        ];
        assert_eq!(bytes(&|out| connack(out, Version::V5, answer)), expected);
        assert_eq!(bytes(&|out| puback(out, Version::V311, 258, reason::NOT_AUTHORIZED)), [0x40, 2, 1, 2]);
        assert_eq!(
            bytes(&|out| puback(out, Version::V5, 258, reason::NOT_AUTHORIZED)),
            [0x40, 3, 1, 2, 0x87]
        );
        assert_eq!(bytes(&|out| suback(out, Version::V311, 1, &[1, 0x87])), [0x90, 4, 0, 1, 1, 0x80]);
        assert_eq!(bytes(&|out| suback(out, Version::V5, 1, &[1, 0x87])), [0x90, 5, 0, 1, 0, 1, 0x87]);
        assert_eq!(bytes(&|out| unsuback(out, Version::V311, 1, &[0])), [0xB0, 2, 0, 1]);
        assert_eq!(bytes(&|out| unsuback(out, Version::V5, 1, &[0])), [0xB0, 4, 0, 1, 0, 0]);
        assert_eq!(bytes(&|out| disconnect(out, Version::V5, 0x8B)), [0xE0, 1, 0x8B]);
        assert!(bytes(&|out| disconnect(out, Version::V311, 0x8B)).is_empty());
    }

    #[test]
    fn a_publish_carries_its_subscription_identifier_only_in_version_5() {
        let message = Outgoing {
            id: Some(5),
            retain: true,
            topic: "t",
            subscription_id: Some(200),
            properties: &[1, 1],
            payload: b"x",
        };
        let mut out = Vec::new();
        assert!(publish(&mut out, Version::V311, message, u32::MAX));
        assert_eq!(out, [0x33, 6, 0, 1, b't', 0, 5, b'x']);
        out.clear();
        assert!(publish(&mut out, Version::V5, message, u32::MAX));
        assert_eq!(out, [0x33, 12, 0, 1, b't', 0, 5, 5, 0x0B, 0xC8, 1, 1, 1, b'x']);
        out.clear();
        assert!(!publish(&mut out, Version::V5, message, 13));
        assert!(out.is_empty());
    }
}
