//! Shared subscriptions: several connections of one peer, each of which a broker gives a part of the peer's shares.

use std::fmt;

use rand_core::CryptoRng;
use smc_core::name::NodeName;

use super::Topics;

/// The name of a group of connections among which a broker divides what comes.
///
/// Nobody but the peer knows it. At Mosquitto whoever has a login may join a group by its name, and what then falls to one who
/// may not read it is lost (docs/decisions/0033).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group(String);

impl Group {
    /// A new one for connections of `node`.
    pub fn fresh(node: &NodeName, rng: &mut impl CryptoRng) -> Self {
        let random = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        Self(format!("{node}-{random:032x}"))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Topics {
    /// Shares that agents sealed for the peer `to`, of which each connection in `group` gets a part.
    pub fn share_inbox_within(&self, group: &Group, to: &NodeName) -> String {
        format!("$share/{group}/{}", self.share_inbox(to))
    }
}

/// The client id of the connection of `node` that is its `number`th, from 2 on; the first is called as the node.
pub fn worker_id(node: &NodeName, number: usize) -> String {
    format!("{node}.worker-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy;
    use crate::filter::TopicFilter;

    #[test]
    fn a_group_is_called_after_its_peer_and_nobody_can_guess_the_rest() {
        let (topics, peer) = (Topics::new("hq".parse().unwrap()), "tenant".parse().unwrap());
        let rng = &mut entropy::rng().unwrap();
        let (one, two) = (Group::fresh(&peer, rng), Group::fresh(&peer, rng));
        assert_ne!(one, two);
        assert_eq!(one.to_string().len(), "tenant-".len() + 32);
        let filter = topics.share_inbox_within(&one, &peer);
        assert_eq!(filter, format!("$share/{one}/murmur/hq/share/tenant/+"));
        assert!(filter.parse::<TopicFilter>().is_ok(), "{filter}");
    }

    #[test]
    fn workers_are_called_after_their_peer() {
        assert_eq!(worker_id(&"tenant".parse().unwrap(), 2), "tenant.worker-2");
    }
}
