//! The retained messages in memory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
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
    /// How many are of each account. Those of an earlier life of the broker are nobody's until they are published again.
    by_account: HashMap<Arc<str>, usize>,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
    max_of_account: usize,
}

/// A retained message, when it came, in seconds of Unix time, and whose it is.
#[derive(Debug, Clone)]
struct Kept {
    message: Message,
    since: u64,
    account: Option<Arc<str>>,
}

impl Messages {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            by_topic: BTreeMap::new(),
            by_account: HashMap::new(),
            bytes: 0,
            max_messages: limits.retained_messages,
            max_bytes: limits.retained_bytes,
            max_of_account: limits.topics_per_account,
        }
    }

    /// Whether `account` may have a message on `topic` besides those that it has.
    pub(crate) fn has_room_for(&self, account: &str, topic: &str) -> bool {
        let is_own = self.by_topic.get(topic).is_some_and(|kept| kept.account.as_deref() == Some(account));
        is_own || self.by_account.get(account).is_none_or(|&have| have < self.max_of_account)
    }

    /// Those that `filter` matches, as they are to be sent at `now`.
    pub(crate) fn matching(&self, filter: &Filter, now: u64) -> Vec<Message> {
        if !filter.as_str().contains(['+', '#']) {
            return self.by_topic.get(filter.as_str()).and_then(|kept| kept.at(now)).into_iter().collect();
        }
        // Topics that begin as the filter does lie together; `a/#` matches `a`, too.
        let begin = filter.as_str().split(['+', '#']).next().unwrap_or_default();
        let begin = begin.strip_suffix('/').unwrap_or(begin);
        let from_there = self.by_topic.range::<str, _>((Bound::Included(begin), Bound::Unbounded));
        let together = from_there.take_while(|(topic, _)| topic.starts_with(begin));
        let matching = together.filter(|(topic, _)| filter.matches(topic));
        matching.filter_map(|(_, kept)| kept.at(now)).collect()
    }

    /// Applies a record, of an account or of an earlier life; false if there is no room for it.
    pub(crate) fn apply(&mut self, record: Record, account: Option<&str>) -> bool {
        let old = self.by_topic.get(record.topic()).map_or(0, Kept::cost);
        let Record::Keep { message, since } = record else {
            self.remove(record.topic());
            return true;
        };
        let topic = message.topic().to_owned();
        let kept = Kept { message, since, account: account.map(Arc::from) };
        let bytes = self.bytes - old + kept.cost();
        let room = old > 0 || self.by_topic.len() < self.max_messages;
        if !room
            || bytes > self.max_bytes
            || account.is_some_and(|account| !self.has_room_for(account, &topic))
        {
            return false;
        }
        self.remove(&topic);
        self.bytes += kept.cost();
        if let Some(account) = &kept.account {
            *self.by_account.entry(Arc::clone(account)).or_default() += 1;
        }
        self.by_topic.insert(topic, kept);
        true
    }

    fn remove(&mut self, topic: &str) {
        let Some(kept) = self.by_topic.remove(topic) else { return };
        self.bytes -= kept.cost();
        let Some(account) = kept.account else { return };
        if let Some(have) = self.by_account.get_mut(&account) {
            *have -= 1;
            if *have == 0 {
                self.by_account.remove(&account);
            }
        }
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
            account: None,
        };
        assert_eq!(kept.at(103).unwrap().properties(), [0x02, 0, 0, 0, 7]);
        assert_eq!(kept.at(110), None);
    }

    #[test]
    fn an_account_has_as_many_topics_as_it_may_and_what_is_cleared_or_taken_over_is_free() {
        let mut messages = Messages::new(&Limits { topics_per_account: 2, ..Limits::default() });
        let record = |topic: &str, payload: &[u8]| {
            Record::of(Message::build(topic, QoS::AtLeastOnce, true, &[], payload, Origin(1)), 1)
        };
        assert!(messages.apply(record("old", b"x"), None));
        assert!(
            messages.apply(record("a", b"x"), Some("peer"))
                && messages.apply(record("b", b"x"), Some("peer"))
        );
        assert!(!messages.apply(record("c", b"x"), Some("peer")) && !messages.has_room_for("peer", "c"));
        assert!(messages.apply(record("b", b"y"), Some("peer")), "its own topic");
        assert!(messages.apply(record("c", b"x"), Some("other")));
        assert!(messages.apply(record("b", b"z"), Some("other")), "the newest counts");
        assert!(!messages.has_room_for("other", "a") && messages.has_room_for("peer", "d"));
        assert!(
            messages.apply(record("a", b""), Some("other"))
                && messages.apply(record("old", b"y"), Some("peer"))
        );
        assert!(messages.apply(record("d", b"x"), Some("peer")) && !messages.has_room_for("peer", "e"));
    }
}
