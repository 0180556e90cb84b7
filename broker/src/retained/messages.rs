//! The retained messages in memory.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::log::Record;
use crate::codec::message_expiry;
use crate::counters::Counters;
use crate::filter::Filter;
use crate::limits::Limits;
use crate::message::{Message, Origin};

/// The newest message of each topic, bounded in number and bytes.
#[derive(Debug)]
pub(crate) struct Messages {
    by_topic: BTreeMap<String, Kept>,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
}

/// A retained message and when it came, in seconds of Unix time.
#[derive(Debug, Clone)]
struct Kept {
    message: Message,
    since: u64,
}

impl Messages {
    pub(crate) fn new(limits: &Limits) -> Self {
        let (max_messages, max_bytes) = (limits.retained_messages, limits.retained_bytes);
        Self { by_topic: BTreeMap::new(), bytes: 0, max_messages, max_bytes }
    }

    /// Those that `filter` matches, as they are to be sent at `now`.
    pub(crate) fn matching(&self, filter: &Filter, now: u64) -> Vec<Message> {
        if !filter.as_str().contains(['+', '#']) {
            return self.by_topic.get(filter.as_str()).and_then(|kept| kept.at(now)).into_iter().collect();
        }
        let matching = self.by_topic.iter().filter(|(topic, _)| filter.matches(topic));
        matching.filter_map(|(_, kept)| kept.at(now)).collect()
    }

    /// Applies a record; false if there is no room for it.
    pub(crate) fn apply(&mut self, record: Record) -> bool {
        let old = self.by_topic.get(record.topic()).map_or(0, Kept::cost);
        let Record::Keep { message, since } = record else {
            self.by_topic.remove(record.topic());
            self.bytes -= old;
            return true;
        };
        let topic = message.topic().to_owned();
        let kept = Kept { message, since };
        let bytes = self.bytes - old + kept.cost();
        let room = old > 0 || self.by_topic.len() < self.max_messages;
        if !room || bytes > self.max_bytes {
            return false;
        }
        self.bytes = bytes;
        self.by_topic.insert(topic, kept);
        true
    }

    /// Bytes that they are charged with.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn count(&self, counters: &Counters) {
        counters.retained.store(self.by_topic.len() as u64, Ordering::Relaxed);
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let record = |kept: &Kept| Record::Keep { message: kept.message.clone(), since: kept.since };
        self.by_topic.values().map(record).collect()
    }
}

impl Kept {
    /// Bytes that it is charged with: more than nothing, whatever its payload.
    fn cost(&self) -> usize {
        self.message.len() + self.message.topic().len()
    }

    /// The message as it is to be sent at `now`; none if it has expired.
    fn at(&self, now: u64) -> Option<Message> {
        let Some((offset, seconds)) = message_expiry(self.message.properties()) else {
            return Some(self.message.clone());
        };
        let age = u32::try_from(now.saturating_sub(self.since)).unwrap_or(u32::MAX);
        let left = seconds.checked_sub(age).filter(|&left| left > 0)?;
        let message = &self.message;
        let mut properties = message.properties().to_vec();
        properties.get_mut(offset..offset + 4)?.copy_from_slice(&left.to_be_bytes());
        let (topic, payload) = (message.topic(), message.payload());
        Some(Message::build(topic, message.qos(), true, &properties, payload, Origin::BROKER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::QoS;

    #[test]
    fn an_expired_message_is_gone_and_a_younger_one_says_what_is_left() {
        let expiry = [0x02, 0, 0, 0, 10];
        let kept = Kept {
            message: Message::build("a", QoS::AtLeastOnce, true, &expiry, b"x", Origin(1)),
            since: 100,
        };
        assert_eq!(kept.at(103).unwrap().properties(), [0x02, 0, 0, 0, 7]);
        assert_eq!(kept.at(110), None);
    }
}
