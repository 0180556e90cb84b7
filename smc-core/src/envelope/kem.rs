//! From an encapsulation to the key of a channel.

use aes_gcm::aead::array::Array;
use aes_gcm::{Aes256Gcm, KeyInit};
use hpke::aead::{Aead, ExportOnlyAead};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256 as Dhkem;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable, setup_receiver, setup_sender_with_rng};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::KeyEpoch;
use super::aad::{append_number, append_text};
use crate::identity::{SealingPublic, SealingSecret};

/// What HPKE's exporter is asked for.
const EXPORTER_CONTEXT: &[u8] = b"aes-256-gcm key";

/// A key derived from an encapsulation; erased when dropped.
pub(super) struct ChannelKey(Zeroizing<[u8; 32]>);

impl ChannelKey {
    /// The cipher under this key.
    pub(super) fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&Array(*self.0))
    }
}

/// HPKE's `info`: this application, the site, the receiver and the epoch of its key.
pub(super) fn info(site: &str, to: &str, epoch: KeyEpoch) -> Vec<u8> {
    let mut info = Vec::new();
    append_text(&mut info, "murmuration channel v1");
    append_text(&mut info, site);
    append_text(&mut info, to);
    append_number(&mut info, epoch.0);
    info
}

/// A fresh encapsulation to `recipient` and the key that goes with it; none if HPKE refuses the keys.
pub(super) fn encapsulate(
    own: &SealingSecret,
    recipient: &SealingPublic,
    info: &[u8],
    rng: &mut impl CryptoRng,
) -> Option<([u8; 32], ChannelKey)> {
    let (enc, key) = export_to::<ExportOnlyAead>(own, recipient, info, EXPORTER_CONTEXT, rng)?;
    Some((enc, ChannelKey(key)))
}

/// The key that goes with an encapsulation by `sender`; none if HPKE refuses the keys.
pub(super) fn decapsulate(
    own: &SealingSecret,
    sender: &SealingPublic,
    enc: &[u8; 32],
    info: &[u8],
) -> Option<ChannelKey> {
    export_from::<ExportOnlyAead>(own, sender, enc, info, EXPORTER_CONTEXT).map(ChannelKey)
}

/// SetupAuthS and Export of RFC 9180 for any of its AEADs, so that all of its vectors run through here.
fn export_to<A: Aead>(
    own: &SealingSecret,
    recipient: &SealingPublic,
    info: &[u8],
    context: &[u8],
    rng: &mut impl CryptoRng,
) -> Option<([u8; 32], Zeroizing<[u8; 32]>)> {
    let own_pair = (own.to_kem()?, own.public().to_kem()?);
    let mode = OpModeS::Auth(own_pair);
    let (enc, exporter) =
        setup_sender_with_rng::<A, HkdfSha256, Dhkem>(&mode, &recipient.to_kem()?, info, rng).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    exporter.export(context, &mut *key).ok()?;
    Some((enc.to_bytes().into(), key))
}

/// SetupAuthR and Export of RFC 9180.
fn export_from<A: Aead>(
    own: &SealingSecret,
    sender: &SealingPublic,
    enc: &[u8; 32],
    info: &[u8],
    context: &[u8],
) -> Option<Zeroizing<[u8; 32]>> {
    let mode = OpModeR::Auth(sender.to_kem()?);
    let enc = <Dhkem as Kem>::EncappedKey::from_bytes(enc).ok()?;
    let exporter = setup_receiver::<A, HkdfSha256, Dhkem>(&mode, &own.to_kem()?, &enc, info).ok()?;
    let mut key = Zeroizing::new([0; 32]);
    exporter.export(context, &mut *key).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hpke::aead::AesGcm128;
    use rand_core::{TryCryptoRng, TryRng};
    use serde::Deserialize;

    use super::*;

    /// Hands out the keying material of a vector, once.
    struct Scripted(Vec<u8>);

    impl TryRng for Scripted {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            unreachable!("encapsulation draws bytes")
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            unreachable!("encapsulation draws bytes")
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            let rest = self.0.split_off(bytes.len());
            bytes.copy_from_slice(&std::mem::replace(&mut self.0, rest));
            Ok(())
        }
    }

    impl TryCryptoRng for Scripted {}

    #[derive(Deserialize)]
    struct Vector {
        source: String,
        aead_id: u16,
        info: String,
        ikm_e: String,
        sk_r: String,
        pk_r: String,
        sk_s: String,
        pk_s: String,
        enc: String,
        exports: Vec<Export>,
    }

    #[derive(Deserialize)]
    struct Export {
        context: String,
        value: String,
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    fn key(hex: &str) -> [u8; 32] {
        bytes(hex).try_into().unwrap()
    }

    fn check<A: Aead>(vector: &Vector) {
        assert_eq!(vector.aead_id, A::AEAD_ID);
        let secret = |hex| SealingSecret::from_bytes(&key(hex));
        let public = |hex| SealingPublic::from_bytes(key(hex)).unwrap();
        let (sender, recipient) = (secret(&vector.sk_s), secret(&vector.sk_r));
        assert_eq!(sender.public(), &public(&vector.pk_s));
        assert_eq!(recipient.public(), &public(&vector.pk_r));
        let info = bytes(&vector.info);
        for Export { context, value } in &vector.exports {
            let context = bytes(context);
            let mut rng = Scripted(bytes(&vector.ikm_e));
            let (enc, sent) = export_to::<A>(&sender, recipient.public(), &info, &context, &mut rng).unwrap();
            assert_eq!((enc, *sent), (key(&vector.enc), key(value)), "{}", vector.source);
            let received = export_from::<A>(&recipient, sender.public(), &enc, &info, &context).unwrap();
            assert_eq!(received, sent, "{}", vector.source);
        }
    }

    #[test]
    fn the_vectors_of_rfc_9180_are_reproduced() {
        let json = include_str!("../../tests/vectors/rfc9180-auth.json");
        let vectors: Vec<Vector> = serde_json::from_str(json).unwrap();
        assert_eq!(vectors.len(), 2);
        check::<AesGcm128>(&vectors[0]);
        check::<ExportOnlyAead>(&vectors[1]);
    }

    #[test]
    fn an_encapsulation_of_low_order_is_refused() {
        let mut rng = crate::testing::rng(1);
        let (own, sender) = (SealingSecret::generate(&mut rng), SealingSecret::generate(&mut rng));
        assert!(decapsulate(&own, sender.public(), &[0; 32], b"").is_none());
    }
}
