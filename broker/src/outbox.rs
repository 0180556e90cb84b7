//! What waits for one connection to be sent.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::codec::QoS;
use crate::message::Message;

/// Room that an emptied queue may keep.
const KEPT: usize = 64;

/// One message for one connection.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) message: Message,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) subscription_id: Option<u32>,
}

/// A bounded queue between the fan-out and one connection. What finds no room is for the caller to count.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
}

impl Outbox {
    pub(crate) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { queue: Mutex::default(), filled: Notify::new(), max_messages, max_bytes }
    }

    /// Appends deliveries and wakes the connection. Returns how many found no room.
    pub(crate) fn push(&self, deliveries: impl Iterator<Item = Delivery>) -> u64 {
        let mut refused = 0;
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = queue.deliveries.is_empty();
        for delivery in deliveries {
            let bytes = queue.bytes + delivery.message.len();
            if queue.deliveries.len() >= self.max_messages || bytes > self.max_bytes {
                refused += 1;
                continue;
            }
            queue.bytes = bytes;
            queue.deliveries.push_back(delivery);
        }
        if was_empty && !queue.deliveries.is_empty() {
            self.filled.notify_one();
        }
        refused
    }

    /// Takes deliveries from the front while `wanted` says so.
    pub(crate) fn take_while(&self, mut wanted: impl FnMut(&Delivery) -> bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(delivery) = queue.deliveries.front() {
            if !wanted(delivery) {
                return;
            }
            queue.bytes -= delivery.message.len();
            queue.deliveries.pop_front();
        }
        if queue.deliveries.capacity() > KEPT {
            queue.deliveries = VecDeque::new();
        }
    }

    /// Returns when something was appended to the empty queue since the last call.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Origin;

    fn delivery(payload: &[u8]) -> Delivery {
        let message = Message::build("t", QoS::AtMostOnce, false, &[], payload, Origin(1));
        Delivery { message, qos: QoS::AtMostOnce, retain: false, subscription_id: None }
    }

    #[test]
    fn the_queue_is_bounded_in_messages_and_bytes() {
        let by_count = Outbox::new(2, 1 << 20);
        assert_eq!(by_count.push((0..5).map(|_| delivery(b"x"))), 3);
        let by_bytes = Outbox::new(100, 250);
        assert_eq!(by_bytes.push((0..5).map(|_| delivery(&[0; 100]))), 3);
        by_bytes.take_while(|_| true);
        assert_eq!(by_bytes.push((0..2).map(|_| delivery(&[0; 100]))), 0);
    }

    #[tokio::test]
    async fn filling_wakes() {
        let outbox = Outbox::new(10, 1 << 20);
        outbox.push(std::iter::once(delivery(b"x")));
        outbox.filled().await;
        let mut taken = 0;
        outbox.take_while(|_| {
            taken += 1;
            true
        });
        assert_eq!(taken, 1);
    }
}
