//! Signatures that are verified many at once, which takes a third of the time that they take one by one.
//!
//! All equations of a batch are added up, each times a factor that nobody knows before the batch is fixed, so that no wrong
//! signature is made up for by another. Against [`VerifyingKey::verify`] there is one difference: a signature whose
//! error is a point of low order may pass in a batch. To make one takes the key: it is no forgery, and whoever makes it could as
//! well have made one that passes everywhere. So a batch is enough to tell what was signed by whom, as in a log; it is
//! not for deciding what others must be able to agree on, such as whether a result counts as it comes.

use super::signing::separated;
use super::{Signature, VerifyingKey};

/// Signatures that are said to be right, until it is known whether [all are](Claims::hold).
#[derive(Debug, Default)]
pub struct Claims {
    /// What was signed; each may have several signatures.
    messages: Vec<Vec<u8>>,
    of: Vec<usize>,
    keys: Vec<ed25519_dalek::VerifyingKey>,
    signatures: Vec<ed25519_dalek::Signature>,
}

impl Claims {
    /// Notes that `message` was signed for the purpose `domain`.
    pub fn add<'a>(
        &mut self,
        domain: &'static str,
        message: &[u8],
        signers: impl IntoIterator<Item = (&'a VerifyingKey, &'a Signature)>,
    ) {
        for (key, signature) in signers {
            self.of.push(self.messages.len());
            self.keys.push(key.0);
            self.signatures.push(ed25519_dalek::Signature::from_bytes(signature.as_bytes()));
        }
        self.messages.push(separated(domain, message));
    }

    /// Whether all of them are right. If not, it takes [`VerifyingKey::verify`] to find out which.
    pub fn hold(&self) -> bool {
        let messages: Vec<&[u8]> =
            self.of.iter().filter_map(|&at| self.messages.get(at)).map(Vec::as_slice).collect();
        self.of.is_empty() || ed25519_dalek::verify_batch(&messages, &self.signatures, &self.keys).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SigningKey;

    const DOMAIN: &str = "vote v1";

    fn keys() -> Vec<SigningKey> {
        let mut rng = crate::testing::rng(5);
        (0..3).map(|_| SigningKey::generate(&mut rng)).collect()
    }

    /// Twenty messages with three signatures each, the last of which is `last`.
    fn claims(last: &Signature) -> Claims {
        let (keys, mut claims) = (keys(), Claims::default());
        let public: Vec<_> = keys.iter().map(SigningKey::verifying_key).collect();
        for at in 0..20_u8 {
            let mut signatures: Vec<_> = keys.iter().map(|key| key.sign(DOMAIN, &[at])).collect();
            if at == 19 {
                signatures[2] = *last;
            }
            claims.add(DOMAIN, &[at], public.iter().zip(&signatures));
        }
        claims
    }

    #[test]
    fn signatures_that_are_right_one_by_one_are_right_together() {
        assert!(claims(&keys()[2].sign(DOMAIN, &[19])).hold());
        assert!(Claims::default().hold(), "none is wrong");
    }

    #[test]
    fn one_wrong_signature_among_many_is_noticed() {
        let (keys, right) = (keys(), keys()[2].sign(DOMAIN, &[19]));
        for wrong in
            [keys[1].sign(DOMAIN, &[19]), keys[2].sign(DOMAIN, &[18]), keys[2].sign("vote v2", &[19])]
        {
            assert!(!claims(&wrong).hold());
        }
        for at in 0..64 {
            let mut bytes = *right.as_bytes();
            bytes[at] ^= 1;
            assert!(!claims(&Signature::from_bytes(bytes)).hold(), "byte {at}");
        }
    }

    #[test]
    fn two_wrong_signatures_do_not_make_up_for_each_other() {
        let (keys, mut claims) = (keys(), Claims::default());
        let public = keys[0].verifying_key();
        let (first, second) = (keys[0].sign(DOMAIN, b"a"), keys[0].sign(DOMAIN, b"b"));
        claims.add(DOMAIN, b"a", [(&public, &second)]);
        claims.add(DOMAIN, b"b", [(&public, &first)]);
        assert!(!claims.hold());
    }
}
