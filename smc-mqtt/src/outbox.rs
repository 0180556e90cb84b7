//! What was sent and may be wanted once more: a broker that restarts forgets what it had not yet delivered.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use smc_core::time::Timestamp;

use crate::connection::{PublishRefused, Publisher};

/// How often a receiver gets all of its messages again in one stretch of time: more often than anybody can connect
/// whose pauses are those of `connection`.
const RESENDS: u32 = 5;
const STRETCH: Duration = Duration::from_secs(1);

/// Sent messages until they expire, at most a given number of bytes; the oldest give way.
#[derive(Debug)]
pub struct Outbox {
    sent: VecDeque<Sent>,
    bytes: usize,
    max_bytes: usize,
    /// By topic, since when messages are counted that were asked for again, and how often that was so.
    asked: BTreeMap<String, (Instant, u32)>,
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
        Self { sent: VecDeque::new(), bytes: 0, max_bytes, asked: BTreeMap::new() }
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

    /// Sends again what went to `topic` and has not expired, as its receiver may have missed it: it has just
    /// connected, or this node has. Receivers ignore exact duplicates. At most five times a second, for a receiver could
    /// claim all the time that it has just connected. Returns how many could not be sent.
    pub fn resend(&mut self, publisher: &Publisher, now: Timestamp, topic: &str) -> usize {
        self.expire(now);
        if !self.may_resend(topic) {
            return 0;
        }
        let wanted = self.sent.iter().filter(|sent| sent.topic == topic);
        let refused =
            |sent: &&Sent| publisher.publish(sent.topic.clone(), sent.payload.clone(), false).is_err();
        wanted.filter(refused).count()
    }

    /// Callers name topics of the site file alone, so their number is bounded.
    fn may_resend(&mut self, topic: &str) -> bool {
        let (since, times) = self.asked.entry(topic.to_owned()).or_insert_with(|| (Instant::now(), 0));
        if since.elapsed() >= STRETCH {
            (*since, *times) = (Instant::now(), 0);
        }
        *times += 1;
        *times <= RESENDS
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_claims_to_come_back_all_the_time_is_not_believed() {
        let mut outbox = Outbox::new(100);
        let believed = (0..1_000).filter(|_| outbox.may_resend("murmur/hq/share/peer-1/room-1")).count();
        assert!((5..100).contains(&believed), "{believed}");
        assert!(outbox.may_resend("murmur/hq/share/peer-2/room-1"), "the others are");
    }
}
