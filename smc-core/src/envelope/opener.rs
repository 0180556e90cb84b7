//! The receiving end of all channels to one node.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;

use aes_gcm::AeadInOut;
use aes_gcm::aead::array::Array;
use zeroize::Zeroizing;

use super::aad::{Channel, append_message};
use super::kem::{ChannelKey, decapsulate, info};
use super::write::{TAG_BYTES, nonce};
use super::{Binding, Envelope, EnvelopeError, KeyEpoch};
use crate::identity::{SealingPublic, SealingSecret};
use crate::name::{NodeName, SiteName};

/// How many keys of its own a node holds at once: the current one, the previous one, and two announced early.
pub const MAX_EPOCHS: usize = 4;
/// How many derived keys are kept per sender: one for each of two epochs, or of a sender that restarted.
const KEYS_PER_SENDER: usize = 2;

/// For how many senders derived keys are kept; for further ones they are derived anew each time.
const MAX_SENDERS: usize = 1 << 16;

/// Opens envelopes that are addressed to one node.
///
/// Derived keys are kept for the next message of their channel, but only once a message has opened under them:
/// garbage costs time, not memory.
pub struct Opener {
    site: SiteName,
    me: NodeName,
    own: BTreeMap<KeyEpoch, SealingSecret>,
    derived: HashMap<SealingPublic, VecDeque<Derived>>,
    /// Where associated data is put together, kept for its capacity.
    aad: Vec<u8>,
}

/// A derived key and the encapsulation that it came from.
struct Derived {
    epoch: KeyEpoch,
    enc: [u8; 32],
    key: ChannelKey,
}

impl Opener {
    /// An opener for the node `me` of `site`, without keys as yet.
    pub fn new(site: &SiteName, me: &NodeName) -> Self {
        let (site, me) = (site.clone(), me.clone());
        Self { site, me, own: BTreeMap::new(), derived: HashMap::new(), aad: Vec::new() }
    }

    /// Lets envelopes of `epoch` be opened with `secret`. Beyond [`MAX_EPOCHS`] keys the oldest epoch is dropped
    /// and returned.
    pub fn add_key(&mut self, epoch: KeyEpoch, secret: SealingSecret) -> Option<KeyEpoch> {
        self.drop_key(epoch);
        self.own.insert(epoch, secret);
        if self.own.len() <= MAX_EPOCHS {
            return None;
        }
        let oldest = *self.own.first_key_value()?.0;
        self.drop_key(oldest);
        Some(oldest)
    }

    /// Erases the key of `epoch` and every key derived with it; whether there was one.
    pub fn drop_key(&mut self, epoch: KeyEpoch) -> bool {
        self.derived.retain(|_, keys| {
            keys.retain(|derived| derived.epoch != epoch);
            !keys.is_empty()
        });
        self.own.remove(&epoch).is_some()
    }

    /// Erases the keys derived for a sender that is no longer known.
    pub fn forget(&mut self, sender: &SealingPublic) {
        self.derived.remove(sender);
    }

    /// The plaintext of `envelope`, if the holder of `sender` sealed it to this node with exactly these fields and,
    /// for an input, this `definition`; pass none for messages between peers.
    ///
    /// # Errors
    /// Any [`EnvelopeError`] but those of [`Envelope::parse`] for size and version.
    pub fn open(
        &mut self,
        sender: &SealingPublic,
        envelope: &Envelope<'_>,
        definition: Option<&[u8; 32]>,
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        let binding = self.check_header(envelope, definition)?;
        let mut bytes = envelope.ciphertext().ok_or(EnvelopeError::Malformed)?;
        self.assemble_aad(envelope, &binding);
        match self.position(sender, envelope) {
            Some((keys, position)) => {
                decrypt(&keys[position].key, envelope.counter(), &self.aad, &mut bytes)?
            }
            None => {
                let key = self.derive(sender, envelope)?;
                decrypt(&key, envelope.counter(), &self.aad, &mut bytes)?;
                self.keep(sender, envelope, key);
            }
        }
        Ok(bytes)
    }

    fn check_header(
        &self,
        envelope: &Envelope<'_>,
        definition: Option<&[u8; 32]>,
    ) -> Result<Binding, EnvelopeError> {
        if envelope.site() != self.site.as_str() {
            return Err(EnvelopeError::Site);
        }
        if envelope.to() != self.me.as_str() {
            return Err(EnvelopeError::Recipient);
        }
        if !self.own.contains_key(&envelope.epoch()) {
            return Err(EnvelopeError::UnknownEpoch(envelope.epoch()));
        }
        match (envelope.window(), definition) {
            (Some((period, window)), Some(&definition)) => {
                Ok(Binding::Input { period, window, part: envelope.part(), definition })
            }
            (None, None) => Ok(Binding::Peer),
            _ => Err(EnvelopeError::Kind),
        }
    }

    fn assemble_aad(&mut self, envelope: &Envelope<'_>, binding: &Binding) {
        let channel = Channel {
            site: self.site.as_str(),
            from: envelope.from().as_str(),
            to: self.me.as_str(),
            epoch: envelope.epoch(),
            enc: envelope.enc(),
        };
        self.aad.clear();
        channel.append_to(&mut self.aad);
        append_message(&mut self.aad, envelope.counter(), binding);
    }

    fn position(
        &self,
        sender: &SealingPublic,
        envelope: &Envelope<'_>,
    ) -> Option<(&VecDeque<Derived>, usize)> {
        let keys = self.derived.get(sender)?;
        let same = |derived: &Derived| derived.epoch == envelope.epoch() && derived.enc == *envelope.enc();
        keys.iter().position(same).map(|position| (keys, position))
    }

    fn derive(&self, sender: &SealingPublic, envelope: &Envelope<'_>) -> Result<ChannelKey, EnvelopeError> {
        let epoch = envelope.epoch();
        let own = self.own.get(&epoch).ok_or(EnvelopeError::UnknownEpoch(epoch))?;
        let info = info(self.site.as_str(), self.me.as_str(), epoch);
        decapsulate(own, sender, envelope.enc(), &info).ok_or(EnvelopeError::Forged)
    }

    fn keep(&mut self, sender: &SealingPublic, envelope: &Envelope<'_>, key: ChannelKey) {
        if self.derived.len() >= MAX_SENDERS && !self.derived.contains_key(sender) {
            return;
        }
        let keys = self.derived.entry(*sender).or_default();
        if keys.len() == KEYS_PER_SENDER {
            keys.pop_front();
        }
        keys.push_back(Derived { epoch: envelope.epoch(), enc: *envelope.enc(), key });
    }
}

/// Turns ciphertext and tag into the plaintext, in place.
fn decrypt(key: &ChannelKey, counter: u64, aad: &[u8], bytes: &mut Vec<u8>) -> Result<(), EnvelopeError> {
    let length = bytes.len().checked_sub(TAG_BYTES).ok_or(EnvelopeError::Malformed)?;
    let (message, tag) = bytes.split_at_mut(length);
    let tag = Array::try_from(&*tag).map_err(|_| EnvelopeError::Malformed)?;
    key.cipher()
        .decrypt_inout_detached(&nonce(counter), aad, message.into(), &tag)
        .map_err(|_| EnvelopeError::Forged)?;
    bytes.truncate(length);
    Ok(())
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epochs: Vec<&KeyEpoch> = self.own.keys().collect();
        write!(f, "Opener {{ me: {}, epochs: {epochs:?}, keys: <redacted> }}", self.me)
    }
}
