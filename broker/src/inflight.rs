//! QoS 1 messages that a client has not yet acknowledged.

use std::collections::VecDeque;

/// Packet ids that there are: 1..=65,535.
const IDS: u64 = 65_535;
/// Room that an empty window may keep.
const KEPT: usize = 16;

/// The packet ids in use, oldest first, as sequence numbers.
#[derive(Debug)]
pub(crate) struct Inflight {
    waiting: VecDeque<u64>,
    next: u64,
    window: usize,
}

impl Inflight {
    /// At most `window` messages unacknowledged at once.
    pub(crate) fn new(window: u16) -> Self {
        Self { waiting: VecDeque::new(), next: 0, window: usize::from(window) }
    }

    /// Whether another message may be sent: the window is open and the next id is free.
    pub(crate) fn has_room(&self) -> bool {
        let oldest = self.waiting.front().copied().unwrap_or(self.next);
        self.waiting.len() < self.window && self.next - oldest < IDS
    }

    /// The id of the next message.
    pub(crate) fn next_id(&self) -> u16 {
        id(self.next)
    }

    /// The message with [`Inflight::next_id`] was sent.
    pub(crate) fn sent(&mut self) {
        self.waiting.push_back(self.next);
        self.next += 1;
    }

    /// The client has a message; an id that nobody waits for is ignored. Clients may answer in any order.
    pub(crate) fn acknowledge(&mut self, acknowledged: u16) {
        if let Some(index) = self.waiting.iter().position(|&sequence| id(sequence) == acknowledged) {
            self.waiting.remove(index);
        }
    }

    /// Gives memory back.
    pub(crate) fn shrink(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT {
            self.waiting = VecDeque::new();
        }
    }
}

fn id(sequence: u64) -> u16 {
    // 1..=65,535 by the modulus.
    (sequence % IDS) as u16 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_closes_and_opens() {
        let mut inflight = Inflight::new(2);
        for _ in 0..2 {
            assert!(inflight.has_room());
            inflight.sent();
        }
        assert!(!inflight.has_room());
        inflight.acknowledge(9);
        assert!(!inflight.has_room());
        inflight.acknowledge(2);
        assert!(inflight.has_room());
        assert_eq!(inflight.next_id(), 3);
    }

    #[test]
    fn an_id_in_use_is_not_given_twice() {
        let mut inflight = Inflight::new(2);
        inflight.sent();
        for sequence in 1..IDS {
            assert!(inflight.has_room(), "{sequence}");
            let given = inflight.next_id();
            assert_ne!(given, 1);
            inflight.sent();
            inflight.acknowledge(given);
        }
        assert!(!inflight.has_room(), "id 1 is still in use");
        inflight.acknowledge(1);
        assert!(inflight.has_room());
        assert_eq!(inflight.next_id(), 1);
    }
}
