//! X25519 keys for sealing.

use std::fmt;

use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{KeyError, public_text};

type KemPrivate = <X25519HkdfSha256 as Kem>::PrivateKey;
type KemPublic = <X25519HkdfSha256 as Kem>::PublicKey;

/// A secret that opens what was sealed to its public key; erased when dropped, never printed.
pub struct SealingSecret {
    secret: StaticSecret,
    public: SealingPublic,
}

impl SealingSecret {
    /// A fresh secret.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *bytes);
        Self::from_bytes(&bytes)
    }

    /// The secret of 32 bytes; any are one.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let secret = StaticSecret::from(*bytes);
        // A clamped scalar times the base point is neither of low order nor written in a second way.
        let public = SealingPublic(PublicKey::from(&secret).to_bytes());
        Self { secret, public }
    }

    /// The bytes of the secret.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes())
    }

    /// The key that messages are sealed to.
    pub fn public(&self) -> &SealingPublic {
        &self.public
    }

    /// The key in the form that HPKE computes with; none never, as 32 bytes always are one.
    pub(crate) fn to_kem(&self) -> Option<KemPrivate> {
        KemPrivate::from_bytes(self.secret.as_bytes()).ok()
    }
}

impl fmt::Debug for SealingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// A public key that messages are sealed to: not of low order. Base64url in documents.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SealingPublic([u8; 32]);

impl SealingPublic {
    /// The key of these bytes.
    ///
    /// # Errors
    /// Unless they are the canonical encoding of a coordinate whose point is not of low order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        const WHAT: &str = "sealing key";
        if !is_canonical(&bytes) {
            return Err(KeyError::NotAPoint(WHAT));
        }
        // A clamped scalar is a multiple of the cofactor: exactly the points of low order go to zero.
        let probe = StaticSecret::from([0; 32]);
        if !probe.diffie_hellman(&PublicKey::from(bytes)).was_contributory() {
            return Err(KeyError::Weak(WHAT));
        }
        Ok(Self(bytes))
    }

    /// Its encoding.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key in the form that HPKE computes with; none never, as 32 bytes always are one.
    pub(crate) fn to_kem(self) -> Option<KemPublic> {
        KemPublic::from_bytes(&self.0).ok()
    }
}

public_text!(SealingPublic, 32, "sealing key", SealingPublic::from_bytes);

/// Whether the little-endian number is below 2^255 - 19. Others are second ways to write a coordinate.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let beyond = bytes[0] >= 0xed && bytes[1..31].iter().all(|&b| b == 0xff) && bytes[31] == 0x7f;
    bytes[31] < 0x80 && !beyond
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(first: u8, middle: u8, last: u8) -> [u8; 32] {
        let mut bytes = [middle; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    }

    #[test]
    fn points_of_low_order_are_refused() {
        let weak = Err(KeyError::Weak("sealing key"));
        // 0 and 1 are of order 2 and 4 (on curve or twist); 2^255 - 20 is -1.
        assert_eq!(SealingPublic::from_bytes([0; 32]), weak);
        assert_eq!(SealingPublic::from_bytes(number(1, 0, 0)), weak);
        assert_eq!(SealingPublic::from_bytes(number(0xec, 0xff, 0x7f)), weak);
    }

    #[test]
    fn second_encodings_are_refused() {
        let refused = Err(KeyError::NotAPoint("sealing key"));
        assert_eq!(SealingPublic::from_bytes(number(0xed, 0xff, 0x7f)), refused);
        assert_eq!(SealingPublic::from_bytes(number(0xff, 0xff, 0x7f)), refused);
        assert_eq!(SealingPublic::from_bytes(number(9, 0, 0x80)), refused);
        assert!(SealingPublic::from_bytes(number(9, 0, 0)).is_ok());
    }

    #[test]
    fn documents_round_trip() {
        let secret = SealingSecret::generate(&mut crate::testing::rng(3));
        let json = serde_json::to_string(secret.public()).unwrap();
        assert_eq!(json.len(), 45);
        assert_eq!(&serde_json::from_str::<SealingPublic>(&json).unwrap(), secret.public());
        let low = format!("\"{}\"", "A".repeat(43));
        assert!(serde_json::from_str::<SealingPublic>(&low).unwrap_err().to_string().contains("low order"));
        assert_eq!(SealingSecret::from_bytes(&secret.to_bytes()).public(), secret.public());
    }
}
