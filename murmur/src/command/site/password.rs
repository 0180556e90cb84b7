//! Passwords that a machine made: 140 bits or more, so that nobody guesses them whatever a guess costs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRng;
use smc_mqtt::settings::Secret;
use zeroize::Zeroizing;

/// 32 letters and digits that nobody takes for each other: 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// 28 characters of 5 bits.
const TYPED: usize = 28;
const GROUP: usize = 4;

/// A password for a program: 256 bits in base64url.
pub(crate) fn for_node(rng: &mut impl CryptoRng) -> Secret {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *bytes);
    Secret::from(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

/// A password that a person may have to type: 140 bits in groups of four.
pub(super) fn for_person(rng: &mut impl CryptoRng) -> Secret {
    let mut text = String::with_capacity(TYPED + TYPED / GROUP);
    for place in 0..TYPED {
        if place > 0 && place % GROUP == 0 {
            text.push('-');
        }
        let letter = ALPHABET[rng.next_u32() as usize % ALPHABET.len()];
        text.push(char::from(letter));
    }
    Secret::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_the_bits_they_claim() {
        let mut rng = smc_mqtt::entropy::rng().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(for_node(&mut rng).reveal()).unwrap().len(), 32);
        let typed = for_person(&mut rng);
        assert_eq!(typed.reveal().split('-').map(str::len).collect::<Vec<_>>(), [GROUP; TYPED / GROUP]);
        assert!(typed.reveal().bytes().all(|letter| letter == b'-' || ALPHABET.contains(&letter)));
        assert_ne!(typed.reveal(), for_person(&mut rng).reveal());
    }
}
