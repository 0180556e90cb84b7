//! A door for the targets in `fuzz/`, to decoders that are nobody else's business. What does not hold, panics.
#![allow(clippy::panic, reason = "a target says no by panicking")]

use std::collections::HashMap;
use std::path::Path;

use bytes::Bytes;

use crate::codec::{self, Connect, Outgoing, Packet, Publish, Version};
use crate::message::{Message, Origin};
use crate::retained;
use crate::server::BrokerConfig;
use crate::settings::{Settings, SettingsError};

/// Reads `stream` as all that a client sends: CONNECT, then packets of the version that it asked for. Returns how many
/// packets there were before one was refused or incomplete.
pub fn packets(mut stream: &[u8], max: usize) -> usize {
    let mut version = None;
    let mut count = 0;
    while let Ok(Some(frame)) = codec::frame(stream, max) {
        assert!(frame.len <= stream.len() && frame.body.len() <= max);
        assert!(matches!(codec::frame(&stream[..frame.len - 1], max), Ok(None)), "a packet without its end");
        version = match version {
            None => Connect::decode(frame).map(|connect| connected(&connect)).ok(),
            Some(version) => match Packet::decode(frame, version) {
                Ok(Packet::Publish(publish)) => {
                    published(&publish, version);
                    Some(version)
                }
                Ok(_) => Some(version),
                Err(_) => None,
            },
        };
        if version.is_none() {
            break;
        }
        (count, stream) = (count + 1, &stream[frame.len..]);
    }
    count
}

fn connected(connect: &Connect) -> Version {
    if let Some(will) = &connect.will {
        let message = Message::of_will(will, Origin::BROKER);
        assert_eq!((message.topic(), message.payload()), (&will.topic[..], &will.payload[..]));
        assert_eq!((message.qos(), message.retain()), (will.qos, will.retain));
        assert_eq!(message.properties(), will.properties);
        assert_eq!(Message::from_bytes(message.clone().into_bytes()), Some(message));
    }
    connect.version
}

/// What came in goes out as it was, and has an expiry where it says.
fn published(publish: &Publish<'_>, version: Version) {
    let message = Message::received(publish, Origin::BROKER);
    let back = Message::from_bytes(message.clone().into_bytes());
    assert_eq!(back.as_ref(), Some(&message));
    assert_eq!((message.topic(), message.payload()), (publish.topic, publish.payload));
    assert_eq!(message.properties(), publish.properties);
    if let Some((at, seconds)) = codec::message_expiry(publish.properties) {
        assert_eq!(publish.properties.get(at..at + 4), Some(&seconds.to_be_bytes()[..]));
    }
    let Publish { id, retain, topic, properties, payload } = *publish;
    let outgoing = Outgoing { id, retain, topic, subscription_id: None, properties, payload };
    let mut bytes = Vec::new();
    assert!(codec::publish(&mut bytes, version, outgoing, u32::MAX));
    let Ok(Some(frame)) = codec::frame(&bytes, bytes.len()) else { panic!("{bytes:?} is no packet") };
    assert_eq!(frame.len, bytes.len());
    let Ok(Packet::Publish(again)) = Packet::decode(frame, version) else { panic!("{bytes:?}") };
    assert_eq!((again.id, again.retain, again.topic), (id, retain, topic));
    assert_eq!((again.properties, again.payload), (properties, payload));
}

/// Reads `bytes` as a message that was kept inside the broker, and as the file of retained messages. Returns how many
/// records the file has before it is torn.
pub fn retained(bytes: &[u8]) -> usize {
    if let Some(message) = Message::from_bytes(Bytes::copy_from_slice(bytes)) {
        let parts = (message.topic().len(), message.properties().len(), message.payload().len());
        assert!(parts.0 + parts.1 + parts.2 < bytes.len());
        assert_eq!((message.topic_bytes().len(), message.payload_bytes().len()), (parts.0, parts.2));
        let _ = (message.qos(), message.retain(), message.origin(), message.generation());
    }
    retained::fuzz(bytes)
}

/// Reads `text` as the broker's configuration file.
///
/// # Errors
/// Those of the broker.
pub fn settings(text: &str) -> Result<BrokerConfig, SettingsError> {
    Settings::parse(Path::new("broker.toml"), text, HashMap::new())
}
