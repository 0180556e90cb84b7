//! What a peer keeps account of, and how it holds the others to theirs (docs/audit.md).

use std::collections::BTreeSet;
use std::sync::Arc;

use smc_core::audit::{Head, Heads, Kind, NotTaken, Started, Taken};
use smc_core::charter::Enacted;
use smc_core::document::{Signed, canonical};
use smc_core::shamir::PeerIndex;
use tracing::error;

use super::*;
use crate::audit::{Audit, Ledger};

/// The log, and the heads of all peers.
pub(in crate::run) struct Account {
    pub(in crate::run) audit: Audit,
    heads: Heads,
    /// Whose logs told two stories since this peer started.
    forked: BTreeSet<NodeName>,
}

/// What this peer knows of another one's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::run) enum Known {
    /// Two heads contradict each other.
    Forked,
    /// All heads that were seen go together; this is the newest.
    Grown(Head),
    /// No head was seen.
    Unheard,
}

impl Account {
    /// Logs that the peer starts, and before that the charters that the log lacks: they came while the peer did not run.
    pub(super) fn new(
        me: PeerIndex,
        ledger: Option<Ledger>,
        (roster, charters): (&Arc<Roster>, &[Enacted]),
        head_every: Duration,
        now: Timestamp,
    ) -> Result<Self, PeerError> {
        let mut heads = Heads::new(Arc::clone(roster));
        for head in ledger.as_ref().map_or(Ok(Vec::new()), Ledger::others_heads)? {
            let known = serde_json::from_str::<Signed<Head>>(&head).ok();
            let peer = known.and_then(|head| roster.peer_named(head.document.peer.as_str()));
            if let Some(peer) = peer.filter(|peer| *peer != me) {
                heads.recover(peer, head.as_bytes());
            }
        }
        if let Some(own) = ledger.as_ref().and_then(Ledger::newest_head) {
            heads.recover(me, &canonical(own));
        }
        let logged = ledger.as_ref().map_or(Ok(0), |ledger| ledger.revision(charters))?;
        let audit = Audit::start(ledger, head_every, now).map_err(|_| PeerError::LogThread)?;
        let mut account = Self { audit, heads, forked: BTreeSet::new() };
        for enacted in charters.iter().filter(|enacted| enacted.charter.revision > logged) {
            account.audit.record(now, Kind::Membership, enacted);
        }
        account.audit.record_start(now, &Started::new(roster, env!("CARGO_PKG_VERSION")));
        Ok(account)
    }

    /// Goes on with another member list: the log stays, and so do the heads of the peers that stay.
    pub(in crate::run) fn begin_anew(&mut self, roster: &Arc<Roster>, now: Timestamp) {
        self.heads = self.heads.moved_to(Arc::clone(roster));
        self.forked.retain(|peer| roster.peer_named(peer.as_str()).is_some());
        self.audit.record_start(now, &Started::new(roster, env!("CARGO_PKG_VERSION")));
    }

    /// What is known of the log of a peer.
    pub(in crate::run) fn known(&self, index: PeerIndex, peer: &NodeName) -> Known {
        match self.heads.newest(index) {
            _ if self.forked.contains(peer) => Known::Forked,
            Some(head) => Known::Grown(head.document.clone()),
            None => Known::Unheard,
        }
    }
}

impl Service {
    /// Logs what has to be accounted for.
    pub(super) fn log(&mut self, event: &Event) {
        let (now, audit) = (self.clock.now(), &mut self.account.audit);
        match event {
            Event::Persist { quantity, vote } => audit.record_vote(now, quantity, vote),
            Event::Result { result, .. } => audit.record(now, Kind::Result, &**result),
            _ => {}
        }
    }

    /// Why this peer must not take part, while that is so: it could not account for it.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.disk.trouble().or(self.account.audit.trouble())
    }

    /// A peer that can't write its votes down takes no part until it can: it could vote twice. Nor one without a log.
    pub(in crate::run) fn mind_disk(&mut self) {
        if self.trouble().is_some() == self.abstains {
            return;
        }
        self.abstains = !self.abstains;
        self.peer.handle_abstention(self.abstains);
        if self.abstains {
            self.publish_status();
        } else {
            info!(node = %self.name, "what could not be written is on disk; taking part again");
            self.handle_connected();
        }
    }

    /// Waits for the next head of its own log.
    pub(in crate::run) async fn next_head(&mut self) -> Signed<Head> {
        let clock = &self.clock;
        self.account.audit.next_head(|| clock.now()).await
    }

    /// Publishes a head of its own log.
    pub(in crate::run) fn publish_head(&mut self, head: &Signed<Head>) {
        let json = canonical(head);
        // So that one that somebody else publishes is noticed.
        let _ = self.account.heads.take(self.clock.now(), self.me, &json);
        self.publish(&Topic::Audit { peer: self.name.clone() }, json.into());
    }

    /// Says again what its log came to.
    pub(super) fn repeat_head(&mut self) {
        if let Some(newest) = self.account.audit.newest().cloned() {
            self.publish_head(&newest);
        }
    }

    /// Takes in a head that was published as `peer`'s.
    pub(super) fn handle_head(&mut self, peer: &NodeName, payload: &Bytes) {
        let Some(index) = self.roster.peer_named(peer.as_str()) else {
            return self.refuse("head_of_no_peer", peer.as_str());
        };
        let now = self.clock.now();
        match self.account.heads.take(now, index, payload) {
            Ok((Taken::Known, _)) => {}
            Ok((taken, head)) if index == self.me => self.disown(&taken, &head),
            Ok((taken, head)) => {
                // Also one that contradicts: it is the proof.
                self.account.audit.record(now, Kind::Head, &head);
                self.touch_board();
                if let Taken::Forked(forked) = taken {
                    self.account.forked.insert(peer.clone());
                    error!(node = %self.name, %peer, %forked, "a peer's log tells two stories");
                    self.blame(peer, "forked_log", None);
                    self.publish_status();
                }
            }
            Err(NotTaken::Head(_)) => self.refuse("bad_head", peer.as_str()),
            Err(NotTaken::TooMany) => self.refuse("too_many_heads", peer.as_str()),
        }
    }

    /// A head that this peer signed and its log does not have: the log was lost, or an old copy of it put back.
    fn disown(&mut self, taken: &Taken, head: &Signed<Head>) {
        let size = head.document.size;
        error!(node = %self.name, size, ?taken, "this peer signed for entries that its log does not have");
        let own = self.name.clone();
        self.account.forked.insert(own.clone());
        self.touch_board();
        self.blame(&own, "forked_log", None);
        self.publish_status();
    }
}
