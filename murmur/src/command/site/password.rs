//! Passwords that a machine made and a person may have to type: 140 bits, so that nobody guesses them whatever a guess costs.

use rand_core::CryptoRng;
use smc_mqtt::settings::Secret;

/// 32 letters and digits that nobody takes for each other: 5 bits each.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// 28 characters of 5 bits.
const TYPED: usize = 28;
const GROUP: usize = 4;

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
        let typed = for_person(&mut rng);
        assert_eq!(typed.reveal().split('-').map(str::len).collect::<Vec<_>>(), [GROUP; TYPED / GROUP]);
        assert!(typed.reveal().bytes().all(|letter| letter == b'-' || ALPHABET.contains(&letter)));
        assert_ne!(typed.reveal(), for_person(&mut rng).reveal());
    }
}
