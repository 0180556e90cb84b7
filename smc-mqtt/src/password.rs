//! Passwords and their argon2 hashes.

use std::fmt;
use std::str::FromStr;

use argon2::password_hash::phc;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

/// A password as it was typed or received. Erased when dropped, never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Takes a copy of `bytes`; any bytes are a password.
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// The password itself. Never to be logged.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// An argon2 hash of a password in PHC form: `$argon2id$v=19$m=...,t=...,p=...$salt$hash`.
#[derive(Clone)]
pub struct PasswordHash(phc::PasswordHash);

/// Why there is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordHashError {
    /// The hash asks for more memory or passes than the broker spends on a login.
    #[error(
        "the password hash costs more than {MAX_MEMORY_KIB} KiB or {MAX_PASSES} passes; make a new one with `smc-broker passwd`"
    )]
    Cost,
    /// The operating system gave no entropy for the salt.
    #[error("no entropy for the salt of a password hash")]
    Entropy,
    /// The text is not an argon2 hash in PHC form.
    #[error("not an argon2 hash in PHC form ($argon2id$v=19$...); make one with `smc-broker passwd`")]
    Form,
}

/// The most memory that verifying one login may take, in KiB.
const MAX_MEMORY_KIB: u32 = 65_536;
/// The most passes over that memory.
const MAX_PASSES: u32 = 16;

/// For passwords that people choose: the first of OWASP's settings for argon2id. Its memory is beyond what
/// allocators keep for later (32 MiB with glibc), so that the broker is small again after a login.
const FOR_PEOPLE: (u32, u32) = (47_104, 1);
/// For keys that were drawn at random with 128 bits or more: guessing them is out of reach whatever a guess
/// costs, and a site of a thousand agents can log in again at once.
const FOR_RANDOM_KEYS: (u32, u32) = (64, 1);

impl PasswordHash {
    /// The hash of a password that a person chose; takes tens of milliseconds and 46 MiB.
    ///
    /// # Errors
    /// [`PasswordHashError::Entropy`].
    pub fn of(password: &Password) -> Result<Self, PasswordHashError> {
        Self::with(password, FOR_PEOPLE)
    }

    /// The hash of a password that holds at least 128 bits drawn at random; takes microseconds.
    ///
    /// # Errors
    /// [`PasswordHashError::Entropy`].
    pub fn of_random_key(key: &Password) -> Result<Self, PasswordHashError> {
        Self::with(key, FOR_RANDOM_KEYS)
    }

    fn with(password: &Password, (memory, passes): (u32, u32)) -> Result<Self, PasswordHashError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|_| PasswordHashError::Entropy)?;
        let params = Params::new(memory, passes, 1, None).map_err(|_| PasswordHashError::Form)?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map(Self)
            .map_err(|_| PasswordHashError::Form)
    }

    /// Whether it is as [`PasswordHash::of_random_key`] makes them: who made it knew that nobody can guess the password.
    pub fn is_of_random_key(&self) -> bool {
        let cost = Params::try_from(&self.0).map(|params| (params.m_cost(), params.t_cost()));
        cost == Ok(FOR_RANDOM_KEYS)
    }

    /// Whether `password` is the one that was hashed. Costs what the hash says.
    pub fn verify(&self, password: &Password) -> bool {
        Argon2::default().verify_password(password.as_bytes(), &self.0).is_ok()
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;
    fn from_str(text: &str) -> Result<Self, PasswordHashError> {
        let hash = phc::PasswordHash::new(text).map_err(|_| PasswordHashError::Form)?;
        let params = Params::try_from(&hash).map_err(|_| PasswordHashError::Form)?;
        if !hash.algorithm.as_str().starts_with("argon2") || hash.hash.is_none() || hash.salt.is_none() {
            return Err(PasswordHashError::Form);
        }
        if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES {
            return Err(PasswordHashError::Cost);
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_knows_its_password() {
        let (right, wrong) = (Password::new(b"correct horse"), Password::new(b"battery staple"));
        for hash in [PasswordHash::of(&right).unwrap(), PasswordHash::of_random_key(&right).unwrap()] {
            let read_back: PasswordHash = hash.to_string().parse().unwrap();
            assert!(read_back.verify(&right));
            assert!(!read_back.verify(&wrong));
        }
    }

    #[test]
    fn a_hash_tells_whether_its_password_can_be_guessed() {
        let password = Password::new(b"x");
        let read_back = |hash: PasswordHash| hash.to_string().parse::<PasswordHash>().unwrap();
        assert!(read_back(PasswordHash::of_random_key(&password).unwrap()).is_of_random_key());
        assert!(!read_back(PasswordHash::of(&password).unwrap()).is_of_random_key());
    }

    #[test]
    fn salts_differ() {
        let password = Password::new(b"x");
        let hash = || PasswordHash::of_random_key(&password).unwrap().to_string();
        assert_ne!(hash(), hash());
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        for text in ["", "secret", "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ", "$2b$12$abcdefghijklmnopqrstuv"]
        {
            assert_eq!(text.parse::<PasswordHash>().unwrap_err(), PasswordHashError::Form, "{text}");
        }
        let hash = PasswordHash::of_random_key(&Password::new(b"x")).unwrap().to_string();
        let greedy = hash.replace("m=64", "m=4000000");
        assert_eq!(greedy.parse::<PasswordHash>().unwrap_err(), PasswordHashError::Cost);
    }

    #[test]
    fn secrets_are_not_printed() {
        let password = Password::new(b"secret");
        assert_eq!(
            format!("{password:?} {:?}", PasswordHash::of_random_key(&password)),
            "<redacted> Ok(<redacted>)"
        );
    }
}
