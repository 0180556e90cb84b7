//! The sealing keys of key epochs: made, announced, kept for a grace time, erased (docs/protocol.md, 2.5).

use rand_chacha::ChaCha20Rng;
use smc_core::card::{Card, epoch_at};
use smc_core::document::Signed;
use smc_core::envelope::{KeyEpoch, Opener};
use smc_core::identity::{SealingPublic, SealingSecret, SigningKey};
use smc_core::name::NodeName;
use smc_core::result::VERSION;
use smc_core::roster::Roster;
use smc_core::time::Timestamp;

use crate::store::{Store, StoreError};

/// Where the rotation stands.
#[derive(Debug)]
pub(crate) struct EpochKeys {
    current: KeyEpoch,
    public: SealingPublic,
    /// Whether the keys of earlier epochs are gone.
    erased: bool,
}

/// What a turn of the rotation has to change in the store.
#[derive(Debug)]
pub(crate) struct Turn {
    /// A new key.
    pub(crate) made: Option<(KeyEpoch, SealingSecret)>,
    /// Keys of epochs before this one are to be erased.
    pub(crate) erase_before: Option<KeyEpoch>,
}

impl Turn {
    pub(crate) fn write(&self, store: &mut Store) -> Result<(), StoreError> {
        if let Some((epoch, secret)) = &self.made {
            store.keep_epoch_key(*epoch, secret)?;
        }
        self.erase_before.map_or(Ok(()), |epoch| store.erase_keys_before(epoch))
    }
}

impl EpochKeys {
    /// Loads or makes the key of the epoch at `now`, and loads that of the epoch before.
    pub(crate) fn load(
        roster: &Roster,
        now: Timestamp,
        store: &mut Store,
        opener: &mut Opener,
        rng: &mut ChaCha20Rng,
    ) -> Result<Self, StoreError> {
        let current = epoch_at(roster, now);
        let before = KeyEpoch(current.0.saturating_sub(1));
        if let Some(secret) = store.epoch_key(before)? {
            opener.add_key(before, secret);
        }
        let secret = match store.epoch_key(current)? {
            Some(secret) => secret,
            None => {
                let secret = SealingSecret::generate(rng);
                store.keep_epoch_key(current, &secret)?;
                secret
            }
        };
        let public = *secret.public();
        opener.add_key(current, secret);
        Ok(Self { current, public, erased: false })
    }

    /// Whether a key is to be made or erased.
    pub(crate) fn is_due(&self, roster: &Roster, now: Timestamp) -> bool {
        epoch_at(roster, now) > self.current || (!self.erased && now >= self.grace_ends(roster))
    }

    /// Makes the next key when its epoch has come, and erases the one before once nothing sealed to it is wanted any
    /// more.
    pub(crate) fn turn(
        &mut self,
        roster: &Roster,
        now: Timestamp,
        opener: &mut Opener,
        rng: &mut ChaCha20Rng,
    ) -> Turn {
        let mut turn = Turn { made: None, erase_before: None };
        let epoch = epoch_at(roster, now);
        if epoch > self.current {
            let secret = SealingSecret::generate(rng);
            *self = Self { current: epoch, public: *secret.public(), erased: false };
            opener.add_key(epoch, SealingSecret::from_bytes(&secret.to_bytes()));
            turn.made = Some((epoch, secret));
        }
        if !self.erased && now >= self.grace_ends(roster) {
            opener.drop_key(KeyEpoch(self.current.0.saturating_sub(1)));
            self.erased = true;
            turn.erase_before = Some(self.current);
        }
        turn
    }

    /// A reading may be carried for a cohort epoch; only then is the key that it was sealed to of no more use.
    fn grace_ends(&self, roster: &Roster) -> Timestamp {
        let timing = roster.timing();
        let length = timing.key_epoch.as_micros() as u64;
        let began = Timestamp::from_micros(self.current.0.saturating_mul(length));
        began + timing.cohort_epoch + timing.grace
    }

    /// The card of the current key.
    pub(crate) fn card(&self, roster: &Roster, me: &NodeName, key: &SigningKey) -> Signed<Card> {
        let card = Card {
            v: VERSION,
            site: roster.site().clone(),
            node: me.clone(),
            epoch: self.current,
            sealing: self.public,
        };
        Signed::new(card, key)
    }
}
