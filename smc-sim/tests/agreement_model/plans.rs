//! What smc-core makes of what a peer hears: the one place of the model that asks it.

use std::collections::BTreeSet;

use smc_core::digest::Digest;
use smc_core::protocol::epoch::Epoch;
use smc_core::protocol::inventory::Held;
use smc_core::protocol::plan::{Report, plan};
use smc_core::protocol::standing::{self, Members, Standing};
use smc_core::roster::Quorum;
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;

use crate::site::{Plan, Set, Vote, members};

/// Two streams make three cohorts: one, the other, and both.
pub(crate) const STREAMS: usize = 2;
/// The sets of streams; the empty one stands for "none is frozen".
pub(crate) const COHORTS: Set = 1 << STREAMS;
/// The window that is planned: later than all votes.
const NOW: WindowIndex = WindowIndex(100);
/// Its epoch, of which all votes are. It does not wait for the last cohort, which could but forbid plans.
const EPOCH: Epoch = Epoch { index: 0, first: WindowIndex(0), settled: WindowIndex(0) };

/// All plans that can come of the inventories of some peers. A plan depends on standings only by the cohort that they freeze
/// (`plan` asks `standing::frozen` and looks at them no further): so it is asked once for every set of peers heard, every
/// frozen cohort, and everything that they may say they hold.
pub(crate) struct Plans {
    quorum: Quorum,
    /// By the set of peers heard, then by the frozen cohort.
    table: Vec<Vec<Plan>>,
    /// All votes as inventories report them, by `place`.
    standings: Vec<Standing>,
}

impl Plans {
    /// At a site of so many peers.
    pub(crate) fn new(peers: usize, quorum: Quorum) -> Self {
        let table = (0..1 << peers)
            .flat_map(|heard: Set| (0..COHORTS).map(move |frozen| after_hearing(quorum, heard, frozen)));
        let standings = (0..1 << (4 + 4 + STREAMS + 1)).map(|place| standing(vote_at(place)));
        Self { quorum, table: table.collect(), standings: standings.collect() }
    }

    /// The plans of peers that heard `heard` and found `frozen` to be the cohort that the epoch stands on.
    pub(crate) fn of(&self, heard: Set, frozen: Set) -> &[Plan] {
        &self.table[usize::from(heard) * usize::from(COHORTS) + usize::from(frozen)]
    }

    /// Whether the peers' numbers do not matter: with two neighbours' numbers swapped the plans are the same but for that.
    pub(crate) fn are_nameless(&self, peers: usize) -> bool {
        let same = |at: usize, heard: Set, frozen: Set| {
            let swapped = |set: Set| {
                let differ = (set >> at ^ set >> (at + 1)) & 1;
                set ^ (differ << at | differ << (at + 1))
            };
            let plan = |plan: &Plan| Plan { peers: swapped(plan.peers), ..*plan };
            let plans: BTreeSet<_> = self.of(heard, frozen).iter().map(plan).collect();
            plans.iter().eq(self.of(swapped(heard), frozen))
        };
        (0..peers - 1)
            .all(|at| (0..1 << peers).all(|heard| (0..COHORTS).all(|frozen| same(at, heard, frozen))))
    }

    /// The cohort that the epoch stands on, 0 if it is open; none if that is in doubt.
    pub(crate) fn frozen(&self, reports: &[(usize, Option<Vote>)]) -> Option<Set> {
        let report =
            |&(at, vote): &(usize, Option<Vote>)| (index(at), vote.map(|vote| &self.standings[place(vote)]));
        let reports: Vec<_> = reports.iter().map(report).collect();
        let frozen = standing::frozen(self.quorum, &reports).ok()?;
        Some(frozen.map_or(0, |members| members.iter().fold(0, |set, stream| set | 1 << stream)))
    }
}

/// What is planned by whoever hears `heard`, one plan for each thing that these may say they hold.
fn after_hearing(quorum: Quorum, heard: Set, frozen: Set) -> Vec<Plan> {
    let heard: Vec<_> = members(heard).collect();
    // All of them voted for it.
    let peers = heard.iter().fold(0, |set, at| set | 1 << at);
    let vote = Vote { window: 0, plan: Plan { cohort: frozen, frozen: false, peers } };
    let standing = (frozen != 0).then(|| standing(vote));
    let holdings = 0..usize::from(COHORTS).pow(heard.len() as u32);
    let plans = holdings.filter_map(|holding| {
        let holds = |i: usize, stream: usize| holding >> (STREAMS * i + stream) & 1 == 1;
        let held = |i: usize| {
            std::array::from_fn(
                |s| if holds(i, s) { Held::at(NOW, [Some(NOW), None]) } else { Held::NOTHING },
            )
        };
        let held: Vec<[Held; STREAMS]> = (0..heard.len()).map(held).collect();
        let reports = heard.iter().zip(&held).map(|(&at, held)| report(at, held, standing.as_ref()));
        let reports: Vec<_> = reports.collect();
        let plan = plan(quorum, EPOCH, NOW, STREAMS, &reports).ok()?;
        let cohort = plan.cohort.iter().fold(0, |set, member| set | 1 << member.stream);
        assert_eq!(plan.frozen, frozen != 0);
        // Nobody votes for a cohort below the minimum, which is one stream here.
        (cohort != 0).then_some(Plan { cohort, frozen: plan.frozen, peers: plan.peers.bits() as Set })
    });
    plans.collect::<BTreeSet<_>>().into_iter().collect()
}

/// An inventory, as far as it matters here.
fn report<'a>(at: usize, held: &'a [Held], vote: Option<&'a Standing>) -> Report<'a> {
    Report { peer: index(at), held, terms: &[], demands: &[], vote, queries: &[], known: &[], seeds: &[] }
}

/// A vote as inventories report it.
fn standing(vote: Vote) -> Standing {
    Standing {
        epoch: EPOCH.index,
        window: WindowIndex(vote.window.into()),
        peers: members(vote.plan.peers).map(index).collect(),
        members: Members::new(STREAMS, members(vote.plan.cohort)),
        frozen: vote.plan.frozen,
        roster: Digest([0; 32]),
    }
}

/// Where a vote is among all of them: 4 bits of the window, 4 of P, the cohort, frozen.
fn place(Vote { window, plan }: Vote) -> usize {
    let peers = usize::from(window) << 4 | usize::from(plan.peers);
    (peers << STREAMS | usize::from(plan.cohort)) << 1 | usize::from(plan.frozen)
}

/// The vote at this place.
fn vote_at(place: usize) -> Vote {
    let (cohort, peers) = (place as Set >> 1 & (COHORTS - 1), (place >> (1 + STREAMS)) as Set & 0b1111);
    let plan = Plan { cohort, frozen: place & 1 == 1, peers };
    Vote { window: (place >> (1 + STREAMS + 4)) as u8, plan }
}

fn index(at: usize) -> PeerIndex {
    PeerIndex::new(at as u8 + 1).unwrap()
}
