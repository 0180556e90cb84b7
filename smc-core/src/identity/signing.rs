//! Ed25519 signatures, each for one domain.

use std::fmt;

use ed25519_dalek::Signer;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{KeyError, public_text};

/// A key that signs; erased when dropped, never printed.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_bytes(&seed)
    }

    /// The key of a seed; any 32 bytes are one.
    pub fn from_bytes(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The key that verifies what this one signs.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key())
    }

    /// Signs `message` for the purpose `domain`, such as `result v1`: a signature for one purpose is worth
    /// nothing for another.
    pub fn sign(&self, domain: &'static str, message: &[u8]) -> Signature {
        let message = separated(domain, message);
        let made = Some(made(&self.verifying_key(), &message));
        Signature { bytes: self.0.sign(&message).to_bytes(), made }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// The public key of a [`SigningKey`]: a point that is not of low order. Base64url in documents.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VerifyingKey(pub(super) ed25519_dalek::VerifyingKey);

/// The signature does not belong to this message, purpose and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not belong to this message and key")]
pub struct BadSignature;

impl VerifyingKey {
    /// The key that `bytes` encode.
    ///
    /// # Errors
    /// Unless they are the canonical encoding of a point that is not of low order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        const WHAT: &str = "verifying key";
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotAPoint(WHAT))?;
        if key.is_weak() {
            return Err(KeyError::Weak(WHAT));
        }
        // The decoder tolerates y >= 2^255 - 19; encoding the point anew does not.
        if key.to_edwards().compress().to_bytes() != bytes {
            return Err(KeyError::NotAPoint(WHAT));
        }
        Ok(Self(key))
    }

    /// Its encoding.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Whether `signature` is this key's for `message` and the purpose `domain`.
    ///
    /// # Errors
    /// [`BadSignature`] if not, also for encodings that only lenient verifiers accept.
    pub fn verify(
        &self,
        domain: &'static str,
        message: &[u8],
        signature: &Signature,
    ) -> Result<(), BadSignature> {
        let message = separated(domain, message);
        if signature.made.is_some_and(|digest| digest == made(self, &message)) {
            return Ok(());
        }
        let signature = ed25519_dalek::Signature::from_bytes(&signature.bytes);
        self.0.verify_strict(&message, &signature).map_err(|_| BadSignature)
    }
}

/// A signature. Base64url in documents.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature {
    bytes: [u8; 64],
    /// By which key and of what it was made, if it was made here and not read from bytes.
    made: Option<[u8; 32]>,
}

impl Signature {
    /// The signature of these bytes. Any are taken; whether they are right is for [`VerifyingKey::verify`].
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self { bytes, made: None }
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.bytes
    }
}

impl PartialEq for Signature {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Signature {}

/// The digest of the key that signs and of what it signs. Whoever made a signature need not verify it: a peer its own among
/// those of a result; and all peers of a site that runs in one process, as in the simulator, where verifying would be most of
/// the work.
fn made(by: &VerifyingKey, message: &[u8]) -> [u8; 32] {
    // The key is of fixed length.
    Sha256::new().chain_update(by.as_bytes()).chain_update(message).finalize().into()
}

public_text!(VerifyingKey, 32, "verifying key", VerifyingKey::from_bytes);
public_text!(Signature, 64, "signature", |bytes| Ok(Signature::from_bytes(bytes)));

/// What is signed: the purpose with its length, so that it can't run into the message, then the message.
pub(super) fn separated(domain: &str, message: &[u8]) -> Vec<u8> {
    const PREFIX: &[u8] = b"murmuration signature v1";
    let mut bytes = Vec::with_capacity(PREFIX.len() + 8 + domain.len() + message.len());
    bytes.extend_from_slice(PREFIX);
    bytes.extend_from_slice(&(domain.len() as u64).to_be_bytes());
    bytes.extend_from_slice(domain.as_bytes());
    bytes.extend_from_slice(message);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_message_purpose_and_key_alone() {
        let mut rng = crate::testing::rng(1);
        let (key, other) = (SigningKey::generate(&mut rng), SigningKey::generate(&mut rng));
        let public = key.verifying_key();
        let signature = key.sign("vote v1", b"message");
        assert_eq!(public.verify("vote v1", b"message", &signature), Ok(()));
        assert_eq!(public.verify("vote v1", b"massage", &signature), Err(BadSignature));
        assert_eq!(public.verify("vote v", b"1message", &signature), Err(BadSignature));
        assert_eq!(other.verifying_key().verify("vote v1", b"message", &signature), Err(BadSignature));
        for i in 0..64 {
            let mut bytes = *signature.as_bytes();
            bytes[i] ^= 1;
            let flipped = Signature::from_bytes(bytes);
            assert_eq!(public.verify("vote v1", b"message", &flipped), Err(BadSignature), "byte {i}");
        }
    }

    #[test]
    fn a_signature_is_right_for_what_it_was_made_of_alone_made_here_or_read() {
        let mut rng = crate::testing::rng(3);
        let (key, other) = (SigningKey::generate(&mut rng), SigningKey::generate(&mut rng));
        let made = key.sign("vote v1", b"message");
        let read = Signature::from_bytes(*made.as_bytes());
        let text: Signature = serde_json::from_str(&serde_json::to_string(&made).unwrap()).unwrap();
        assert_eq!((made, text), (read, read));
        assert!(made.made.is_some() && read.made.is_none() && text.made.is_none());
        for signature in [made, read, text] {
            assert_eq!(key.verifying_key().verify("vote v1", b"message", &signature), Ok(()));
            assert_eq!(key.verifying_key().verify("vote v1", b"massage", &signature), Err(BadSignature));
            assert_eq!(key.verifying_key().verify("vote v2", b"message", &signature), Err(BadSignature));
            assert_eq!(other.verifying_key().verify("vote v1", b"message", &signature), Err(BadSignature));
        }
        let forged = Signature { bytes: [7; 64], made: None };
        assert_eq!(key.verifying_key().verify("vote v1", b"message", &forged), Err(BadSignature));
    }

    #[test]
    fn documents_round_trip_and_refuse_what_is_no_key() {
        let key = SigningKey::generate(&mut crate::testing::rng(2)).verifying_key();
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<VerifyingKey>(&json).unwrap(), key);
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(VerifyingKey::from_bytes(identity), Err(KeyError::Weak("verifying key")));
        // y = 2 has no x on the curve; 2^255 - 19 + 3 is a second way to write y = 3.
        let mut two = [0; 32];
        two[0] = 2;
        assert_eq!(VerifyingKey::from_bytes(two), Err(KeyError::NotAPoint("verifying key")));
        let mut three = [0xff; 32];
        (three[0], three[31]) = (0xf0, 0x7f);
        assert_eq!(VerifyingKey::from_bytes(three), Err(KeyError::NotAPoint("verifying key")));
        assert!("AAAA".parse::<Signature>().is_err());
    }
}
