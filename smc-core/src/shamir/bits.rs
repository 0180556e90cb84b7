//! Readings shared bit by bit.
//!
//! A reading v = sum 2^i b_i is linear in its bits, so peers that hold shares of the bits hold one of v for
//! free; and bits can be proven valid and compared cheaply.

use rand_core::CryptoRng;
use zeroize::{Zeroize, Zeroizing};

use super::{MAX_THRESHOLD, Share, ShareError, Sharing};
use crate::field::Fp;

/// The most bits of a reading.
pub const MAX_BITS: u32 = 32;
/// How many bytes the share of one bit takes.
pub const SHARE_BYTES: usize = Fp::BYTES;
/// How many coefficients are drawn at once.
const DRAWS: usize = 16;
/// Enough coefficients for the widest reading and the highest threshold: one kibibyte.
const MAX_COEFFICIENTS: usize = MAX_BITS as usize * MAX_THRESHOLD;

impl Sharing {
    /// Shares each of the `bits` low bits of `value`, appending to `outputs[i]` the shares of peer i + 1:
    /// [`SHARE_BYTES`] bytes for each bit, little-endian, the least significant bit first.
    ///
    /// `outputs` are n byte vectors, plain or [`Zeroizing`]; reserve their capacity beforehand, so that no
    /// secret stays behind in a buffer that was outgrown.
    ///
    /// # Errors
    /// Unless 1 <= `bits` <= [`MAX_BITS`], `value < 2^bits` and there are n `outputs`; then nothing is
    /// appended.
    pub fn share_bits(
        &self,
        value: u64,
        bits: u32,
        rng: &mut impl CryptoRng,
        outputs: &mut [impl AsMut<Vec<u8>>],
    ) -> Result<(), ShareError> {
        self.check_count(outputs.len())?;
        check_bits(bits)?;
        if value >> bits != 0 {
            return Err(ShareError::ValueTooWide { bits });
        }
        let degree = self.degree();
        let mut coefficients = [Fp::ZERO; MAX_COEFFICIENTS];
        let coefficients = &mut coefficients[..bits as usize * degree];
        fill_random(coefficients, rng);
        for (output, peer) in outputs.iter_mut().zip(self.indices()) {
            let output = output.as_mut();
            output.reserve(bits as usize * SHARE_BYTES);
            let x = peer.point();
            for (i, high) in coefficients.chunks_exact(degree).enumerate() {
                let bit = Fp::from((value >> i & 1) as u32);
                let share = high.iter().rev().fold(Fp::ZERO, |f, &c| (f + c) * x) + bit;
                output.extend_from_slice(&share.to_bytes());
            }
        }
        // Only what was used: erasing all that the widest reading needs would take longer than sharing.
        coefficients.zeroize();
        Ok(())
    }
}

/// The shares of `bits` bits that one peer received, the least significant first.
///
/// # Errors
/// Unless `bytes` are exactly `bits` canonical elements and 1 <= `bits` <= [`MAX_BITS`].
pub fn parse_bits(bytes: &[u8], bits: u32) -> Result<Vec<Share>, ShareError> {
    check_bits(bits)?;
    let (need, have) = (bits as usize * SHARE_BYTES, bytes.len());
    let (elements, rest) = bytes.as_chunks::<SHARE_BYTES>();
    if have != need || !rest.is_empty() {
        return Err(ShareError::WrongLength { have, need });
    }
    let parse = |(bit, &element)| Share::from_bytes(element).ok_or(ShareError::NotCanonical { bit });
    elements.iter().enumerate().map(parse).collect()
}

/// The share of the value whose bits, the least significant first, these are shares of: sum 2^i b_i.
pub fn recompose(bits: &[Share]) -> Share {
    let mut value = Share::default();
    for bit in bits.iter().rev() {
        value.double_assign();
        value += bit;
    }
    value
}

const fn check_bits(bits: u32) -> Result<(), ShareError> {
    if bits == 0 || bits > MAX_BITS { Err(ShareError::BitsOutOfRange(bits)) } else { Ok(()) }
}

/// Fills `elements` uniformly, drawing randomness for many at once.
fn fill_random(elements: &mut [Fp], rng: &mut impl CryptoRng) {
    let mut draws = Zeroizing::new([0; DRAWS * 8]);
    for elements in elements.chunks_mut(DRAWS) {
        rng.fill_bytes(&mut draws[..elements.len() * 8]);
        for (element, &draw) in elements.iter_mut().zip(draws.as_chunks().0) {
            let uniform = Fp::from_random_bits(u64::from_le_bytes(draw));
            *element = uniform.unwrap_or_else(|| Fp::random(rng));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shamir::PeerIndex;

    fn sharing() -> Sharing {
        Sharing::new(5, 2).unwrap()
    }

    #[test]
    fn bits_recompose_to_the_value() {
        let mut rng = crate::testing::rng(2);
        let value = 0b1011_0110_0001;
        let mut outputs = vec![Vec::new(); 5];
        sharing().share_bits(value, 12, &mut rng, &mut outputs).unwrap();
        let partials: Vec<(PeerIndex, Fp)> = sharing()
            .indices()
            .zip(&outputs)
            .map(|(peer, bytes)| (peer, recompose(&parse_bits(bytes, 12).unwrap()).reveal()))
            .collect();
        assert_eq!(sharing().open(&partials).unwrap().value.to_u64(), value);
    }

    #[test]
    fn readings_are_appended_and_refusals_append_nothing() {
        let mut rng = crate::testing::rng(3);
        let mut outputs = vec![Zeroizing::new(Vec::new()); 5];
        sharing().share_bits(1, 1, &mut rng, &mut outputs).unwrap();
        sharing().share_bits(u64::from(u32::MAX), 32, &mut rng, &mut outputs).unwrap();
        let refused = |value, bits, outputs: &mut [Zeroizing<Vec<u8>>]| {
            sharing().share_bits(value, bits, &mut crate::testing::rng(4), outputs).unwrap_err()
        };
        assert_eq!(refused(2, 1, &mut outputs), ShareError::ValueTooWide { bits: 1 });
        assert_eq!(refused(0, 0, &mut outputs), ShareError::BitsOutOfRange(0));
        assert_eq!(refused(0, 33, &mut outputs), ShareError::BitsOutOfRange(33));
        assert_eq!(refused(0, 1, &mut outputs[..4]), ShareError::WrongLength { have: 4, need: 5 });
        assert!(outputs.iter().all(|output| output.len() == 33 * SHARE_BYTES));
    }

    #[test]
    fn garbage_is_not_parsed() {
        let garbled = [0u8; 15];
        assert_eq!(parse_bits(&garbled, 2).unwrap_err(), ShareError::WrongLength { have: 15, need: 16 });
        assert_eq!(parse_bits(&garbled[..8], 2).unwrap_err(), ShareError::WrongLength { have: 8, need: 16 });
        let mut second = [0u8; 16];
        second[8..].fill(0xff);
        assert_eq!(parse_bits(&second, 2).unwrap_err(), ShareError::NotCanonical { bit: 1 });
        assert_eq!(parse_bits(&[], 0).unwrap_err(), ShareError::BitsOutOfRange(0));
    }
}
