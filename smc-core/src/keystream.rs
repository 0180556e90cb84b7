//! Numbers that follow from a key: ChaCha20's output, 61 bits of every 64.

use chacha20::ChaCha20Legacy;
use chacha20::cipher::{KeyIvInit, StreamCipher};

/// A number before it is read.
pub(crate) type Drawn = [u8; 8];

/// What a key yields, number after number; the key is erased with it.
///
/// The original cipher, whose counter of 64 bits no one gets to the end of.
pub(crate) struct Keystream(ChaCha20Legacy);

impl Keystream {
    /// Of a key that yields nothing else.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(ChaCha20Legacy::new(key.into(), &[0; 8].into()))
    }

    /// Draws as many numbers as there is room for. Whoever has the room erases it if they are secret.
    pub(crate) fn fill(&mut self, room: &mut [Drawn]) {
        self.0.write_keystream(room.as_flattened_mut());
    }
}

/// A number that was drawn, uniform below 2^61.
pub(crate) fn number(drawn: Drawn) -> u64 {
    u64::from_le_bytes(drawn) >> 3
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn the_numbers_are_those_of_another_implementation_however_many_are_drawn_at_once() {
        let key = std::array::from_fn(|i| i as u8);
        let (mut stream, mut other) = (Keystream::new(&key), ChaCha20Rng::from_seed(key));
        for count in [1, 7, 8, 128, 3, 300] {
            let mut room = vec![Drawn::default(); count];
            stream.fill(&mut room);
            assert!(room.into_iter().all(|drawn| number(drawn) == other.next_u64() >> 3), "{count}");
        }
    }
}
