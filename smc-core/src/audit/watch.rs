//! What a peer has seen of the others' heads, and whether they go together.

use std::collections::VecDeque;
use std::sync::Arc;

use super::head::{Forked, Growth, Head, HeadError};
use crate::document::Signed;
use crate::roster::Roster;
use crate::shamir::PeerIndex;
use crate::time::Timestamp;

/// How many heads of each peer are held against what comes.
const KEPT: usize = 16;
/// How many heads a peer may publish at once, and every how many microseconds one more: ten times as many as it does.
const BURST: (u64, u64) = (32, 10_000_000);

/// The heads of the other peers.
#[derive(Debug)]
pub struct Heads {
    roster: Arc<Roster>,
    seen: Vec<Seen>,
}

/// What was seen of one peer.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// From the oldest on. The last one is what the peer is held to.
    kept: VecDeque<Signed<Head>>,
    /// The newest of those that contradict them.
    forked: VecDeque<Signed<Head>>,
    /// How many heads were taken that time has not made up for, and since when.
    taken: (u64, Timestamp),
}

/// What became of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It contradicts `earlier`; both together prove it. To be logged.
    Forked(Forked),
    /// It was known, or is older than one that is.
    Known,
    /// It is new: to be logged. Whether it is shown that the log only grew since the last one.
    New {
        /// Whether the head proves it, rather than that heads in between were missed.
        proven: bool,
    },
}

/// Why a head was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// It is none.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The peer publishes more than anybody should log.
    #[error("too many heads")]
    TooMany,
}

impl Heads {
    /// None seen yet.
    pub fn new(roster: Arc<Roster>) -> Self {
        let seen = roster.peers().map(|_| Seen::default()).collect();
        Self { roster, seen }
    }

    /// What is known of the peers that are in `roster`, too, with the keys that they had.
    #[must_use]
    pub fn moved_to(&self, roster: Arc<Roster>) -> Self {
        let seen = roster.peers().map(|(_, node)| {
            let before = self.roster.peers().find(|(_, before)| *before == node);
            before.and_then(|(index, _)| self.seen.get(index.offset())).cloned().unwrap_or_default()
        });
        let seen = seen.collect();
        Self { roster, seen }
    }

    /// Takes in a head that was logged in an earlier life, the oldest first. What is no head, or contradicts one, is
    /// passed over.
    pub fn recover(&mut self, from: PeerIndex, json: &[u8]) {
        let Some(node) = self.roster.peer(from) else { return };
        let Ok(head) = Head::read(json, self.roster.site(), node) else { return };
        let seen = &mut self.seen[from.offset()];
        if matches!(seen.judge(&head.document), Ok(Growth::Missed | Growth::Proven)) {
            keep(&mut seen.kept, head);
        }
    }

    /// Takes in a head that was published as one of `from`.
    ///
    /// # Errors
    /// If it counts for nothing.
    pub fn take(
        &mut self,
        now: Timestamp,
        from: PeerIndex,
        json: &[u8],
    ) -> Result<(Taken, Signed<Head>), NotTaken> {
        let node = self.roster.peer(from).ok_or(HeadError::Malformed)?;
        let head = Head::read(json, self.roster.site(), node)?;
        let seen = &mut self.seen[from.offset()];
        let taken = match seen.judge(&head.document) {
            Ok(Growth::Older | Growth::Same) => return Ok((Taken::Known, head)),
            Err(_) if seen.forked.contains(&head) => return Ok((Taken::Known, head)),
            Ok(growth) => Taken::New { proven: growth == Growth::Proven },
            Err(forked) => Taken::Forked(forked),
        };
        seen.allow(now)?;
        // The first story is what a peer is held to, whatever it tells later.
        let kept = if let Taken::New { .. } = taken { &mut seen.kept } else { &mut seen.forked };
        keep(kept, head.clone());
        Ok((taken, head))
    }

    /// The newest head of `peer` that goes together with those before.
    pub fn newest(&self, peer: PeerIndex) -> Option<&Signed<Head>> {
        self.seen.get(peer.offset())?.kept.back()
    }
}

impl Seen {
    /// How a head follows from the newest one; first of all from the one with as many entries.
    fn judge(&self, head: &Head) -> Result<Growth, Forked> {
        let Some(newest) = self.kept.back() else { return Ok(Growth::Proven) };
        match self.kept.iter().find(|kept| kept.document.size == head.size) {
            Some(same) => head.follows(&same.document).map(|_| Growth::Same),
            None => head.follows(&newest.document),
        }
    }

    fn allow(&mut self, now: Timestamp) -> Result<(), NotTaken> {
        let (burst, every) = BURST;
        let (taken, since) = self.taken;
        let made_up = now.as_micros().saturating_sub(since.as_micros()) / every;
        let taken = taken.saturating_sub(made_up);
        if taken >= burst {
            return Err(NotTaken::TooMany);
        }
        let rest = if taken == 0 { now } else { Timestamp::from_micros(since.as_micros() + made_up * every) };
        self.taken = (taken + 1, rest);
        Ok(())
    }
}

fn keep(heads: &mut VecDeque<Signed<Head>>, head: Signed<Head>) {
    if heads.len() == KEPT {
        heads.pop_front();
    }
    heads.push_back(head);
}
