//! What a broker sends to a node, however the network cuts it.

/// The largest packet that is taken in: small, so that inputs meet it.
const MAX: usize = 1 << 10;

/// Reads the bytes as a broker's stream; the first says how much of it comes at a time.
pub fn run(bytes: &[u8]) {
    let Some((&chunk, stream)) = bytes.split_first() else { return };
    assert!(smc_mqtt::fuzz::inbox(stream, chunk.into(), MAX) <= stream.len() / 2);
}
