//! What may happen at a site, window after window, without end.

use smc_core::roster::Quorum;
use stateright::{Model, Property, Representative};

use crate::plans::{COHORTS, Plans};
use crate::site::{Choice, Peer, Plan, Set, Site, Vote, members};

/// The invariants: no two cohorts of one epoch ...
pub(crate) const ONE_COHORT: &str = "one cohort per epoch";
/// ... and no two agreements in one window, not even on one cohort.
pub(crate) const ONE_AGREEMENT: &str = "one agreement per window";

/// The model of a site whose first `HONEST` peers follow the protocol, though they may crash; one more may lie.
pub(crate) struct Agreement<const HONEST: usize> {
    /// How many peers: `HONEST`, or one more.
    peers: usize,
    quorum: Quorum,
    plans: Plans,
    /// What the liar may say of its last vote, ascending by window.
    claims: Vec<Option<Vote>>,
    /// Whether inventories report the last vote. If not, the model must find what goes wrong.
    binding: bool,
    /// Whether sites that differ in names alone are searched once.
    nameless: bool,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step<const HONEST: usize> {
    /// A window closes. These peers will vote, each for one of these plans; the others are down, or hear or say too little.
    Close([Peer; HONEST]),
    /// The next of them votes.
    Vote(Plan),
}

impl<const HONEST: usize> Agreement<HONEST> {
    /// The model of so many peers: `HONEST`, or one more.
    pub(crate) fn new(peers: usize, quorum: Quorum) -> Self {
        let plans = Plans::new(peers, quorum);
        Self { peers, quorum, plans, claims: claims::<HONEST>(peers, quorum), binding: true, nameless: true }
    }

    /// The same with inventories that do not report the last vote.
    pub(crate) fn forgetting(self) -> Self {
        Self { binding: false, ..self }
    }

    /// The same with sites told apart that differ in names alone.
    pub(crate) fn with_names(self) -> Self {
        Self { nameless: false, ..self }
    }

    /// What each honest peer may come to plan with itself in P: it hears any quorum, and of them whatever they may say.
    fn choices(&self, site: &Site<HONEST>) -> [Choice; HONEST] {
        let mut choices = [Choice::default(); HONEST];
        for heard in
            (0..1 << self.peers).filter(|heard: &Set| heard.count_ones() as usize >= self.quorum.size())
        {
            for frozen in self.frozen(site, heard) {
                for &plan in self.plans.of(heard, frozen) {
                    members(plan.peers).filter(|&me| me < HONEST).for_each(|me| choices[me].insert(plan));
                }
            }
        }
        choices
    }

    /// The cohorts that somebody who hears `heard` may find frozen; one at most unless the liar is heard.
    fn frozen(&self, site: &Site<HONEST>, heard: Set) -> impl Iterator<Item = Set> + use<HONEST> {
        // In every second window, so that claims may also lie between, before and after them.
        let spread = |vote: Vote| Vote { window: 2 * vote.window + 1, ..vote };
        let report = |at| (at, site.last(at).filter(|_| self.binding).map(spread));
        let mut reports: Vec<_> = members(heard).map(report).collect();
        let latest = reports.iter().filter_map(|(_, vote)| Some(vote.as_ref()?.window)).max().unwrap_or(0);
        let mut found: Set = 0;
        let mut find = |reports: &[_]| found |= self.plans.frozen(reports).map_or(0, |cohort| 1 << cohort);
        if heard >> HONEST == 0 {
            find(&reports);
        } else {
            let later = |claim: &&Option<Vote>| claim.is_none_or(|vote| vote.window <= latest + 1);
            for &claim in self.claims.iter().take_while(later) {
                if let Some((_, lie)) = reports.last_mut() {
                    *lie = claim;
                }
                find(&reports);
            }
        }
        members(found).map(|cohort| cohort as Set)
    }
}

/// All standings of the last peer that a receiver takes for possible: none, or any vote of an earlier window in which it is
/// of P, at least a quorum.
fn claims<const HONEST: usize>(peers: usize, quorum: Quorum) -> Vec<Option<Vote>> {
    let possible = |peers: &Set| peers >> HONEST & 1 == 1 && peers.count_ones() as usize >= quorum.size();
    let plans = (0..1 << peers).filter(possible).flat_map(|peers| {
        let cohorts = (1..COHORTS).flat_map(|cohort| [(cohort, false), (cohort, true)]);
        cohorts.map(move |(cohort, frozen)| Plan { cohort, frozen, peers })
    });
    let plans: Vec<_> = plans.collect();
    // The honest peers' last votes are of as many windows as there are of them, at most.
    let votes =
        (0..=2 * HONEST as u8).flat_map(|window| plans.iter().map(move |&plan| Vote { window, plan }));
    std::iter::once(None).chain(votes.map(Some)).collect()
}

impl<const HONEST: usize> Model for Agreement<HONEST> {
    type State = Site<HONEST>;
    type Action = Step<HONEST>;

    fn init_states(&self) -> Vec<Self::State> {
        vec![Site::NEW]
    }

    fn actions(&self, site: &Self::State, steps: &mut Vec<Self::Action>) {
        if let Some((_, choice)) = site.voter() {
            return steps.extend(choice.iter().map(Step::Vote));
        }
        let choices = self.choices(site);
        let able = (0..HONEST).filter(|&at| !choices[at].is_empty()).fold(0, |set, at| set | 1 << at);
        for voters in (1..1 << HONEST).filter(|voters: &Set| voters & able == *voters) {
            let peer = |at| if voters >> at & 1 == 1 { Peer::Votes(choices[at]) } else { site.peers[at] };
            steps.push(Step::Close(std::array::from_fn(peer)));
        }
    }

    fn next_state(&self, site: &Self::State, step: Self::Action) -> Option<Self::State> {
        let mut next = *site;
        match step {
            Step::Close(peers) => next.peers = peers,
            Step::Vote(plan) => next.vote(site.voter()?.0, plan),
        }
        Some(if self.nameless { next.representative() } else { next })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_COHORT, |_: &Self, site: &Site<HONEST>| site.agreed.count_ones() <= 1),
            Property::always(ONE_AGREEMENT, |_: &Self, site: &Site<HONEST>| !site.twice),
            Property::sometimes("a cohort of all is agreed", |_: &Self, site: &Site<HONEST>| {
                site.agreed >> (COHORTS - 1) & 1 == 1
            }),
            Property::sometimes("a smaller cohort is agreed", |_: &Self, site: &Site<HONEST>| {
                site.agreed >> 1 & 1 == 1
            }),
            Property::sometimes("a frozen cohort is gone on with", |_: &Self, site: &Site<HONEST>| {
                site.agreed != 0 && (0..HONEST).all(|at| site.last(at).is_some_and(|vote| vote.plan.frozen))
            }),
            Property::sometimes("votes differ", |_: &Self, site: &Site<HONEST>| {
                let cohort = |at| site.last(at).map(|vote| vote.plan.cohort);
                (1..HONEST).any(|at| cohort(at).is_some() && cohort(0).is_some() && cohort(at) != cohort(0))
            }),
        ]
    }
}
