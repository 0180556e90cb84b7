//! Packets on their way: each waits until it is due.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Packets that may be on their way at once: 100 MB of the largest.
const PACKETS_MAX: usize = 65_536;

/// Everything that is on its way.
#[derive(Debug, Default)]
pub(super) struct Air {
    packets: BinaryHeap<Flying>,
    launched: u64,
}

/// One packet.
#[derive(Debug)]
pub(super) struct Flying {
    due_ns: u64,
    number: u64,
    /// The host that it goes to.
    pub(super) to: usize,
    /// All of it.
    pub(super) bytes: Box<[u8]>,
}

impl Air {
    /// Sends a packet off; false if there is no room.
    pub(super) fn launch(&mut self, due_ns: u64, to: usize, bytes: &[u8]) -> bool {
        if self.packets.len() >= PACKETS_MAX {
            return false;
        }
        self.launched += 1;
        self.packets.push(Flying { due_ns, number: self.launched, to, bytes: bytes.into() });
        true
    }

    /// The next packet that is due.
    pub(super) fn land(&mut self, now_ns: u64) -> Option<Flying> {
        if self.next_ns()? > now_ns { None } else { self.packets.pop() }
    }

    /// When the next packet is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.packets.peek().map(|flying| flying.due_ns)
    }
}

/// A heap has the greatest on top: that is the one which is due first, and of several the one that was sent first.
impl Ord for Flying {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due_ns, other.number).cmp(&(self.due_ns, self.number))
    }
}

impl PartialOrd for Flying {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flying {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Flying {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn packets_land_when_they_are_due_and_those_of_one_instant_as_they_were_sent(
            dues in proptest::collection::vec(0_u64..20, 1..100),
        ) {
            let mut air = Air::default();
            for (number, due) in dues.iter().enumerate() {
                prop_assert!(air.launch(*due, number, &[]));
            }
            let mut expected: Vec<_> = dues.iter().copied().zip(0..).collect();
            expected.sort();
            let mut landed = Vec::new();
            for now in 0..20 {
                while let Some(flying) = air.land(now) {
                    prop_assert_eq!(flying.due_ns, now);
                    landed.push((now, flying.to));
                }
            }
            prop_assert_eq!(landed, expected);
        }
    }

    #[test]
    fn what_has_no_room_is_not_taken() {
        let mut air = Air::default();
        let taken = (0..PACKETS_MAX + 5).filter(|_| air.launch(1, 0, &[])).count();
        assert_eq!(taken, PACKETS_MAX);
    }
}
