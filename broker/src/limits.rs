//! How much of everything there may be.

use std::time::Duration;

use serde::Deserialize;

use crate::pace::Paces;

/// Bounds that keep one client from taking what belongs to all. Each has a default that suits a building.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at once, those that have not yet sent CONNECT included.
    pub connections: usize,
    /// Connections at once of one shared account.
    pub connections_per_account: usize,
    /// Connections at once that have not yet logged in.
    pub pending_connections: usize,
    /// Time from accept to a successful CONNECT, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long a client may leave what the broker sends unread, in milliseconds.
    pub write_timeout_ms: u64,
    /// The longest keep alive granted to clients of MQTT 5, in seconds; they are told.
    pub keep_alive_s: u16,
    /// The longest packet taken from a client, in bytes.
    pub packet_bytes: usize,
    /// The longest topic, in bytes.
    pub topic_bytes: usize,
    /// How fast one connection may publish, by role; faster ones are slowed down.
    pub publish: Paces,
    /// Subscriptions of one connection.
    pub subscriptions: usize,
    /// Subscriptions of one connection of Home Assistant, which subscribes each topic by itself.
    pub subscriptions_of_home_assistant: usize,
    /// Topics on which one account may have a retained message at a time.
    pub topics_per_account: usize,
    /// Messages waiting for one connection; further ones are dropped and counted.
    pub queue_messages: usize,
    /// Bytes waiting for one connection.
    pub queue_bytes: usize,
    /// QoS 1 messages that a client may leave unacknowledged before it gets no more.
    pub inflight: u16,
    /// Retained messages; every node has one for its status, so there must be more than nodes.
    pub retained_messages: usize,
    /// Bytes of retained messages.
    pub retained_bytes: usize,
    /// Bytes that may be on their way through the router per subscribed filter; publishers wait beyond that. The
    /// router keeps up to twice as much as this and `packet_bytes` together for every filter.
    pub log_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 12_000,
            connections_per_account: 64,
            pending_connections: 1_024,
            connect_timeout_ms: 10_000,
            write_timeout_ms: 10_000,
            keep_alive_s: 300,
            packet_bytes: 1 << 20,
            topic_bytes: 256,
            publish: Paces::default(),
            subscriptions: 64,
            subscriptions_of_home_assistant: 2_048,
            topics_per_account: 8_192,
            queue_messages: 65_536,
            queue_bytes: 32 << 20,
            inflight: 512,
            retained_messages: 32_768,
            retained_bytes: 16 << 20,
            log_bytes: 512 << 10,
        }
    }
}

/// A limit outside its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limits.{name} must be from {min} to {max}")]
pub struct LimitsError {
    /// The limit's name.
    pub name: &'static str,
    /// Its least value.
    pub min: u64,
    /// Its greatest value.
    pub max: u64,
}

impl Limits {
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    /// Checks every limit's range.
    ///
    /// # Errors
    /// The first limit that is outside.
    pub fn check(&self) -> Result<(), LimitsError> {
        let table: [(&'static str, usize, u64, u64); 17] = [
            ("connections", self.connections, 1, 1_000_000),
            ("connections_per_account", self.connections_per_account, 1, 1_000_000),
            ("pending_connections", self.pending_connections, 1, 1_000_000),
            ("connect_timeout_ms", saturated(self.connect_timeout_ms), 10, 600_000),
            ("write_timeout_ms", saturated(self.write_timeout_ms), 10, 600_000),
            ("keep_alive_s", usize::from(self.keep_alive_s), 1, 65_535),
            ("packet_bytes", self.packet_bytes, 1_024, 16 << 20),
            ("topic_bytes", self.topic_bytes, 16, 4_096),
            ("subscriptions", self.subscriptions, 1, 10_000),
            ("subscriptions_of_home_assistant", self.subscriptions_of_home_assistant, 1, 10_000),
            ("topics_per_account", self.topics_per_account, 1, 1_000_000),
            ("queue_messages", self.queue_messages, 1, 10_000_000),
            ("queue_bytes", self.queue_bytes, 1_024, 4 << 30),
            ("inflight", usize::from(self.inflight), 1, 32_768),
            ("retained_messages", self.retained_messages, 0, 1_000_000),
            ("retained_bytes", self.retained_bytes, 0, 1 << 30),
            ("log_bytes", self.log_bytes, 65_536, 256 << 20),
        ];
        for (name, value, min, max) in table {
            if !(min..=max).contains(&(value as u64)) {
                return Err(LimitsError { name, min, max });
            }
        }
        self.publish.check()
    }
}

fn saturated(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn a_limit_out_of_range_is_named() {
        let limits = Limits { packet_bytes: 3, ..Limits::default() };
        assert_eq!(
            limits.check().unwrap_err().to_string(),
            "limits.packet_bytes must be from 1024 to 16777216"
        );
    }
}
