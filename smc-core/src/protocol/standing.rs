//! The cohort that an epoch stands on (docs/protocol.md, 4.4).
//!
//! A cohort is frozen for an epoch, but no peer can know alone whether the window it voted in came to be agreed: the
//! last vote that was missing at its own place may have reached another. So a **vote** binds: each inventory carries
//! the sender's last vote of the epoch, and the plan goes on with the cohort that may have been agreed.
//!
//! Why that holds: let a cohort C have been agreed in window w. A peer that has sent the inventory of a later window
//! votes in no earlier one, so every honest peer of that agreement reports its vote for C or a later vote; and any
//! quorum heard has one of them. Hence every later plan of an honest peer goes on with C, and its vote says that C
//! was frozen already. Whatever reports contradict that, refute that C was agreed.

use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::digest::Digest;
use crate::peers::PeerSet;
use crate::roster::Quorum;
use crate::shamir::PeerIndex;
use crate::time::{WindowIndex, exact};

/// A peer's last vote in a cohort epoch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The cohort epoch.
    #[serde(deserialize_with = "exact")]
    pub epoch: u64,
    /// The window it voted in.
    pub window: WindowIndex,
    /// P: the peers that were to agree.
    pub peers: PeerSet,
    /// The cohort.
    pub members: Members,
    /// Whether the cohort was frozen already: the epoch had come to stand on it before this vote.
    pub frozen: bool,
    /// The digest of the roster whose streams `members` counts.
    pub roster: Digest,
}

impl Standing {
    /// Whether both are votes for the same agreement.
    fn agrees_with(&self, other: &Self) -> bool {
        (self.window, self.peers, &self.members) == (other.window, other.peers, &other.members)
    }

    /// Whether this vote goes on with a cohort of earlier windows, `members`.
    fn goes_on_with(&self, members: &Members) -> bool {
        self.frozen && self.members == *members
    }
}

/// A set of streams of one quantity (or of agents), as bits in the order of the roster. On the wire: base64url.
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

/// A peer that was heard, with its last vote of the epoch.
pub(crate) type Heard<'a> = (PeerIndex, Option<&'a Standing>);

/// The cohort that the epoch stands on, as far as the peers heard can tell; none if it is still open.
///
/// # Errors
/// [`InDoubt`] when several cohorts remain.
pub fn frozen(quorum: Quorum, reports: &[Heard<'_>]) -> Result<Option<Members>, InDoubt> {
    let mut cohorts: Vec<&Members> = reports.iter().filter_map(|(_, vote)| Some(&(*vote)?.members)).collect();
    cohorts.sort();
    cohorts.dedup();
    cohorts.retain(|members| may_be_agreed(quorum, members, reports));
    match cohorts[..] {
        [] => Ok(None),
        [members] => Ok(Some(members.clone())),
        _ => Err(InDoubt),
    }
}

/// Whether the reports allow that `members` was agreed in some window: all of a quorum but the liars would say so,
/// and at least one vote is not refuted by others.
fn may_be_agreed(quorum: Quorum, members: &Members, reports: &[Heard<'_>]) -> bool {
    let votes: Vec<_> =
        reports.iter().filter_map(|(_, vote)| *vote).filter(|vote| vote.members == *members).collect();
    reports.len() - votes.len() <= quorum.dissenting()
        && votes.iter().any(|vote| then(quorum, vote, reports) || before(quorum, vote, reports))
}

/// Whether the agreement that `vote` was for may have come about. It did not if a peer of it voted for another or for
/// none, nor if somebody who voted later did not go on with it.
fn then(quorum: Quorum, vote: &Standing, reports: &[Heard<'_>]) -> bool {
    let refutes = |&&(peer, report): &&Heard<'_>| match report {
        Some(report) if report.agrees_with(vote) => false,
        Some(report) if report.window > vote.window => !report.goes_on_with(&vote.members),
        _ => vote.peers.contains(peer),
    };
    reports.iter().filter(refutes).count() < quorum.refuting()
}

/// Whether the cohort of `vote` may have been agreed before it, as it says. It was not if anybody who voted then or
/// later did not go on with it.
fn before(quorum: Quorum, vote: &Standing, reports: &[Heard<'_>]) -> bool {
    let refutes = |(_, report): &&Heard<'_>| {
        report.is_some_and(|report| report.window >= vote.window && !report.goes_on_with(&vote.members))
    };
    vote.frozen && reports.iter().filter(refutes).count() < quorum.refuting()
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
            frozen: false,
            roster: Digest([0; 32]),
        }
    }

    fn later(window: u64, peers: &[u8], members: &[usize]) -> Standing {
        Standing { frozen: true, ..vote(window, peers, members) }
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
    fn later_votes_that_contradict_each_other_do_not_set_an_agreed_cohort_free() {
        // Agreed by all in window 6; in window 7 peer 2 did not hear peer 3, so their votes differ.
        let (a, b) = (later(7, &[1, 2, 3], &[0, 1]), later(7, &[1, 2], &[0, 1]));
        assert_eq!(
            frozen(crash(3), &[(peer(1), Some(&a)), (peer(2), Some(&b))]),
            Ok(Some(a.members.clone()))
        );
        let c = vote(6, &[1, 2, 3], &[0, 1]);
        let reports = [(peer(1), Some(&a)), (peer(2), Some(&b)), (peer(3), Some(&c))];
        assert_eq!(frozen(crash(3), &reports), Ok(Some(a.members.clone())));
    }

    #[test]
    fn later_votes_for_two_cohorts_tell_that_neither_was_agreed_before() {
        let (a, b) = (later(7, &[1, 2], &[0, 1]), later(7, &[2, 3], &[0, 2]));
        assert_eq!(
            frozen(crash(3), &[(peer(1), Some(&a)), (peer(2), Some(&b))]),
            Ok(Some(b.members.clone()))
        );
        assert_eq!(frozen(crash(3), &[(peer(1), Some(&a)), (peer(2), None)]), Ok(Some(a.members.clone())));
        let reports = [(peer(1), Some(&a)), (peer(2), Some(&a)), (peer(3), Some(&b))];
        assert_eq!(frozen(crash(3), &reports), Ok(Some(a.members)));
    }

    #[test]
    fn whoever_started_afresh_knew_that_nothing_had_been_agreed() {
        // Peer 1 voted in window 5 and went down; the others knew that it was not agreed.
        let (old, new) = (vote(5, &[1, 2], &[0, 1]), vote(6, &[2, 3], &[0, 2]));
        assert_eq!(frozen(crash(3), &[(peer(1), Some(&old)), (peer(3), Some(&new))]), Ok(Some(new.members)));
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
    fn one_liar_cannot_pass_off_another_cohort_as_newer() {
        let (agreed, lie) = (vote(6, &[1, 2, 3, 4], &[0, 1]), later(7, &[1, 2, 4], &[0]));
        for (n, t) in [(3, 1), (4, 1), (5, 2), (7, 3)] {
            let quorum = Quorum::new(Sharing::new(n, t).unwrap(), Tolerate::Malicious);
            let all = (1..=n).collect::<Vec<_>>();
            let agreed = vote(6, &all, &[0, 1]);
            let lie = later(7, &all[1..], &[0]);
            let mut reports: Vec<_> = all.iter().map(|&i| (peer(i), Some(&agreed))).collect();
            reports[usize::from(n) - 1].1 = Some(&lie);
            assert_eq!(frozen(quorum, &reports), Ok(Some(agreed.members.clone())), "({n}, {t})");
        }
        // Of three heard, one honest report may be all that tells of an agreement: then there is a doubt, at worst.
        let quorum = Quorum::new(Sharing::new(4, 1).unwrap(), Tolerate::Malicious);
        let reports = [(peer(1), Some(&agreed)), (peer(2), Some(&agreed)), (peer(3), Some(&lie))];
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
