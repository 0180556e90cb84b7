//! What a client sends to the broker, from its first byte on.

/// The longest packet that is taken: short, so that inputs meet it.
const MAX: usize = 1 << 10;

/// Reads the bytes as a client's stream.
pub fn run(bytes: &[u8]) {
    assert!(broker::fuzz::packets(bytes, MAX) <= bytes.len() / 2);
}
