//! The agreement as a model, searched exhaustively. Who computes on what is decided by smc-core's own `plan`, which asks its
//! own `standing::frozen` and `Quorum`; the model says who says what and what may follow.
//!
//! Of a peer nothing matters but its inventories and its votes. So a peer that crashes is one that is silent from some step
//! on, and one that restarts is one that speaks in a later window and remembers its votes, which were on disk. Which messages
//! arrive is up to each receiver: it plans with whatever part of the inventories. An agreement is there as soon as all of P
//! voted alike, whether or not anybody gets to know. Within a window inventories do not depend on each other, nor do votes:
//! so the peers take turns, and no history is missed.
#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::collections::BTreeSet;

use smc_core::digest::Digest;
use smc_core::protocol::inventory::Held;
use smc_core::protocol::plan::{Plan, Report, plan};
use smc_core::protocol::standing::{Members, Standing};
use smc_core::roster::{Quorum, Tolerate};
use smc_core::shamir::{PeerIndex, Sharing};
use smc_core::time::WindowIndex;
use stateright::{Checker, Model, Property};

/// The first window of the epoch.
const FIRST: u64 = 10;
/// Two streams: whoever speaks holds the first one's reading; the second one's may be lost on its way.
const STREAMS: usize = 2;

/// The model of a site that tolerates crashes.
struct Agreement {
    peers: usize,
    /// How many of them, the last ones, may miss a window or the second reading; the others may only fail to vote.
    weak: usize,
    /// How many windows of the epoch.
    windows: u64,
    quorum: Quorum,
}

/// A site at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Site {
    window: u64,
    /// Whose turn it is: first each peer closes the window, then each votes.
    turn: usize,
    /// For each peer that has closed the window, whether it holds the second reading.
    held: Vec<Option<bool>>,
    /// For each peer its vote in this window.
    votes: Vec<Option<Vote>>,
    /// For each peer its last vote in an earlier one.
    last: Vec<Option<Vote>>,
    /// The cohorts that were agreed in this epoch.
    agreed: BTreeSet<Vec<usize>>,
    /// In how many windows.
    windows: u64,
}

/// A vote: when, P, the cohort, and whether it was frozen already.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Vote {
    window: u64,
    peers: Vec<usize>,
    members: Vec<usize>,
    frozen: bool,
}

/// What the peer whose turn it is may do.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Nothing: it is down, or stops.
    Silence,
    /// It says what it holds.
    Close { holds_both: bool },
    /// It plans with the inventories of these peers, and votes.
    Vote { heard: Vec<usize> },
}

impl Agreement {
    fn new(peers: u8, weak: usize, windows: u64) -> Self {
        let quorum = Quorum::new(Sharing::new(peers, 1).unwrap(), Tolerate::Crash);
        Self { peers: peers.into(), weak, windows, quorum }
    }

    /// What smc-core plans with these inventories; none if it does not.
    fn plan(&self, site: &Site, heard: &[usize]) -> Option<Plan> {
        let now = WindowIndex(FIRST + site.window);
        let fresh = Held::at(now, [Some(now), None]);
        let held = |&at: &usize| [fresh, if site.held[at] == Some(true) { fresh } else { Held::NOTHING }];
        let held: Vec<_> = heard.iter().map(held).collect();
        let standings: Vec<_> = heard.iter().map(|&at| site.last[at].as_ref().map(Vote::standing)).collect();
        let report = |(i, &at): (usize, &usize)| Report {
            peer: index(at),
            held: &held[i],
            demands: &[],
            standing: standings[i].as_ref(),
            before: None,
            queries: &[],
            seeds: &[],
        };
        let reports: Vec<_> = heard.iter().enumerate().map(report).collect();
        plan(self.quorum, now, STREAMS, false, &reports).ok()
    }

    /// All sets of a quorum and more of the peers that have closed the window, with `me` among them.
    fn audiences(&self, site: &Site, me: usize) -> Vec<Vec<usize>> {
        let sets = (0..1_usize << self.peers).filter(|set| set >> me & 1 == 1);
        let members = |set: usize| (0..self.peers).filter(|at| set >> at & 1 == 1).collect::<Vec<_>>();
        let spoke = |heard: &Vec<usize>| heard.iter().all(|&at| site.held[at].is_some());
        sets.map(members).filter(|heard| heard.len() >= self.quorum.size()).filter(spoke).collect()
    }
}

impl Vote {
    /// As inventories report it.
    fn standing(&self) -> Standing {
        Standing {
            epoch: 0,
            window: WindowIndex(FIRST + self.window),
            peers: self.peers.iter().map(|&at| index(at)).collect(),
            members: Members::new(STREAMS, self.members.iter().copied()),
            frozen: self.frozen,
            roster: Digest([0; 32]),
        }
    }
}

impl Site {
    /// The window is over: what all of a P voted for was agreed.
    fn conclude(&mut self) {
        let alike = |vote: &&Vote| vote.peers.iter().all(|&at| self.votes[at].as_ref() == Some(vote));
        let agreed: BTreeSet<_> =
            self.votes.iter().flatten().filter(alike).map(|v| v.members.clone()).collect();
        self.windows += u64::from(!agreed.is_empty());
        self.agreed.extend(agreed);
        for (last, vote) in self.last.iter_mut().zip(&mut self.votes) {
            *last = vote.take().or_else(|| last.take());
        }
        self.held.fill(None);
        (self.window, self.turn) = (self.window + 1, 0);
    }
}

fn index(at: usize) -> PeerIndex {
    PeerIndex::new(at as u8 + 1).unwrap()
}

impl Model for Agreement {
    type State = Site;
    type Action = Step;

    fn init_states(&self) -> Vec<Site> {
        vec![Site {
            window: 0,
            turn: 0,
            held: vec![None; self.peers],
            votes: vec![None; self.peers],
            last: vec![None; self.peers],
            agreed: BTreeSet::new(),
            windows: 0,
        }]
    }

    fn actions(&self, site: &Site, steps: &mut Vec<Step>) {
        if site.window == self.windows {
            return;
        }
        if let Some(me) = site.turn.checked_sub(self.peers) {
            steps.push(Step::Silence);
            steps.extend(self.audiences(site, me).into_iter().map(|heard| Step::Vote { heard }));
        } else {
            steps.push(Step::Close { holds_both: true });
            if site.turn >= self.peers - self.weak {
                steps.extend([Step::Silence, Step::Close { holds_both: false }]);
            }
        }
    }

    fn next_state(&self, site: &Site, step: Step) -> Option<Site> {
        let mut next = site.clone();
        match step {
            Step::Silence => {}
            Step::Close { holds_both } => next.held[site.turn] = Some(holds_both),
            Step::Vote { heard } => {
                let me = site.turn - self.peers;
                let plan = self.plan(site, &heard).filter(|plan| plan.peers.contains(index(me)))?;
                next.votes[me] = Some(Vote {
                    window: site.window,
                    peers: plan.peers.iter().map(PeerIndex::offset).collect(),
                    members: plan.cohort.iter().map(|member| member.stream).collect(),
                    frozen: plan.frozen,
                });
            }
        }
        next.turn += 1;
        if next.turn == 2 * self.peers {
            next.conclude();
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one cohort per epoch", |_: &Self, site: &Site| site.agreed.len() <= 1),
            Property::sometimes("a cohort of all is agreed", |_: &Self, site: &Site| {
                site.agreed.iter().any(|cohort| cohort.len() == STREAMS)
            }),
            Property::sometimes("a smaller cohort is agreed", |_: &Self, site: &Site| {
                site.agreed.iter().any(|cohort| cohort.len() < STREAMS)
            }),
            Property::sometimes("every window is agreed", |model: &Self, site: &Site| {
                site.windows == model.windows
            }),
            Property::sometimes("votes differ", |_: &Self, site: &Site| {
                let cohorts: BTreeSet<_> = site.last.iter().flatten().map(|vote| &vote.members).collect();
                cohorts.len() > 1
            }),
        ]
    }
}

/// Searches all there is.
fn search(model: Agreement) {
    let checker = model.checker().threads(2).spawn_dfs().join();
    checker.assert_properties();
    println!("{} states", checker.unique_state_count());
}

#[test]
fn three_peers_never_agree_on_two_cohorts_of_one_epoch() {
    search(Agreement::new(3, 3, 3));
}

#[test]
fn four_peers_never_agree_on_two_cohorts_of_one_epoch() {
    search(Agreement::new(4, 2, 2));
}

#[test]
fn with_a_quorum_too_small_the_model_finds_two_cohorts() {
    // Else the searches above would prove nothing: two of four peers agree without the other two.
    let quorum = Quorum::new(Sharing::new(3, 1).unwrap(), Tolerate::Crash);
    let checker = Agreement { quorum, ..Agreement::new(4, 2, 1) }.checker().spawn_bfs().join();
    assert!(checker.discovery("one cohort per epoch").is_some());
}
