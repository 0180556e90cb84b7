//! From a code to keys, and what is sealed under them.

use aes_gcm::aead::array::Array;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use spake2::{Ed25519Group, Identity, Password, Spake2};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::code::PairingCode;
use super::message::{Bytes, Id, Offer, PakeMessage, Proof};
use crate::document::canonical;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Joiner,
    Inviter,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Joiner => "joiner",
            Self::Inviter => "inviter",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Joiner => Self::Inviter,
            Self::Inviter => Self::Joiner,
        }
    }
}

/// One side's half of an exchange.
pub(super) struct Half {
    pake: Spake2<Ed25519Group>,
    side: Side,
    attempt: Id,
}

impl Half {
    /// Begins an attempt at `offer`; what goes to the other side.
    pub(super) fn begin(
        side: Side,
        code: &PairingCode,
        offer: &Offer,
        attempt: Id,
        rng: &mut impl CryptoRng,
    ) -> (Self, PakeMessage) {
        let password = Password::new(code.digits());
        // Whatever an offer says is bound to the keys that come of it.
        let (joiner, inviter) = (Identity::new(&attempt.0), Identity::new(&canonical(offer)));
        let (pake, message) = match side {
            Side::Joiner => Spake2::start_a_with_rng(&password, &joiner, &inviter, rng),
            Side::Inviter => Spake2::start_b_with_rng(&password, &joiner, &inviter, rng),
        };
        let mut sent = PakeMessage::default();
        // An element with a letter before it: 33 bytes in any case.
        sent.0.copy_from_slice(&message);
        (Self { pake, side, attempt }, sent)
    }

    /// The keys that come of the other side's message; none if it is no message of that side.
    pub(super) fn finish(self, message: &PakeMessage) -> Option<Channel> {
        let shared = Zeroizing::new(self.pake.finish(&message.0).ok()?);
        let secrets = Hkdf::<Sha256>::new(None, &shared);
        let direction = |side: Side| Direction {
            proof: Bytes(*expand(&secrets, side, "proof")),
            cipher: Aes256Gcm::new(&Array(*expand(&secrets, side, "seal"))),
        };
        let (out, into) = (direction(self.side), direction(self.side.other()));
        Some(Channel { out, into, attempt: self.attempt })
    }
}

fn expand(secrets: &Hkdf<Sha256>, side: Side, what: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let info = ["murmuration pairing v1 ", side.name(), " ", what].map(str::as_bytes);
    // It gives up to 255 times as much.
    let _ = secrets.expand_multi_info(&info, &mut *key);
    key
}

/// Two sides that know the same code, once each has proven it.
pub(super) struct Channel {
    out: Direction,
    into: Direction,
    attempt: Id,
}

struct Direction {
    proof: Proof,
    cipher: Aes256Gcm,
}

impl Channel {
    /// What shows the other side that this one knows the code.
    pub(super) fn proof(&self) -> Proof {
        self.out.proof
    }

    /// Whether `proof` shows that the other side knows the code. AES-GCM would not: one ciphertext can be made to open under
    /// the keys of many codes.
    pub(super) fn is_proven_by(&self, proof: &Proof) -> bool {
        self.into.proof.0.ct_eq(&proof.0).into()
    }

    /// Seals the message that is number `number` of this side; each number is used once.
    pub(super) fn seal(&self, number: u32, plaintext: &[u8]) -> Option<Vec<u8>> {
        let payload = Payload { msg: plaintext, aad: &self.attempt.0 };
        self.out.cipher.encrypt(&nonce(number), payload).ok()
    }

    /// Opens the message that is number `number` of the other side.
    pub(super) fn open(&self, number: u32, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload { msg: sealed, aad: &self.attempt.0 };
        self.into.cipher.decrypt(&nonce(number), payload).ok().map(Zeroizing::new)
    }
}

fn nonce(number: u32) -> Array<u8, aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce[8..].copy_from_slice(&number.to_be_bytes());
    Array(nonce)
}
