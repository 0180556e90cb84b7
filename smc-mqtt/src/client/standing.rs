//! How a request stands at all peers together.

use std::collections::BTreeMap;

use smc_core::name::NodeName;
use smc_core::request::{Decision, Verdict};
use smc_core::roster::Roster;

/// Each peer's word about one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    needs: usize,
    peers: BTreeMap<NodeName, Option<Decision>>,
}

/// What is to be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Too many peers will not compute it, whatever the others say.
    Impossible,
    /// Enough peers compute it: results come.
    Running,
    /// It depends on peers that have not decided.
    Undecided,
}

impl Standing {
    /// How `decisions` stand among the peers of the site, where `needs` of them have to compute.
    pub fn new<'a>(roster: &Roster, needs: usize, decisions: impl Iterator<Item = &'a Decision>) -> Self {
        let mut peers: BTreeMap<_, _> = roster.peers().map(|(_, node)| (node.name.clone(), None)).collect();
        for decision in decisions {
            if let Some(place) = peers.get_mut(&decision.peer) {
                *place = Some(decision.clone());
            }
        }
        Self { needs, peers }
    }

    /// How many peers have to compute it.
    pub fn needs(&self) -> usize {
        self.needs
    }

    /// The peers, and what each said; nothing if it has not answered.
    pub fn peers(&self) -> impl Iterator<Item = (&NodeName, Option<&Decision>)> {
        self.peers.iter().map(|(peer, decision)| (peer, decision.as_ref()))
    }

    /// The peers that have not answered.
    pub fn silent(&self) -> impl Iterator<Item = &NodeName> {
        self.peers().filter(|(_, decision)| decision.is_none()).map(|(peer, _)| peer)
    }

    /// How many compute it.
    pub fn allowed(&self) -> usize {
        self.count(|verdict| verdict == Verdict::Allowed)
    }

    /// What is to be expected.
    pub fn outlook(&self) -> Outlook {
        let over = self.count(Verdict::is_final);
        if self.allowed() >= self.needs {
            Outlook::Running
        } else if self.peers.len() - over < self.needs {
            Outlook::Impossible
        } else {
            Outlook::Undecided
        }
    }

    fn count(&self, like: impl Fn(Verdict) -> bool) -> usize {
        let verdicts = self.peers.values().flatten().map(|decision| decision.verdict);
        verdicts.filter(|&verdict| like(verdict)).count()
    }
}

#[cfg(test)]
mod tests {
    use Verdict::*;

    use super::super::testing::Site;
    use super::*;

    #[test]
    fn enough_peers_must_allow_and_a_final_no_of_too_many_ends_it() {
        let site = Site::new();
        let (_, asked) = site.asked(site.request("mean"));
        let outlook = |needs, verdicts: &[Verdict]| {
            let decision = |(peer, &verdict)| site.decision(peer, &asked, verdict, 1);
            let decisions: Vec<_> = (1..).zip(verdicts).map(decision).collect();
            Standing::new(&site.roster, needs, decisions.iter()).outlook()
        };
        for (verdicts, expected) in [
            (&[][..], Outlook::Undecided),
            (&[Allowed], Outlook::Undecided),
            (&[Allowed, Asked], Outlook::Undecided),
            (&[Allowed, Allowed], Outlook::Running),
            (&[Allowed, Denied, Allowed], Outlook::Running),
            (&[Allowed, Denied], Outlook::Undecided),
            (&[Denied, Denied], Outlook::Impossible),
            (&[Allowed, Paused, Paused], Outlook::Undecided),
            (&[Allowed, Withdrawn, Expired], Outlook::Impossible),
        ] {
            assert_eq!(outlook(2, verdicts), expected, "{verdicts:?}");
        }
        // Products take all three.
        assert_eq!(outlook(3, &[Allowed, Allowed]), Outlook::Undecided);
        assert_eq!(outlook(3, &[Allowed, Allowed, Denied]), Outlook::Impossible);
    }

    #[test]
    fn the_silent_are_named() {
        let site = Site::new();
        let (_, asked) = site.asked(site.request("mean"));
        let decision = site.decision(2, &asked, Allowed, 1);
        let standing = Standing::new(&site.roster, 2, [&decision].into_iter());
        assert_eq!(standing.silent().map(NodeName::as_str).collect::<Vec<_>>(), ["peer-1", "peer-3"]);
    }
}
