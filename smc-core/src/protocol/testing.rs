//! Bundles for tests, without a site around them.

use crate::roster::{AgentIndex, Bundle, QuantityIndex, Stream};
use crate::time::Period;

/// A bundle with one stream of the given number of bits each.
pub(crate) fn bundle(bits: &[u32]) -> Bundle {
    let mut first_bit = 0;
    let stream = |(place, &bits): (usize, &u32)| {
        let stream = Stream {
            name: format!("s{place}").parse().unwrap(),
            quantity: QuantityIndex(0),
            bits,
            first_bit,
        };
        first_bit += bits as usize;
        stream
    };
    Bundle {
        agent: AgentIndex(0),
        period: Period::from_millis(1000).unwrap(),
        streams: bits.iter().enumerate().map(stream).collect(),
        digest: [0; 32],
    }
}
