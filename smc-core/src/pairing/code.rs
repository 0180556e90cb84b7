//! The code that one person tells another.

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

const DIGITS: usize = 8;

/// Eight digits, spelled in two groups: `4821-7730`. Erased when dropped, printed by [`PairingCode::reveal`] alone.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingCode(Zeroizing<[u8; DIGITS]>);

/// A text that is no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code is {DIGITS} digits, such as 4821-7730")]
pub struct PairingCodeError;

impl PairingCode {
    /// Draws one; each is as likely as any other.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut digits = Zeroizing::new([0; DIGITS]);
        for digit in digits.iter_mut() {
            *digit = b'0' + below_ten(rng);
        }
        Self(digits)
    }

    /// The code for people.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(DIGITS + 1));
        for (place, digit) in self.0.iter().enumerate() {
            if place == DIGITS / 2 {
                text.push('-');
            }
            text.push(char::from(*digit));
        }
        text
    }

    pub(super) fn digits(&self) -> &[u8] {
        self.0.as_slice()
    }
}

fn below_ten(rng: &mut impl CryptoRng) -> u8 {
    loop {
        let mut byte = [0];
        rng.fill_bytes(&mut byte);
        // 250 is the largest multiple of ten that a byte reaches.
        if byte[0] < 250 {
            return byte[0] % 10;
        }
    }
}

/// With a dash, a space or nothing between the groups.
impl FromStr for PairingCode {
    type Err = PairingCodeError;
    fn from_str(text: &str) -> Result<Self, PairingCodeError> {
        let mut digits = Zeroizing::new([0; DIGITS]);
        let mut read = 0;
        for byte in text.bytes().filter(|byte| !matches!(byte, b'-' | b' ')) {
            if !byte.is_ascii_digit() || read == DIGITS {
                return Err(PairingCodeError);
            }
            digits[read] = byte;
            read += 1;
        }
        if read == DIGITS { Ok(Self(digits)) } else { Err(PairingCodeError) }
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rng;

    #[test]
    fn a_code_reads_back_however_it_is_grouped() {
        let code = PairingCode::draw(&mut rng(1));
        let text = code.reveal();
        assert_eq!((text.len(), text.find('-')), (9, Some(4)), "{}", *text);
        for spelled in [text.to_string(), text.replace('-', ""), text.replace('-', " ")] {
            assert_eq!(spelled.parse(), Ok(code.clone()));
        }
        assert_eq!(format!("{code:?}"), "<redacted>");
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for text in ["", "4821-773", "4821-77300", "4821-773a", "４821-7730", "4821_7730"] {
            assert_eq!(text.parse::<PairingCode>(), Err(PairingCodeError), "{text}");
        }
    }

    #[test]
    fn every_digit_comes_up_about_as_often() {
        let mut rng = rng(2);
        let mut seen = [0_u32; 10];
        for _ in 0..1_000 {
            for digit in PairingCode::draw(&mut rng).digits() {
                seen[usize::from(digit - b'0')] += 1;
            }
        }
        // 800 are expected of each, with a deviation of 27.
        assert!(seen.iter().all(|count| (680..920).contains(count)), "{seen:?}");
    }
}
