//! Cards: each peer publishes, signed, the key that messages to it are sealed with (docs/protocol.md, 2.5).

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::document::{Signable, Signed};
use crate::envelope::{Binding, KeyEpoch, SealError, Sealer};
use crate::identity::{SealingPublic, SealingSecret};
use crate::name::{NodeName, SiteName};
use crate::output;
use crate::result::VERSION;
use crate::roster::Roster;
use crate::shamir::PeerIndex;
use crate::time::Timestamp;

/// A peer's sealing key of one key epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Whose card.
    pub node: NodeName,
    /// Of which key epoch.
    pub epoch: KeyEpoch,
    /// The key.
    pub sealing: SealingPublic,
}

impl Signable for Card {
    const DOMAIN: &'static str = "murmuration/1/card";
}

/// Why a card was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// Not JSON of this form, or of another site, node or version.
    #[error("not a card of this peer")]
    Malformed,
    /// Of an epoch that is over or far ahead, or older than the one known.
    #[error("a card of another time")]
    NotNow,
    /// Not signed by the peer.
    #[error("not signed by the peer")]
    Unsigned,
}

/// The key epoch at `now`.
pub fn epoch_at(roster: &Roster, now: Timestamp) -> KeyEpoch {
    let length = roster.timing().key_epoch.as_micros().max(1);
    KeyEpoch((u128::from(now.as_micros()) / length) as u64)
}

/// The peers as recipients: the newest card of each, and a sealer for it once it is needed.
#[derive(Debug)]
pub struct Recipients {
    roster: Arc<Roster>,
    me: NodeName,
    own: SealingSecret,
    peers: Vec<Recipient>,
    /// Those who are no peers, once something was sealed for them.
    clients: BTreeMap<NodeName, Sealer>,
}

#[derive(Debug, Default)]
struct Recipient {
    card: Option<Card>,
    sealer: Option<Sealer>,
}

impl Recipients {
    /// No card yet; `own` proves to recipients that `me` sealed.
    pub fn new(roster: Arc<Roster>, me: NodeName, own: SealingSecret) -> Self {
        let peers = roster.peers().map(|_| Recipient::default()).collect();
        Self { roster, me, own, peers, clients: BTreeMap::new() }
    }

    /// Takes a card in. One epoch ahead or behind is taken too, for clocks differ.
    ///
    /// # Errors
    /// Why it was not taken; the card known before stays.
    pub fn handle_card(&mut self, now: Timestamp, peer: PeerIndex, json: &[u8]) -> Result<(), CardError> {
        let node = self.roster.peer(peer).ok_or(CardError::Malformed)?;
        let signed: Signed<Card> = serde_json::from_slice(json).map_err(|_| CardError::Malformed)?;
        let card = signed.verified(&node.identity).ok_or(CardError::Unsigned)?;
        if card.v != VERSION || card.site != *self.roster.site() || card.node != node.name {
            return Err(CardError::Malformed);
        }
        let recipient = &mut self.peers[peer.offset()];
        let known = recipient.card.as_ref().map_or(0, |known| known.epoch.0);
        if epoch_at(&self.roster, now).0.abs_diff(card.epoch.0) > 1 || card.epoch.0 < known {
            return Err(CardError::NotNow);
        }
        if recipient.card.as_ref() != Some(&card) {
            *recipient = Recipient { card: Some(card), sealer: None };
        }
        Ok(())
    }

    /// Whether `peer` can be sealed for.
    pub fn knows(&self, peer: PeerIndex) -> bool {
        self.peers.get(peer.offset()).is_some_and(|recipient| recipient.card.is_some())
    }

    /// Seals `plaintext` for a client or an agent; nothing, if the site has none of that name.
    ///
    /// # Errors
    /// If sealing fails.
    pub fn seal_for_client(
        &mut self,
        to: &NodeName,
        plaintext: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Option<Vec<u8>>, SealError> {
        let Some(key) = self.roster.recipient(to) else { return Ok(None) };
        if !self.clients.contains_key(to) {
            let site = self.roster.site();
            let sealer = Sealer::new(site, &self.me, to, &self.own, key, output::EPOCH, rng)?;
            self.clients.insert(to.clone(), sealer);
        }
        self.clients.get_mut(to).map(|sealer| sealer.seal(&Binding::Peer, plaintext)).transpose()
    }

    /// Seals `plaintext` for `peer`; nothing, if the peer's card is not known.
    ///
    /// # Errors
    /// If sealing fails.
    pub fn seal(
        &mut self,
        peer: PeerIndex,
        binding: &Binding,
        plaintext: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Option<Vec<u8>>, SealError> {
        let Some(Recipient { card: Some(card), sealer }) = self.peers.get_mut(peer.offset()) else {
            return Ok(None);
        };
        let sealer = match sealer {
            Some(sealer) => sealer,
            None => sealer.insert(Sealer::new(
                &card.site,
                &self.me,
                &card.node,
                &self.own,
                &card.sealing,
                card.epoch,
                rng,
            )?),
        };
        sealer.seal(binding, plaintext).map(Some)
    }
}
