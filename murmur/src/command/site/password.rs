//! Passwords that a machine made, and their hashes.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
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

/// Argon2 cost: KiB of memory, passes. The least there is, for slowness has nothing to protect here: a password
/// of 140 bits or more can't be guessed, however cheap a guess.
const MEMORY_KIB: u32 = 8;
const PASSES: u32 = 1;

/// A password could not be hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password could not be hashed: {0}")]
pub(crate) struct HashError(argon2::password_hash::Error);

/// A password for a program: 256 bits in base64url.
pub(super) fn for_node(rng: &mut impl CryptoRng) -> Secret {
    let mut bytes = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *bytes);
    Secret::from(URL_SAFE_NO_PAD.encode(&*bytes))
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

/// The hash of a password in PHC form, as the broker's accounts have it.
pub(super) fn hash(password: &Secret, rng: &mut impl CryptoRng) -> Result<String, HashError> {
    let mut salt = [0; 16];
    rng.fill_bytes(&mut salt);
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| HashError(error.into()))?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(password.reveal().as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(HashError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::PasswordVerifier;
    use argon2::password_hash::phc::PasswordHash;

    #[test]
    fn a_hash_is_of_its_password_alone() {
        let mut rng = smc_mqtt::entropy::rng().unwrap();
        let (password, other) = (for_node(&mut rng), for_person(&mut rng));
        let text = hash(&password, &mut rng).unwrap();
        assert!(text.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{text}");
        let parsed = PasswordHash::new(&text).unwrap();
        let verify = |secret: &Secret| Argon2::default().verify_password(secret.reveal().as_bytes(), &parsed);
        assert!(verify(&password).is_ok());
        assert!(verify(&other).is_err());
        assert_ne!(hash(&password, &mut rng).unwrap(), text, "salts differ");
    }

    #[test]
    fn passwords_have_the_bits_they_claim() {
        let mut rng = smc_mqtt::entropy::rng().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(for_node(&mut rng).reveal()).unwrap().len(), 32);
        let typed = for_person(&mut rng);
        assert_eq!(typed.reveal().split('-').map(str::len).collect::<Vec<_>>(), [GROUP; TYPED / GROUP]);
        assert_ne!(typed.reveal(), for_person(&mut rng).reveal());
    }
}
