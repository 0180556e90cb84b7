//! The agreement on keys, once per key epoch (docs/protocol.md, 3.2).
//!
//! Each peer draws a secret per epoch, and from it a contribution to the key of every set it belongs to, which it sends
//! to the other members. A session's key of a set is the hash of the contributions of those members that compute: at
//! least t + 1 of them, so that one is honest and nobody chooses the key. A batch of contributions has a name; the
//! peers compare names in their inventories and so know beforehand whether they will draw alike.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Label, Randomness, subsets};
use crate::base64url;
use crate::digest::Digest;
use crate::envelope::KeyEpoch;
use crate::mutation::{Rule, disabled};
use crate::peers::PeerSet;
use crate::shamir::{MAX_PEERS, PeerIndex, Sharing};
use crate::time::WindowIndex;

/// How many key epochs are remembered: the running one and its neighbours.
const EPOCHS: usize = 3;
/// How many windows of one subject are remembered as spent.
const SPENT: usize = 8;

/// One peer's contribution to the key of one set.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Contribution([u8; 32]);

impl std::fmt::Debug for Contribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

impl TryFrom<String> for Contribution {
    type Error = SeedError;
    fn try_from(text: String) -> Result<Self, SeedError> {
        base64url::decode(&Zeroizing::new(text)).map(Self).ok_or(SeedError::Malformed)
    }
}

impl From<Contribution> for String {
    fn from(contribution: Contribution) -> String {
        base64url::encode(&contribution.0)
    }
}

/// What one peer contributes to the keys that it shares with another, for one key epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedBatch {
    /// The key epoch.
    pub epoch: KeyEpoch,
    /// The batch's name: the same towards all peers, another one after a restart.
    pub name: Digest,
    /// One for each set that both belong to, in the order of [`subsets`].
    pub contributions: Vec<Contribution>,
}

/// Why a batch was not taken, or no randomness given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// A peer's contribution is another one than the peers agreed on: it restarted, or an old one was repeated.
    #[error("a peer's contribution to the common keys changed after it was agreed on")]
    Changed,
    /// Not as many contributions as there are common sets, or not 32 bytes each.
    #[error("not one contribution per common set")]
    Malformed,
    /// A contribution of a peer that computes is missing.
    #[error("a peer's contribution to the common keys is missing")]
    Missing,
    /// The epoch is not near.
    #[error("contributions to the keys of another time")]
    NotNow,
    /// The label was used before, or is older than what is remembered.
    #[error("the randomness of this window was used before")]
    Spent,
}

/// A peer's part in the agreement.
pub struct Seeds {
    sharing: Sharing,
    me: PeerIndex,
    root: Zeroizing<[u8; 32]>,
    epochs: BTreeMap<KeyEpoch, [Option<SeedBatch>; MAX_PEERS as usize]>,
    spent: BTreeMap<Digest, BTreeSet<WindowIndex>>,
}

impl Seeds {
    /// The part of the peer `me`, which draws all its secrets from `root`: 32 uniform bytes that nobody else knows and
    /// that no other life of this peer had.
    pub fn new(sharing: Sharing, me: PeerIndex, root: Zeroizing<[u8; 32]>) -> Self {
        Self { sharing, me, root, epochs: BTreeMap::new(), spent: BTreeMap::new() }
    }

    /// What `me` sends to `peer` for `epoch`.
    pub fn batch_for(&self, peer: PeerIndex, epoch: KeyEpoch) -> SeedBatch {
        let contributions = self.common(peer).map(|set| self.contribution(epoch, set)).collect();
        SeedBatch { epoch, name: self.name(epoch), contributions }
    }

    /// Takes the contributions of `from`; newer ones replace older ones, for a peer that restarts has new secrets.
    /// Tells whether they are new. `now` is the running epoch.
    ///
    /// # Errors
    /// [`SeedError::Malformed`] or [`SeedError::NotNow`].
    pub fn take(&mut self, now: KeyEpoch, from: PeerIndex, batch: SeedBatch) -> Result<bool, SeedError> {
        if batch.epoch.0.abs_diff(now.0) > 1 {
            return Err(SeedError::NotNow);
        }
        if batch.contributions.len() != self.common(from).count() {
            return Err(SeedError::Malformed);
        }
        let slot = &mut self.epochs.entry(batch.epoch).or_default()[from.offset()];
        let new = slot.as_ref().is_none_or(|known| known.name != batch.name);
        *slot = Some(batch);
        while self.epochs.len() > EPOCHS {
            self.epochs.pop_first();
        }
        Ok(new)
    }

    /// The name of this peer's own batches.
    pub fn name(&self, epoch: KeyEpoch) -> Digest {
        Digest(self.epoch_hash(b"murmuration/1/prss/name\0", epoch).finalize().into())
    }

    /// The names of the batches that this peer would use in `epoch`, by peer.
    pub fn names(&self, epoch: KeyEpoch) -> Vec<Option<Digest>> {
        let name = |peer: PeerIndex| {
            if peer == self.me {
                return Some(self.name(epoch));
            }
            Some(self.epochs.get(&epoch)?[peer.offset()].as_ref()?.name)
        };
        self.sharing.indices().map(name).collect()
    }

    /// The randomness of one session among `peers`, from their contributions of these names, ascending by peer.
    ///
    /// # Errors
    /// [`SeedError::Missing`] when a member of `peers` has not contributed or has no name, [`SeedError::Changed`] when it
    /// contributed something else, [`SeedError::Spent`] for a label that was used before.
    pub fn session(
        &mut self,
        epoch: KeyEpoch,
        peers: PeerSet,
        agreed: &[Digest],
        label: &Label,
    ) -> Result<Randomness, SeedError> {
        let names = self.names(epoch);
        for (at, peer) in peers.iter().enumerate() {
            let name = names.get(peer.offset()).copied().flatten().ok_or(SeedError::Missing)?;
            if name != *agreed.get(at).ok_or(SeedError::Missing)? && !disabled(Rule::AgreedKeys) {
                return Err(SeedError::Changed);
            }
        }
        let keys: Vec<_> = subsets(self.sharing)
            .filter(|set| set.contains(self.me))
            .map(|set| Ok((set, self.key(epoch, set, peers, label)?)))
            .collect::<Result<_, SeedError>>()?;
        self.spend(label)?;
        Ok(Randomness::new(self.sharing, self.me, keys))
    }

    /// Notes that a label is used; a second time is refused, and so is what is too old to be remembered.
    fn spend(&mut self, label: &Label) -> Result<(), SeedError> {
        let spent = self.spent.entry(label.subject).or_default();
        let forgotten = spent.len() == SPENT && spent.first().is_some_and(|&oldest| label.window < oldest);
        if forgotten || !spent.insert(label.window) {
            return Err(SeedError::Spent);
        }
        if spent.len() > SPENT {
            spent.pop_first();
        }
        Ok(())
    }

    fn key(
        &self,
        epoch: KeyEpoch,
        set: PeerSet,
        peers: PeerSet,
        label: &Label,
    ) -> Result<Zeroizing<[u8; 32]>, SeedError> {
        let mut hash = Sha256::new();
        hash.update(b"murmuration/1/prss/key\0");
        hash.update(set.bits().to_be_bytes());
        hash.update(set.intersection(peers).bits().to_be_bytes());
        for peer in set.intersection(peers).iter() {
            hash.update(self.contribution_of(peer, epoch, set).ok_or(SeedError::Missing)?.0);
        }
        label.hash_into(&mut hash);
        Ok(Zeroizing::new(hash.finalize().into()))
    }

    fn contribution_of(&self, peer: PeerIndex, epoch: KeyEpoch, set: PeerSet) -> Option<Contribution> {
        if peer == self.me {
            return Some(self.contribution(epoch, set));
        }
        let batch = self.epochs.get(&epoch)?[peer.offset()].as_ref()?;
        let at = self.common(peer).position(|common| common == set)?;
        batch.contributions.get(at).cloned()
    }

    fn common(&self, peer: PeerIndex) -> impl Iterator<Item = PeerSet> {
        let me = self.me;
        subsets(self.sharing).filter(move |set| set.contains(me) && set.contains(peer))
    }

    fn contribution(&self, epoch: KeyEpoch, set: PeerSet) -> Contribution {
        let mut hash = self.epoch_hash(b"murmuration/1/prss/contribution\0", epoch);
        hash.update(set.bits().to_be_bytes());
        Contribution(hash.finalize().into())
    }

    fn epoch_hash(&self, domain: &[u8], epoch: KeyEpoch) -> Sha256 {
        let mut hash = Sha256::new();
        hash.update(domain);
        hash.update(self.root.as_slice());
        hash.update(epoch.0.to_be_bytes());
        hash
    }
}

impl std::fmt::Debug for Seeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let epochs: Vec<_> = self.epochs.keys().collect();
        write!(f, "Seeds {{ me: {}, epochs: {epochs:?}, keys: <redacted> }}", self.me)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Fp;
    use crate::polynomial::interpolate;

    const EPOCH: KeyEpoch = KeyEpoch(7);

    fn label(window: u64) -> Label {
        Label { subject: Digest([1; 32]), window: WindowIndex(window), plan: Digest([2; 32]) }
    }

    fn peers(sharing: Sharing) -> Vec<Seeds> {
        let root = |peer: PeerIndex| Zeroizing::new([peer.get(); 32]);
        let mut all: Vec<_> = sharing.indices().map(|peer| Seeds::new(sharing, peer, root(peer))).collect();
        for from in 0..all.len() {
            for to in (0..all.len()).filter(|&to| to != from) {
                let batch = all[from].batch_for(all[to].me, EPOCH);
                let sender = all[from].me;
                assert_eq!(all[to].take(EPOCH, sender, batch.clone()), Ok(true));
                assert_eq!(all[to].take(EPOCH, sender, batch), Ok(false));
            }
        }
        all
    }

    /// What the peers agree on: the names of the contributions of `some`.
    fn agreed(seeds: &Seeds, some: PeerSet) -> Vec<Digest> {
        some.iter().filter_map(|peer| seeds.names(EPOCH)[peer.offset()]).collect()
    }

    fn degree(all: &mut [Seeds], some: PeerSet) -> Option<usize> {
        let mut points = Vec::new();
        for seeds in all.iter_mut().filter(|seeds| some.contains(seeds.me)) {
            let mut element = [Fp::ZERO];
            let agreed = agreed(seeds, some);
            seeds.session(EPOCH, some, &agreed, &label(1)).unwrap().add_random(&mut element);
            points.push((seeds.me.point(), element[0]));
        }
        interpolate(&points).unwrap().degree()
    }

    #[test]
    fn whoever_computes_draws_alike() {
        let sharing = Sharing::new(5, 1).unwrap();
        let all: PeerSet = sharing.indices().collect();
        assert_eq!(degree(&mut peers(sharing), all), Some(1));
        assert_eq!(degree(&mut peers(sharing), all.without(PeerIndex::new(4).unwrap())), Some(1));
        assert!(peers(sharing).windows(2).all(|pair| pair[0].names(EPOCH) == pair[1].names(EPOCH)));
    }

    #[test]
    fn a_label_serves_once() {
        let sharing = Sharing::new(3, 1).unwrap();
        let all: PeerSet = sharing.indices().collect();
        let mut peer = peers(sharing).remove(0);
        let agreed = agreed(&peer, all);
        for window in [5, 4, 20, 6] {
            assert!(peer.session(EPOCH, all, &agreed, &label(window)).is_ok());
            assert_eq!(peer.session(EPOCH, all, &agreed, &label(window)).unwrap_err(), SeedError::Spent);
            let other = Label { plan: Digest([3; 32]), ..label(window) };
            assert_eq!(peer.session(EPOCH, all, &agreed, &other).unwrap_err(), SeedError::Spent);
        }
        for window in 21..30 {
            assert!(peer.session(EPOCH, all, &agreed, &label(window)).is_ok());
        }
        for window in 0..21 {
            assert_eq!(
                peer.session(EPOCH, all, &agreed, &label(window)).unwrap_err(),
                SeedError::Spent,
                "{window}"
            );
        }
    }

    #[test]
    fn a_peer_that_restarted_must_contribute_anew() {
        let sharing = Sharing::new(3, 1).unwrap();
        let all: PeerSet = sharing.indices().collect();
        let mut peers = peers(sharing);
        let reborn = Seeds::new(sharing, peers[0].me, Zeroizing::new([99; 32]));
        assert_ne!(reborn.names(EPOCH), peers[1].names(EPOCH));
        let batch = reborn.batch_for(peers[1].me, EPOCH);
        assert_eq!(peers[1].take(EPOCH, reborn.me, batch), Ok(true));
        let (mut reborn, agreed) = (reborn, agreed(&peers[1], all));
        assert_eq!(reborn.session(EPOCH, all, &agreed, &label(1)).unwrap_err(), SeedError::Missing);
    }

    #[test]
    fn nothing_is_drawn_from_contributions_that_were_not_agreed_on() {
        let sharing = Sharing::new(3, 1).unwrap();
        let all: PeerSet = sharing.indices().collect();
        let mut peers = peers(sharing);
        let agreed = agreed(&peers[1], all);
        let before = peers[0].batch_for(peers[1].me, EPOCH);
        let reborn = Seeds::new(sharing, peers[0].me, Zeroizing::new([99; 32]));
        let batch = reborn.batch_for(peers[1].me, EPOCH);
        assert_eq!(peers[1].take(EPOCH, reborn.me, batch), Ok(true));
        let changed = peers[1].session(EPOCH, all, &agreed, &label(1)).unwrap_err();
        assert_eq!(changed, SeedError::Changed);
        // The label is not spent by that.
        assert_eq!(peers[1].take(EPOCH, reborn.me, before), Ok(true));
        assert_eq!(peers[1].session(EPOCH, all, &agreed[..2], &label(1)).unwrap_err(), SeedError::Missing);
        assert!(peers[1].session(EPOCH, all, &agreed, &label(1)).is_ok());
    }

    #[test]
    fn garbage_is_refused() {
        let sharing = Sharing::new(3, 1).unwrap();
        let mut peers = peers(sharing);
        let mut batch = peers[0].batch_for(peers[1].me, EPOCH);
        let from = peers[0].me;
        assert_eq!(peers[1].take(KeyEpoch(9), from, batch.clone()), Err(SeedError::NotNow));
        batch.contributions.pop();
        assert_eq!(peers[1].take(EPOCH, from, batch), Err(SeedError::Malformed));
    }
}
