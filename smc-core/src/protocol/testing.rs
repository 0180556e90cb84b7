//! Bundles for tests, without a site around them.

use crate::roster::{AgentIndex, Bundle, QuantityIndex, Stream};
use crate::time::Period;

/// A bundle with one stream of the given number of bits each.
pub(crate) fn bundle(bits: &[u32]) -> Bundle {
    let numbers: Vec<_> = bits.iter().map(|&bits| (bits, 0, 1)).collect();
    bundle_of(&numbers)
}

/// A bundle of streams with these bits, first element and number of elements.
pub(crate) fn bundle_of(streams: &[(u32, u32, u32)]) -> Bundle {
    let mut first_bit = 0;
    let stream = |(place, &(bits, first_element, elements)): (usize, &(u32, u32, u32))| {
        let stream = Stream {
            name: format!("s{place}").parse().unwrap(),
            quantity: QuantityIndex(0),
            bits,
            first_bit,
            first_element,
            elements,
        };
        first_bit += stream.width();
        stream
    };
    Bundle {
        agent: AgentIndex(0),
        period: Period::from_millis(1000).unwrap(),
        part: 0,
        rest: 0,
        streams: streams.iter().enumerate().map(stream).collect(),
        digest: [0; 32],
    }
}
