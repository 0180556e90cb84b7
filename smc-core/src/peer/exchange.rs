//! Rounds in which peers show each other shares: what this one shows, and what it has heard.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::Node;
use super::ballot::Cast;
use super::event::Refusal;
use crate::field::Fp;
use crate::message::{MAX_PARTS, MAX_SHARES, OutputShares, Partial, PeerMessage, Purpose};
use crate::peers::PeerSet;
use crate::shamir::PeerIndex;
use crate::time::{Timestamp, WindowIndex};

/// The rounds of one computation. A peer shows its shares of a round once, and to the peers of P alone.
#[derive(Debug)]
pub(super) struct Exchange {
    of: Purpose,
    window: WindowIndex,
    /// P, once this peer takes part.
    peers: PeerSet,
    /// The round that runs; others can be ahead by one at most, for they need this peer's shares.
    round: u32,
    heard: BTreeMap<(u32, PeerIndex), Shown>,
    deadline: Option<Timestamp>,
}

/// What one peer showed in one round, as far as it came.
#[derive(Debug)]
struct Shown(Vec<Option<OutputShares>>);

impl Exchange {
    pub(super) fn new(of: Purpose, window: WindowIndex) -> Self {
        Self { of, window, peers: PeerSet::EMPTY, round: 0, heard: BTreeMap::new(), deadline: None }
    }

    /// When the running round is given up.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Takes in what `from` shows.
    pub(super) fn take(&mut self, from: PeerIndex, partial: Partial) -> Result<Cast, Refusal> {
        let Partial { round, part, parts, shares, .. } = partial;
        if round > self.round + 1 {
            return Err(Refusal::Early);
        }
        if part >= parts || parts > MAX_PARTS {
            return Err(Refusal::Malformed);
        }
        if round < self.round {
            return Ok(Cast::Duplicate);
        }
        let Shown(slots) =
            self.heard.entry((round, from)).or_insert_with(|| Shown((0..parts).map(|_| None).collect()));
        let whole = slots.len() == usize::from(parts);
        match slots.get_mut(usize::from(part)).filter(|_| whole) {
            None => Ok(Cast::Contradicts),
            Some(Some(known)) if *known == shares => Ok(Cast::Duplicate),
            Some(Some(_)) => Ok(Cast::Contradicts),
            Some(empty) => {
                *empty = Some(shares);
                Ok(Cast::New)
            }
        }
    }

    /// Shows this peer's shares of the running round to `peers`.
    pub(super) fn show(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        peers: PeerSet,
        shares: Zeroizing<Vec<Fp>>,
    ) {
        self.peers = peers;
        self.deadline = Some(now + node.roster.timing().step);
        let parts = shares.len().div_ceil(MAX_SHARES).max(1);
        for part in 0..parts {
            let chunk = &shares[part * MAX_SHARES..((part + 1) * MAX_SHARES).min(shares.len())];
            let partial = Partial {
                of: self.of.clone(),
                window: self.window,
                round: self.round,
                part: part as u16,
                parts: parts as u16,
                shares: OutputShares(Zeroizing::new(chunk.to_vec())),
            };
            node.say(peers, PeerMessage::Partial(partial));
        }
        self.heard.insert((self.round, node.me), Shown(vec![Some(OutputShares(shares))]));
    }

    /// What all of P have shown in the running round, which ends with it; none as long as somebody is missing.
    pub(super) fn heard(&mut self) -> Option<Vec<(PeerIndex, Zeroizing<Vec<Fp>>)>> {
        if self.deadline.is_none() || self.have() < self.peers.len() {
            return None;
        }
        let round = self.round;
        self.round += 1;
        self.deadline = None;
        let rest = self.heard.split_off(&(self.round, PeerIndex::FIRST));
        let shown = std::mem::replace(&mut self.heard, rest);
        let of_round = shown.into_iter().filter(|((at, peer), _)| *at == round && self.peers.contains(*peer));
        Some(of_round.map(|((_, peer), shown)| (peer, shown.join())).collect())
    }

    /// How many of P have shown all their shares of the running round.
    pub(super) fn have(&self) -> usize {
        let complete = |peer: &PeerIndex| {
            self.heard.get(&(self.round, *peer)).is_some_and(|Shown(parts)| parts.iter().all(Option::is_some))
        };
        self.peers.iter().filter(complete).count()
    }

    /// P.
    pub(super) fn peers(&self) -> PeerSet {
        self.peers
    }
}

impl Shown {
    /// All parts as one.
    fn join(self) -> Zeroizing<Vec<Fp>> {
        let mut parts: Vec<_> = self.0.into_iter().flatten().map(|OutputShares(shares)| shares).collect();
        if parts.len() == 1 {
            return parts.swap_remove(0);
        }
        let mut all = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| all.extend_from_slice(part));
        all
    }
}
