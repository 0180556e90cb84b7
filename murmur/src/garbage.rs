//! Bytes that mean nothing, for brokers and nodes to come through.

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

/// How many there are at most.
const MOST: usize = 2_048;
/// The first byte of an MQTT connection.
const CONNECT: u8 = 0x10;

/// Bytes as they come.
pub(crate) fn garbage(rng: &mut ChaCha20Rng) -> Vec<u8> {
    let mut bytes = vec![0; rng.next_u32() as usize % MOST + 1];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// The same for a broker, which listens to the rest if they begin as a connection does: half of them do.
pub(crate) fn garbled_greeting(rng: &mut ChaCha20Rng) -> Vec<u8> {
    let mut bytes = garbage(rng);
    if let Some(first) = bytes.first_mut().filter(|_| rng.next_u32().is_multiple_of(2)) {
        *first = CONNECT;
    }
    bytes
}
