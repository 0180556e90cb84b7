//! How much each sender may send: what an honest one needs and some more, so that one that floods costs the others
//! nothing but the reading of its messages' names.

use std::collections::BTreeMap;
use std::time::Duration;

use smc_core::name::NodeName;
use smc_core::protocol::input::plaintext_len;
use smc_core::roster::{AgentIndex, Roster};
use smc_core::shamir::PeerIndex;
use smc_core::time::Timestamp;

/// How many messages beyond its bundles an agent may send at once, and how many per second.
const SPARE: (f64, f64) = (64.0, 1.0);
/// How often an agent may say everything it has to say within a window, for it says it again whenever somebody
/// reconnects; and how often at once.
const AGAIN: (f64, f64) = (4.0, 8.0);
/// How many messages a peer may send per second, and at once: rounds of many functions side by side.
const PEER: (f64, f64) = (2_000.0, 10_000.0);
/// How many requests a client may send per second, and at once; and all that are no clients of the site together.
const CLIENT: (f64, f64) = (2.0, 50.0);
/// An envelope's JSON without its ciphertext, generously.
const ENVELOPE: usize = 1_024;

/// What all senders of a site may still send.
#[derive(Debug)]
pub(crate) struct Quotas {
    agents: Vec<(Bucket, usize)>,
    peers: Vec<Bucket>,
    clients: BTreeMap<NodeName, Bucket>,
    strangers: Bucket,
}

/// More than a sender may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// Too many messages.
    Flood,
    /// The first one too many: whoever may be told is told once.
    FloodBegins,
    /// More bytes than any message of this sender has.
    TooLarge,
}

/// Messages that may come at once, and again after a while.
#[derive(Debug, Clone)]
struct Bucket {
    rate: f64,
    burst: f64,
    left: f64,
    filled: Timestamp,
    /// Whether the last message was one too many.
    floods: bool,
}

impl Quotas {
    /// Everybody may send what the site file makes them send.
    pub(crate) fn new(roster: &Roster, now: Timestamp) -> Self {
        let agents = roster.agents().iter().map(|agent| {
            let bundles = || agent.bundles.iter().map(|&bundle| roster.bundle(bundle));
            let per_second: f64 =
                bundles().map(|bundle| 1.0 / bundle.period.as_duration().as_secs_f64()).sum();
            let (count, largest) = (bundles().count() as f64, bundles().map(plaintext_len).max());
            let bucket = Bucket::new(SPARE.1 + AGAIN.0 * per_second, SPARE.0 + AGAIN.1 * count, now);
            (bucket, ENVELOPE + largest.unwrap_or(0) / 2 * 3)
        });
        let peers = roster.peers().map(|_| Bucket::new(PEER.0, PEER.1, now));
        let client = Bucket::new(CLIENT.0, CLIENT.1, now);
        let clients = roster.clients().map(|(name, _)| (name.clone(), client.clone()));
        Self {
            agents: agents.collect(),
            peers: peers.collect(),
            clients: clients.collect(),
            strangers: client,
        }
    }

    /// Counts a message of an agent.
    ///
    /// # Errors
    /// If it is to be refused unread.
    pub(crate) fn agent(&mut self, now: Timestamp, from: AgentIndex, bytes: usize) -> Result<(), Excess> {
        let (bucket, largest) = &mut self.agents[from.at()];
        if bytes > *largest { Err(Excess::TooLarge) } else { bucket.take(now) }
    }

    /// Counts a message of a peer.
    ///
    /// # Errors
    /// If it is to be refused unread.
    pub(crate) fn peer(&mut self, now: Timestamp, from: PeerIndex) -> Result<(), Excess> {
        self.peers[from.offset()].take(now)
    }

    /// Counts a request of a client.
    ///
    /// # Errors
    /// If it is to be refused unread.
    pub(crate) fn client(&mut self, now: Timestamp, from: &NodeName) -> Result<(), Excess> {
        match self.clients.get_mut(from) {
            Some(client) => client.take(now),
            // Of strangers there may be any number, and nobody to tell.
            None => self.strangers.take(now).map_err(|_| Excess::Flood),
        }
    }
}

impl Bucket {
    fn new(rate: f64, burst: f64, now: Timestamp) -> Self {
        Self { rate, burst, left: burst, filled: now, floods: false }
    }

    fn take(&mut self, now: Timestamp) -> Result<(), Excess> {
        let since: Duration = now.since(self.filled);
        self.filled = self.filled.max(now);
        self.left = (self.left + since.as_secs_f64() * self.rate).min(self.burst);
        let floods = self.left < 1.0;
        let goes_on = std::mem::replace(&mut self.floods, floods);
        if floods {
            return Err(if goes_on { Excess::Flood } else { Excess::FloodBegins });
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);

    #[test]
    fn a_burst_is_taken_and_a_flood_is_not() {
        let mut bucket = Bucket::new(10.0, 50.0, NOON);
        let taken = |bucket: &mut Bucket, at| (0..1_000).filter(|_| bucket.take(at).is_ok()).count();
        assert_eq!(taken(&mut bucket, NOON), 50);
        assert_eq!(taken(&mut bucket, NOON + Duration::from_secs(2)), 20);
        assert_eq!(taken(&mut bucket, NOON), 0, "a clock that is set back refills nothing");
        assert_eq!(taken(&mut bucket, NOON + Duration::from_secs(3_600)), 50);
        assert_eq!(
            bucket.take(NOON + Duration::from_secs(3_600)),
            Err(Excess::Flood),
            "that it floods is known"
        );
        let later = NOON + Duration::from_secs(3_601);
        assert_eq!(taken(&mut bucket, later), 10);
        let mut fresh = Bucket::new(1.0, 1.0, NOON);
        let said = [fresh.take(NOON), fresh.take(NOON), fresh.take(NOON)];
        assert_eq!(said, [Ok(()), Err(Excess::FloodBegins), Err(Excess::Flood)]);
    }
}
