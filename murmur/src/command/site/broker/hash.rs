//! Passwords as other brokers keep them. What they offer is weaker than argon2; for passwords that a machine made that is
//! all the same (docs/decisions/0009).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bcrypt::{BcryptError, Version};
use pbkdf2::pbkdf2_hmac_array;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256, Sha512};

use super::logins::Login;

/// Rounds of PBKDF2: for passwords that a machine made, as many as Mosquitto takes by itself; for those that a person chose, as
/// many as OWASP asks for.
const ROUNDS: (u32, u32) = (101, 210_000);
/// The logarithm of bcrypt's rounds: the fewest that there are; as many as OWASP asks for.
const COST: (u32, u32) = (4, 10);

/// For Mosquitto: `$7$`, rounds, salt and PBKDF2 with SHA-512.
pub(super) fn mosquitto(login: &Login, rng: &mut impl CryptoRng) -> String {
    let mut salt = [0; 12];
    rng.fill_bytes(&mut salt);
    let rounds = if login.is_random() { ROUNDS.0 } else { ROUNDS.1 };
    let hash: [u8; 64] = pbkdf2_hmac_array::<Sha512, 64>(login.password.reveal().as_bytes(), &salt, rounds);
    format!("$7${rounds}${}${}", STANDARD.encode(salt), STANDARD.encode(hash))
}

/// For NATS: bcrypt, of which it knows the version `2a`.
///
/// # Errors
/// A password that bcrypt can't hash.
pub(super) fn nats(login: &Login, rng: &mut impl CryptoRng) -> Result<String, BcryptError> {
    let mut salt = [0; 16];
    rng.fill_bytes(&mut salt);
    let cost = if login.is_random() { COST.0 } else { COST.1 };
    let parts = bcrypt::non_truncating_hash_with_salt(login.password.reveal(), cost, salt)?;
    Ok(parts.format_for_version(Version::TwoA))
}

/// For RabbitMQ: SHA-256 over a salt and the password, whatever the password is.
pub(super) fn rabbitmq(login: &Login, rng: &mut impl CryptoRng) -> String {
    let mut salt = [0; 4];
    rng.fill_bytes(&mut salt);
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(login.password.reveal());
    STANDARD.encode([&salt[..], &hash.finalize()].concat())
}
