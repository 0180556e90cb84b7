//! Safety rules that can be switched off to see whether the simulator notices: only in a build with `--cfg mutation`, which
//! no feature of any crate can turn on. In every other build `disabled` is a constant.

/// A safety rule of docs/protocol.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// 3.2: randomness comes from the contributions that were agreed on.
    AgreedKeys,
    /// 4.6: every peer of P has to vote before anything is opened.
    AllVotes,
    /// 4.5: inputs are checked before the vote.
    CheckedInputs,
    /// 4.1: the first input of a window stays.
    FirstInput,
    /// 4.7: only agents with a fresh reading count.
    FreshReadings,
    /// 4.4: the cohort is frozen for its epoch.
    FrozenCohort,
    /// 3.2: no randomness is used twice.
    LabelUniqueness,
    /// 4.7: votes have to be for one digest.
    MatchingVotes,
    /// 4.3, 4.7: the strictest minimum cohort.
    MinimumCohort,
    /// 4.7: what others compute counts when results may not stand beside each other.
    OthersCount,
    /// 4.2: a window that has no plan when the next one closes is given up.
    Overtaking,
    /// 4.2: a peer takes part late only in a window that it has closed in this life.
    OwnClose,
    /// 4.7: a peer computes what itself allows, and nothing else.
    OwnConsent,
    /// 1: two quorums share a peer that follows the protocol.
    Quorum,
    /// 4.7: results that would single somebody out together are withheld.
    ReleaseRule,
    /// 4.3: a query is computed where a quorum allows it.
    SessionQuorum,
    /// 4.6: a restarted peer keeps its votes.
    SingleVote,
    /// 4.7: agents whose terms don't cover a query are left out.
    Terms,
    /// 4.6: the vote is on disk before it is sent.
    VoteOnDisk,
    /// 4.1: what is about a time far off is refused.
    Windows,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 20] = [
        Self::AgreedKeys,
        Self::AllVotes,
        Self::CheckedInputs,
        Self::FirstInput,
        Self::FreshReadings,
        Self::FrozenCohort,
        Self::LabelUniqueness,
        Self::MatchingVotes,
        Self::MinimumCohort,
        Self::OthersCount,
        Self::Overtaking,
        Self::OwnClose,
        Self::OwnConsent,
        Self::Quorum,
        Self::ReleaseRule,
        Self::SessionQuorum,
        Self::SingleVote,
        Self::Terms,
        Self::VoteOnDisk,
        Self::Windows,
    ];
}

/// Whether a rule is switched off: never.
#[cfg(not(mutation))]
pub(crate) const fn disabled(_: Rule) -> bool {
    false
}

#[cfg(mutation)]
mod switch {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Rule;

    /// One more than the rule's place; 0 if all hold.
    static OFF: AtomicUsize = AtomicUsize::new(0);

    /// Switches off one rule, or none.
    pub fn disable(rule: Option<Rule>) {
        OFF.store(rule.map_or(0, |rule| rule as usize + 1), Ordering::Relaxed);
    }

    /// Whether a rule is switched off.
    pub(crate) fn disabled(rule: Rule) -> bool {
        OFF.load(Ordering::Relaxed) == rule as usize + 1
    }
}

#[cfg(mutation)]
pub use self::switch::disable;
#[cfg(mutation)]
pub(crate) use self::switch::disabled;
