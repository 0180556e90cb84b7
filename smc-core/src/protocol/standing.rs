//! The cohort that an epoch stands on (docs/protocol.md, 4.4).
//!
//! A cohort is frozen for an epoch, but no peer can know alone whether the window it voted in came to be agreed: the
//! last vote that was missing at its own place may have reached another. So a **vote** binds: each inventory carries
//! the sender's last vote of the epoch, and the plan goes on with the cohort that may have been agreed. Any two
//! quorums share an honest peer, hence one of those heard was there.

use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::peers::PeerSet;
use crate::roster::Quorum;
use crate::shamir::PeerIndex;
use crate::time::WindowIndex;

/// A peer's last vote in a cohort epoch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The cohort epoch.
    pub epoch: u64,
    /// The window it voted in.
    pub window: WindowIndex,
    /// P: the peers that were to agree.
    pub peers: PeerSet,
    /// The cohort.
    pub members: Members,
}

/// A set of streams of one quantity, as bits in the order of the roster. On the wire: base64url.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Members(Vec<u8>);

impl Members {
    /// The set of the ascending places `members` out of `streams`.
    pub fn new(streams: usize, members: impl IntoIterator<Item = usize>) -> Self {
        let mut bits = vec![0; streams.div_ceil(8)];
        for place in members {
            bits[place / 8] |= 1 << (place % 8);
        }
        Self(bits)
    }

    /// Whether the stream at `place` is a member.
    pub fn contains(&self, place: usize) -> bool {
        self.0.get(place / 8).is_some_and(|byte| byte & (1 << (place % 8)) != 0)
    }

    /// The places of the members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        (0..self.0.len() * 8).filter(|&place| self.contains(place))
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.0.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether nobody is a member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this is a set out of exactly `streams` streams.
    pub fn fits(&self, streams: usize) -> bool {
        self.0.len() == streams.div_ceil(8) && self.iter().all(|place| place < streams)
    }
}

/// A text that is no set of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a set of streams")]
pub struct MembersError;

impl TryFrom<String> for Members {
    type Error = MembersError;
    fn try_from(text: String) -> Result<Self, MembersError> {
        base64url::decode_vec(&text).map(Self).ok_or(MembersError)
    }
}

impl From<Members> for String {
    fn from(members: Members) -> String {
        base64url::encode(&members.0)
    }
}

/// More than one cohort may have been agreed, and the peer that could tell is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cohort of this epoch is in doubt until a missing peer returns or the epoch ends")]
pub struct InDoubt;

/// The cohort that the epoch stands on, as far as the peers heard can tell; none if it is still open.
///
/// Only votes of the newest window count: whoever voted later knew of the earlier ones. A claim "I voted for C
/// together with P in w" is refuted when enough members of P report something else, since C was then not agreed.
///
/// # Errors
/// [`InDoubt`] when several cohorts remain.
pub fn frozen(
    quorum: Quorum,
    reports: &[(PeerIndex, Option<&Standing>)],
) -> Result<Option<Members>, InDoubt> {
    let Some(newest) = reports.iter().filter_map(|(_, report)| *report).map(|vote| vote.window).max() else {
        return Ok(None);
    };
    let refuted = |vote: &Standing| {
        let against = |&&(peer, report): &&(PeerIndex, Option<&Standing>)| {
            vote.peers.contains(peer) && report != Some(vote)
        };
        reports.iter().filter(against).count() >= quorum.refuting()
    };
    let mut cohorts: Vec<&Members> = reports
        .iter()
        .filter_map(|(_, report)| *report)
        .filter(|vote| vote.window == newest && !refuted(vote))
        .map(|vote| &vote.members)
        .collect();
    cohorts.sort();
    cohorts.dedup();
    match cohorts[..] {
        [] => Ok(None),
        [members] => Ok(Some(members.clone())),
        _ => Err(InDoubt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::Tolerate;
    use crate::shamir::Sharing;

    fn peer(i: u8) -> PeerIndex {
        PeerIndex::new(i).unwrap()
    }

    fn vote(window: u64, peers: &[u8], members: &[usize]) -> Standing {
        Standing {
            epoch: 0,
            window: WindowIndex(window),
            peers: peers.iter().map(|&i| peer(i)).collect(),
            members: Members::new(8, members.iter().copied()),
        }
    }

    fn crash(n: u8) -> Quorum {
        Quorum::new(Sharing::new(n, 1).unwrap(), Tolerate::Crash)
    }

    #[test]
    fn nothing_is_frozen_before_the_first_vote() {
        assert_eq!(frozen(crash(3), &[(peer(1), None), (peer(2), None)]), Ok(None));
    }

    #[test]
    fn a_vote_whose_agreement_went_unseen_still_binds() {
        let agreed = vote(7, &[1, 2], &[0, 1, 2]);
        // Peer 1 has the agreement and is down; peer 3 slept through it.
        let reports = [(peer(2), Some(&agreed)), (peer(3), None)];
        assert_eq!(frozen(crash(3), &reports), Ok(Some(agreed.members.clone())));
    }

    #[test]
    fn votes_that_contradict_each_other_cancel_out() {
        let (a, b) = (vote(7, &[1, 2, 3], &[0, 1]), vote(7, &[2, 3], &[0, 1, 2]));
        let reports = [(peer(1), Some(&a)), (peer(2), Some(&b)), (peer(3), Some(&a))];
        assert_eq!(frozen(crash(3), &reports), Ok(None));
    }

    #[test]
    fn a_contradiction_that_nobody_heard_can_resolve_is_a_doubt() {
        // n = 5: peer 3 is in both quorums and is not heard.
        let (a, b) = (vote(7, &[1, 2, 3], &[0]), vote(7, &[3, 4, 5], &[1]));
        let quorum = Quorum::new(Sharing::new(5, 2).unwrap(), Tolerate::Crash);
        let reports = [(peer(1), Some(&a)), (peer(2), Some(&a)), (peer(4), Some(&b)), (peer(5), Some(&b))];
        assert_eq!(frozen(quorum, &reports), Err(InDoubt));
    }

    #[test]
    fn one_liar_cannot_refute_where_liars_are_expected() {
        let agreed = vote(7, &[1, 2, 3], &[0, 1]);
        let quorum = Quorum::new(Sharing::new(4, 1).unwrap(), Tolerate::Malicious);
        let reports = [(peer(1), Some(&agreed)), (peer(2), Some(&agreed)), (peer(3), None)];
        assert_eq!(frozen(quorum, &reports), Ok(Some(agreed.members.clone())));
    }
}
