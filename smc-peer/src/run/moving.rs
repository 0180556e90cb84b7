//! A peer whose site's member list moves while it runs: its state machine begins anew, its connection stays.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand_core::Rng;
use smc_core::audit::Kind;
use smc_core::card::Recipients;
use smc_core::charter::{Enacted, next_boundary};
use smc_core::identity::{SealingSecret, SigningKey};
use smc_core::introduction::MAX_INTRODUCTION;
use smc_core::name::{NodeName, QuantityName};
use smc_core::peer::Peer;
use smc_core::protocol::standing::Standing;
use smc_core::roster::Roster;
use smc_core::time::Timestamp;
use smc_mqtt::members::{Members, MembersError};
use smc_mqtt::status::Presence;
use smc_mqtt::topic::Topic;
use tracing::{error, info, warn};
use zeroize::Zeroizing;

use super::consent::Ballot;
use super::disk::Disk;
use super::report::Reporter;
use super::service::Service;
use super::{PeerError, PeerOptions};
use crate::quota::Quotas;
use crate::run::start::recover;

/// The most cards and presences that are kept: those of the most peers, and of as many that are to come.
const MAX_NODES: usize = 18;
/// How often a disk that takes nothing is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// The largest card that is kept.
const MAX_CARD: usize = 4096;

/// What a peer needs to go where the member list goes.
pub(super) struct Moving {
    pub(super) members: Option<Members>,
    /// What it thinks of changes to come.
    pub(super) ballot: Ballot,
    /// Whether the broker has shown the charters on this connection.
    pub(super) shown: bool,
    sealing: SealingSecret,
    /// The beginning of the newest window that it voted in.
    voted: Timestamp,
    /// How many charters are in the log.
    logged: usize,
    /// What the disk did not take of the list, or of what this peer signs of it.
    unkept: Option<Unkept>,
    /// What is to be published once it is in the log.
    outgoing: Vec<(Topic, Bytes)>,
    /// The newest of each node as they came: what is retained comes once.
    cards: BTreeMap<NodeName, Bytes>,
    /// Of nodes that the list is about to name, or to give other keys.
    introductions: BTreeMap<NodeName, Bytes>,
    presences: BTreeMap<NodeName, Presence>,
}

/// A file that could not be written; it is tried again.
struct Unkept {
    reason: String,
    retry: Timestamp,
    /// The charters as they came: what is retained comes once.
    chain: Option<Bytes>,
}

impl Moving {
    /// Begins with what `options` say.
    ///
    /// # Errors
    /// If what was signed before can't be read.
    pub(super) fn new(options: &PeerOptions, now: Timestamp) -> Result<Self, PeerError> {
        Ok(Self {
            members: options.members.clone(),
            ballot: Ballot::load(options, now)?,
            shown: false,
            sealing: SealingSecret::from_bytes(&options.secrets.keys.sealing.to_bytes()),
            voted: Timestamp::default(),
            logged: options.members.as_ref().map_or(0, |members| members.register().charters().len()),
            unkept: None,
            outgoing: Vec::new(),
            cards: BTreeMap::new(),
            introductions: BTreeMap::new(),
            presences: BTreeMap::new(),
        })
    }

    /// The charters that are known.
    pub(super) fn charters(&self) -> &[Enacted] {
        self.members.as_ref().map_or(&[], |members| members.register().charters())
    }

    /// Why the member list can't be kept, while that is so.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.unkept.as_ref().map(|unkept| unkept.reason.as_str())
    }

    /// Publishes a retained document of the peer's own, after what led to it is in the log.
    pub(super) fn publish_later(&mut self, topic: Topic, json: Vec<u8>) {
        self.outgoing.push((topic, json.into()));
    }

    /// Notes that the peer voted.
    pub(super) fn note_vote(&mut self, roster: &Roster, quantity: &QuantityName, vote: &Standing) {
        let Some(quantity) = roster.quantity_named(quantity.as_str()) else { return };
        let start = roster.quantity(quantity).quantity.period().start(vote.window);
        self.voted = self.voted.max(start);
    }

    /// Keeps a card for the roster that it may be of.
    pub(super) fn keep_card(&mut self, node: &NodeName, payload: &Bytes) {
        let room = self.cards.contains_key(node) || self.cards.len() < MAX_NODES;
        if self.members.is_some() && room && payload.len() <= MAX_CARD {
            self.cards.insert(node.clone(), Bytes::copy_from_slice(payload));
        }
    }

    /// Keeps how a node introduces itself that a change is about which does not hold here yet; whether there is one.
    pub(super) fn keep_introduction(&mut self, node: &NodeName, payload: &Bytes) -> bool {
        let is_about =
            |enacted: &Enacted| enacted.charter.change.member().is_some_and(|(name, _)| name == node);
        let pending = self.members.as_ref().map_or(&[][..], |members| members.register().pending());
        let expected = payload.len() <= MAX_INTRODUCTION && pending.iter().any(is_about);
        if expected {
            self.introductions.insert(node.clone(), Bytes::copy_from_slice(payload));
        }
        expected
    }

    /// Keeps a peer's presence.
    pub(super) fn keep_presence(&mut self, node: &NodeName, presence: Presence) {
        if self.members.is_some() {
            self.presences.insert(node.clone(), presence);
        }
    }
}

impl Service {
    /// When the peer goes on with the next list: a little after that takes force, so that windows before it are done, and
    /// before the first window of the new list closes. Who hears of it later and has voted by the old list in this epoch waits
    /// for the next one: in one epoch a peer votes by one list.
    pub(super) fn move_due(&self) -> Option<Timestamp> {
        // Who can't write what it owes its disk could not say afterwards how it voted: it stays where it is until then.
        let due = self.list_due()?;
        let retry =
            self.disk.retry().into_iter().chain(self.moving.unkept.as_ref().map(|unkept| unkept.retry));
        Some(retry.fold(due, Timestamp::max))
    }

    fn list_due(&self) -> Option<Timestamp> {
        let effective = self.moving.members.as_ref()?.due()?;
        let timing = self.roster.timing();
        let period = self.roster.shortest_period().map_or(Duration::MAX, |period| period.as_duration());
        let lag = timing.grace + (2 * timing.step).min(period / 5 * 4);
        if self.moving.voted < effective {
            return Some(effective + lag);
        }
        let after = self.moving.voted + Duration::from_micros(1);
        Some(next_boundary(after, timing.cohort_epoch) + lag)
    }

    /// Goes on with the list that is in force now, if it is time to.
    ///
    /// # Errors
    /// If this peer is on the list no longer, or the store is gone.
    pub(super) async fn move_on(&mut self) -> Result<(), PeerError> {
        let now = self.clock.now();
        if self.move_due().is_none_or(|due| due > now) {
            return Ok(());
        }
        // Also what is not waited for otherwise: the store changes hands, and what is owed to it does not.
        self.disk.commit(now).await?;
        self.mind_disk();
        if self.trouble().is_some() {
            return Ok(());
        }
        let Some(members) = &mut self.moving.members else { return Ok(()) };
        let Some(roster) = members.advance(now)? else { return Ok(()) };
        let revision = members.register().revision_in_force();
        let own = (self.signing.verifying_key(), *self.moving.sealing.public());
        let is_me = |&(_, node): &(_, &smc_core::roster::Node)| {
            node.name == self.name && (node.identity, node.sealing) == own
        };
        let Some((me, _)) = roster.peers().find(is_me) else {
            return Err(PeerError::Removed { node: self.name.to_string(), revision });
        };
        info!(node = %self.name, revision, "a new member list holds");
        self.me = me;
        self.begin_anew(roster, now).await
    }

    /// As after a restart: what fits the new list is recovered, what does not is left out.
    async fn begin_anew(&mut self, roster: Arc<Roster>, now: Timestamp) -> Result<(), PeerError> {
        let store = self.disk.close().await?;
        let recovered = recover(&roster, &mut self.opener, &store)?;
        let mut root = Zeroizing::new([0; 32]);
        self.rng.fill_bytes(&mut *root);
        let key = SigningKey::from_bytes(&self.signing.to_bytes());
        self.peer = Peer::new(self.me, key, Arc::clone(&roster), Some(recovered), root, now);
        let sealing = SealingSecret::from_bytes(&self.moving.sealing.to_bytes());
        self.recipients = Recipients::new(Arc::clone(&roster), self.name.clone(), sealing);
        self.quotas = Quotas::new(&roster, now);
        self.reporter = Reporter::default();
        self.disk = Disk::new(store, &roster)?;
        self.account.begin_anew(&roster, now);
        self.introductions = self.introductions.moved_to(Arc::clone(&roster));
        self.policy.move_to(Arc::clone(&roster));
        self.desk.move_to(Arc::clone(&roster), now);
        if let Some(board) = &mut self.board {
            board.begin_anew();
        }
        self.roster = roster;
        // The new state machine has to know that it abstains.
        self.peer.handle_abstention(self.abstains);
        self.remember_nodes(now);
        // What runs goes on, as far as the new list can compute it; what does not is told to its client.
        self.drain().await?;
        // Agents send again what this peer may have missed when they see its card; those that are new had no other chance.
        self.handle_connected();
        self.appear_anew(now);
        Ok(())
    }

    fn remember_nodes(&mut self, now: Timestamp) {
        let roster = Arc::clone(&self.roster);
        let is_peer = |node: &NodeName| roster.peer_named(node.as_str());
        self.moving.cards.retain(|node, _| is_peer(node).is_some());
        self.moving.presences.retain(|node, _| is_peer(node).is_some());
        for (node, card) in self.moving.cards.clone() {
            self.handle_card(&node, &card);
        }
        for (node, introduction) in std::mem::take(&mut self.moving.introductions) {
            self.handle_introduction(&node, &introduction);
        }
        let presences = self.moving.presences.iter();
        let known: Vec<_> =
            presences.filter_map(|(node, presence)| Some((is_peer(node)?, *presence))).collect();
        for (peer, presence) in known.into_iter().filter(|(peer, _)| *peer != self.me) {
            self.peer.handle_presence(now, peer, presence == Presence::Online);
        }
    }

    /// Takes in a chain of charters.
    ///
    /// # Errors
    /// If what this peer signs because of it can't be kept.
    pub(super) fn handle_charter(&mut self, payload: &[u8]) -> Result<(), PeerError> {
        let Some(members) = &mut self.moving.members else { return Ok(()) };
        self.moving.shown = true;
        match members.take(payload) {
            Ok(true) => {
                self.moved();
                return self.consider(self.clock.now());
            }
            Ok(false) => {}
            Err(MembersError::File { path, error }) => {
                self.not_kept(&path, &error, Some(Bytes::copy_from_slice(payload)));
            }
            Err(error) => {
                let older =
                    matches!(&error, MembersError::Charter(smc_core::charter::CharterError::Older { .. }));
                if older {
                    // Somebody brought an old one back; whoever comes later must find the newest.
                    self.publish_charters();
                } else {
                    warn!(node = %self.name, %error, "member list refused");
                }
                self.refuse("bad_charter", "");
            }
        }
        Ok(())
    }

    /// The disk did not take a file about the list: the peer is idle until it does, for the others may go on with a list that
    /// this one does not have.
    pub(super) fn not_kept(&mut self, path: &Path, error: &io::Error, chain: Option<Bytes>) {
        let reason = error.to_string();
        // Once: who is idle already has said why.
        if !self.abstains {
            error!(node = %self.name, path = %path.display(), %reason, "could not write; trying again");
        }
        let chain = chain.or_else(|| self.moving.unkept.take()?.chain);
        self.moving.unkept = Some(Unkept { reason, retry: self.clock.now() + RETRY, chain });
    }

    /// When [`Service::keep_list`] is due.
    pub(super) fn list_retry(&self) -> Option<Timestamp> {
        self.moving.unkept.as_ref().map(|unkept| unkept.retry)
    }

    /// Tries again to write what could not be written about the list.
    ///
    /// # Errors
    /// If what was kept does not hold together.
    pub(super) fn keep_list(&mut self, now: Timestamp) -> Result<(), PeerError> {
        let Some(unkept) = self.moving.unkept.take_if(|unkept| unkept.retry <= now) else { return Ok(()) };
        match &unkept.chain {
            Some(chain) => self.handle_charter(chain)?,
            None => self.consider(now)?,
        }
        if self.moving.unkept.is_none() {
            info!(node = %self.name, "the member list is on disk");
        }
        Ok(())
    }

    /// There is a newer list: says so, and looks again at what was proposed too early.
    pub(super) fn moved(&mut self) {
        let Some(members) = &self.moving.members else { return };
        let register = members.register();
        let due = register.due().map(|due| due.to_string());
        info!(node = %self.name, revision = register.revision(), due, "a newer member list");
        let now = self.clock.now();
        for enacted in register.charters().iter().skip(self.moving.logged) {
            self.account.audit.record(now, Kind::Membership, enacted);
        }
        self.moving.logged = register.charters().len();
        if let Err(error) = self.moving.ballot.poll.look_again(register, now) {
            warn!(node = %self.name, %error, "proposal refused");
        }
    }

    /// Shows the broker the charters if it has not shown them, because it lost what it was to keep.
    pub(super) fn remind_of_charters(&mut self) {
        let members = self.moving.members.as_ref();
        let any = members.is_some_and(|members| members.register().revision() > 0);
        if any && !self.moving.shown {
            self.publish_charters();
        }
    }

    pub(super) fn publish_charters(&mut self) {
        let Some(members) = &self.moving.members else { return };
        let json = members.to_json();
        self.moving.publish_later(Topic::Charter, json);
    }

    /// Publishes what has waited for the log.
    pub(super) fn publish_moves(&mut self) {
        for (topic, json) in std::mem::take(&mut self.moving.outgoing) {
            self.publish(&topic, json);
        }
    }
}

impl From<MembersError> for PeerError {
    fn from(error: MembersError) -> Self {
        Self::Members(Box::new(error))
    }
}
