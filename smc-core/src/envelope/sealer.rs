//! The sending end of a channel.

use std::fmt;

use aes_gcm::{AeadInOut, Aes256Gcm};
use rand_core::CryptoRng;

use super::aad::{Channel, append_message};
use super::kem::{encapsulate, info};
use super::write::{Header, TAG_BYTES, nonce};
use super::{Binding, KeyEpoch};
use crate::base64url;
use crate::identity::{SealingPublic, SealingSecret};
use crate::name::{NodeName, SiteName};

/// Why nothing was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Every counter has been used: begin a new channel.
    #[error("all messages of this channel are used up: begin a new one")]
    Exhausted,
    /// The receiver's key can not be sealed to.
    #[error("the receiver's sealing key is refused: compare it with the receiver's")]
    Key,
    /// The plaintext is beyond what AES-GCM can seal.
    #[error("the message is too long to be sealed: send less than 64 GiB at once")]
    TooLong,
}

/// Seals messages from one node to one key of another. Each has its own counter; a counter never repeats,
/// because a new sealer has a new encapsulation and hence a new key.
pub struct Sealer {
    site: SiteName,
    from: NodeName,
    to: NodeName,
    epoch: KeyEpoch,
    /// The encapsulation in base64url.
    enc: String,
    cipher: Aes256Gcm,
    /// The counter of the next message; none when all are used.
    next: Option<u64>,
    /// The channel's part of the associated data, then whatever the last message appended.
    aad: Vec<u8>,
    channel_aad: usize,
}

impl Sealer {
    /// A channel from `from`, whose secret is `own`, to the key `recipient` that `to` has in `epoch`.
    ///
    /// # Errors
    /// [`SealError::Key`] if the exchange of keys comes to nothing.
    pub fn new(
        site: &SiteName,
        from: &NodeName,
        to: &NodeName,
        own: &SealingSecret,
        recipient: &SealingPublic,
        epoch: KeyEpoch,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, SealError> {
        let info = info(site.as_str(), to.as_str(), epoch);
        let (enc, key) = encapsulate(own, recipient, &info, rng).ok_or(SealError::Key)?;
        let (site, from, to) = (site.clone(), from.clone(), to.clone());
        let mut aad = Vec::new();
        Channel { site: site.as_str(), from: from.as_str(), to: to.as_str(), epoch, enc: &enc }
            .append_to(&mut aad);
        let (enc, cipher, channel_aad) = (base64url::encode(&enc), key.cipher(), aad.len());
        Ok(Self { site, from, to, epoch, enc, cipher, next: Some(0), aad, channel_aad })
    }

    /// The epoch of the receiver's key that this seals to.
    pub fn epoch(&self) -> KeyEpoch {
        self.epoch
    }

    /// Seals `plaintext` into the bytes of an envelope, whose size depends on the length of the plaintext and the
    /// number of digits of epoch, period, window and part alone.
    ///
    /// # Errors
    /// [`SealError::Exhausted`] after 2^64 - 1 messages, [`SealError::TooLong`] from 64 GiB on.
    pub fn seal(&mut self, binding: &Binding, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let counter = self.next.ok_or(SealError::Exhausted)?;
        self.next = counter.checked_add(1);
        self.aad.truncate(self.channel_aad);
        append_message(&mut self.aad, counter, binding);
        let header = Header {
            site: self.site.as_str(),
            from: self.from.as_str(),
            to: self.to.as_str(),
            epoch: self.epoch,
            enc: &self.enc,
            counter,
            binding,
        };
        header.write(plaintext, |bytes| {
            let nonce = nonce(counter);
            let (message, tag) = bytes.split_at_mut(bytes.len() - TAG_BYTES);
            let sealed = self.cipher.encrypt_inout_detached(&nonce, &self.aad, message.into());
            tag.copy_from_slice(&sealed.map_err(|_| SealError::TooLong)?);
            Ok(())
        })
    }

    #[cfg(test)]
    pub(super) fn skip_to(&mut self, counter: u64) {
        self.next = Some(counter);
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, epoch, .. } = self;
        write!(f, "Sealer {{ from: {from}, to: {to}, epoch: {epoch}, key: <redacted> }}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Envelope;

    #[test]
    fn a_counter_is_never_used_twice() {
        let mut rng = crate::testing::rng(1);
        let (own, recipient) = (SealingSecret::generate(&mut rng), SealingSecret::generate(&mut rng));
        let (site, from, to) = ("hq".parse().unwrap(), "a".parse().unwrap(), "p".parse().unwrap());
        let mut sealer =
            Sealer::new(&site, &from, &to, &own, recipient.public(), KeyEpoch(1), &mut rng).unwrap();
        for expected in 0..2 {
            let bytes = sealer.seal(&Binding::Peer, b"").unwrap();
            assert_eq!(Envelope::parse(&bytes, 1024).unwrap().counter(), expected);
        }
        sealer.skip_to(u64::MAX);
        assert!(sealer.seal(&Binding::Peer, b"").is_ok());
        assert_eq!(sealer.seal(&Binding::Peer, b""), Err(SealError::Exhausted));
        assert_eq!(sealer.seal(&Binding::Peer, b""), Err(SealError::Exhausted));
        assert!(format!("{sealer:?}").contains("<redacted>"));
    }

    #[test]
    fn the_size_of_an_envelope_tells_only_the_length() {
        let mut rng = crate::testing::rng(2);
        let (own, recipient) = (SealingSecret::generate(&mut rng), SealingSecret::generate(&mut rng));
        let (site, from, to) = ("hq".parse().unwrap(), "a".parse().unwrap(), "p".parse().unwrap());
        let mut sealer =
            Sealer::new(&site, &from, &to, &own, recipient.public(), KeyEpoch(1), &mut rng).unwrap();
        for length in [0, 1, 2, 3, 1_000] {
            let zeros = sealer.seal(&Binding::Peer, &vec![0; length]).unwrap();
            let ones = sealer.seal(&Binding::Peer, &vec![0xff; length]).unwrap();
            assert_eq!(zeros.len(), ones.len());
        }
    }
}
