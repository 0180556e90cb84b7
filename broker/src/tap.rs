//! An observer of everything that is published, for the demonstration and for tests of what leaks.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::codec::QoS;
use crate::counters::{Counters, bump};
use crate::message::Message;

/// One accepted PUBLISH as the broker sees it.
#[derive(Debug, Clone)]
pub struct TapEvent {
    /// When the broker accepted it.
    pub at: Instant,
    /// The client id of its publisher.
    pub client: Arc<str>,
    /// Its topic: ASCII.
    pub topic: Bytes,
    /// Its payload.
    pub payload: Bytes,
    /// Whether the publisher asked to retain it.
    pub retain: bool,
    /// The quality it was published with.
    pub qos: QoS,
}

/// Where tap events go. An observer that is too slow misses some; they are counted.
pub type Tap = mpsc::Sender<TapEvent>;

pub(crate) fn observe(tap: Option<&Tap>, client: &Arc<str>, message: &Message, counters: &Counters) {
    let Some(tap) = tap else { return };
    let event = TapEvent {
        at: Instant::now(),
        client: client.clone(),
        topic: message.topic_bytes(),
        payload: message.payload_bytes(),
        retain: message.retain(),
        qos: message.qos(),
    };
    if tap.try_send(event).is_err() {
        bump(&counters.dropped_tap_events);
    }
}
