//! What a host may send: one packet after the other, each as long as its bytes take at the asked rate.
//!
//! It is a token bucket whose bucket holds one packet, told by the clock instead of by tokens: the instant at which the line
//! is free again. What waits for it is not kept here; the packet learns when it leaves and waits with all others.

/// What may wait for a line, in nanoseconds of its time: a tenth of a second.
const WAIT_NS: u64 = 100_000_000;

/// What may wait in any case, in bytes: on slow lines a tenth of a second would not take what TCP begins with.
const WAIT_BYTES: u64 = 64 * 1024;

/// One host's line.
#[derive(Debug, Default)]
pub(in crate::lab) struct Pacer {
    free_ns: u64,
}

impl Pacer {
    /// When a packet of so many bytes, which comes at `now_ns`, has left; none if too much waits already, so that it is
    /// dropped.
    pub(super) fn leaves(&mut self, now_ns: u64, bytes: usize, ns_per_byte: f64) -> Option<u64> {
        let begins = self.free_ns.max(now_ns);
        let room_ns = WAIT_NS.max((WAIT_BYTES as f64 * ns_per_byte) as u64);
        if begins - now_ns > room_ns {
            return None;
        }
        Some(self.queue(now_ns, bytes, ns_per_byte))
    }

    /// The same, however much waits already.
    pub(in crate::lab) fn queue(&mut self, now_ns: u64, bytes: usize, ns_per_byte: f64) -> u64 {
        self.free_ns = self.free_ns.max(now_ns) + (bytes as f64 * ns_per_byte) as u64;
        self.free_ns
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::packet::MTU;
    use super::*;

    proptest! {
        #[test]
        fn no_interval_has_more_bytes_than_the_rate_and_one_packet(
            packets in proptest::collection::vec((0_u64..2_000_000, 1_usize..=MTU), 1..200),
            ns_per_byte in 1.0_f64..10_000.0,
        ) {
            let mut pacer = Pacer::default();
            let mut now = 0;
            let mut left = Vec::new();
            for (pause, bytes) in packets {
                now += pause;
                if let Some(at) = pacer.leaves(now, bytes, ns_per_byte) {
                    prop_assert!(at >= now, "a packet left before it came");
                    left.push((at, bytes));
                }
            }
            for (first, &(from, _)) in left.iter().enumerate() {
                let mut sum = 0;
                for &(until, bytes) in &left[first..] {
                    sum += bytes;
                    // A nanosecond per packet is what rounding down gains.
                    let most = (until - from + left.len() as u64) as f64 / ns_per_byte + MTU as f64;
                    prop_assert!(sum as f64 <= most, "{sum} bytes in {} ns", until - from);
                }
            }
        }

        #[test]
        fn packets_leave_in_their_order(
            packets in proptest::collection::vec((0_u64..100_000, 1_usize..=MTU), 2..100),
            ns_per_byte in 0.0_f64..1_000.0,
        ) {
            let mut pacer = Pacer::default();
            let (mut now, mut last) = (0, 0);
            for (pause, bytes) in packets {
                now += pause;
                let at = pacer.leaves(now, bytes, ns_per_byte).unwrap_or(last);
                prop_assert!(at >= last);
                last = at;
            }
        }
    }

    #[test]
    fn what_waits_longer_than_the_line_keeps_is_dropped() {
        let mut pacer = Pacer::default();
        // 1500 bytes take 12 ms at 1 Mbit/s, and 64 KiB 524 ms.
        let taken = (0..1000).filter(|_| pacer.leaves(0, MTU, 8000.0).is_some()).count();
        assert_eq!(taken, 44);
        assert!(pacer.leaves(600_000_000, MTU, 8000.0).is_some(), "a line that was free is taken");
    }
}
