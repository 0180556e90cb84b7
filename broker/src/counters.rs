//! What happened, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Running counts of a broker since it was bound. Cheap to read at any time.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub(crate) $name: AtomicU64,)*
        }

        /// The counts at one instant.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct CountersSnapshot {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// The counts now.
            pub fn snapshot(&self) -> CountersSnapshot {
                CountersSnapshot { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Bytes received from clients.
    bytes_in,
    /// Bytes sent to clients.
    bytes_out,
    /// Connections open now, logged in or not.
    connections_open,
    /// Connections that were turned away because there were too many.
    connections_refused,
    /// Connections ever accepted.
    connections_total,
    /// Messages that were not delivered to a client because too many waited for it or it takes no such size.
    dropped_deliveries,
    /// Messages that the router forgot before they were read from it.
    dropped_in_router,
    /// Tap events that the observer was too slow for.
    dropped_tap_events,
    /// Connections on which the handshake of TLS or of a websocket failed, or took too long.
    failed_handshakes,
    /// Connections closed because the client was silent for one and a half times its keep alive.
    keep_alive_timeouts,
    /// PUBLISH packets accepted from clients, wills included.
    messages_in,
    /// PUBLISH packets sent to clients.
    messages_out,
    /// Connections closed because of a packet that is none.
    protocol_errors,
    /// CONNECT packets refused: login, client id, will or version.
    refused_logins,
    /// Retained PUBLISH packets refused because their account keeps as many topics as it may; counted below, too.
    refused_over_quota,
    /// PUBLISH packets refused by the rules, wills included.
    refused_publishes,
    /// Filters of SUBSCRIBE packets refused by the rules.
    refused_subscribes,
    /// Retained messages held now.
    retained,
    /// Retained messages that found no room; they were delivered, but not kept.
    retained_refused,
    /// Retained messages that could not be written to disk; they are held in memory.
    retained_write_errors,
    /// Connections closed because a newer one of the same account took over the client id.
    taken_over,
    /// Times that a connection was slowed down to its publish rate.
    throttled,
    /// Connections closed because the client did not read what it was sent.
    write_timeouts,
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

pub(crate) fn bump(counter: &AtomicU64) {
    add(counter, 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_serialises_by_name() {
        let counters = Counters::default();
        add(&counters.messages_in, 3);
        let json = serde_json::to_value(counters.snapshot()).unwrap();
        assert_eq!(json["messages_in"], 3);
        assert_eq!(json["dropped_in_router"], 0);
    }
}
