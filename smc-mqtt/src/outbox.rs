//! What was sent and may be wanted once more: a broker that restarts forgets what it had not yet delivered.

use std::collections::VecDeque;

use bytes::Bytes;
use smc_core::time::Timestamp;

use crate::connection::{PublishRefused, Publisher};

/// Sent messages until they expire, at most a given number of bytes; the oldest give way.
#[derive(Debug)]
pub struct Outbox {
    sent: VecDeque<Sent>,
    bytes: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Sent {
    expires: Timestamp,
    topic: String,
    payload: Bytes,
}

impl Outbox {
    /// Room for `max_bytes` of payload.
    pub fn new(max_bytes: usize) -> Self {
        Self { sent: VecDeque::new(), bytes: 0, max_bytes }
    }

    /// Sends a message and keeps it until `expires`.
    ///
    /// # Errors
    /// If it could not be sent now; it is kept all the same and goes out with [`Outbox::resend`].
    pub fn send(
        &mut self,
        publisher: &Publisher,
        now: Timestamp,
        expires: Timestamp,
        topic: String,
        payload: Bytes,
    ) -> Result<(), PublishRefused> {
        self.expire(now);
        let outcome = publisher.publish(topic.clone(), payload.clone(), false);
        self.bytes += payload.len();
        self.sent.push_back(Sent { expires, topic, payload });
        while self.bytes > self.max_bytes {
            self.drop_oldest();
        }
        outcome
    }

    /// Sends everything again that has not expired; receivers ignore exact duplicates. Returns how many could not be
    /// sent.
    pub fn resend(&mut self, publisher: &Publisher, now: Timestamp) -> usize {
        self.expire(now);
        let refused =
            |sent: &&Sent| publisher.publish(sent.topic.clone(), sent.payload.clone(), false).is_err();
        self.sent.iter().filter(refused).count()
    }

    fn expire(&mut self, now: Timestamp) {
        while self.sent.front().is_some_and(|oldest| oldest.expires <= now) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.sent.pop_front() {
            self.bytes -= oldest.payload.len();
        }
    }
}
