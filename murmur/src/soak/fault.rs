//! What goes wrong when: drawn from the seed alone, so that a seed says all of it.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde::Serialize;

use super::site::BROKER;
use super::table::Table;

/// What can be done to nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// SIGKILL, and a start afterwards
    Kill,
    /// SIGSTOP, and SIGCONT afterwards
    Stop,
    /// SIGTERM, and a start at once
    Restart,
    /// Connections are broken, and none is taken for a while
    Cut,
    /// Every chunk of bytes comes later
    Delay,
    /// Connections stay open and carry nothing
    Silence,
    /// An agent's login sends as much as the broker takes
    Flood,
    /// Bytes without a meaning, to the broker's port and to the peers
    Garbage,
    /// The disk is full; needs the right to mount
    Disk,
}

/// Whom it is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Target {
    Agents,
    Broker,
    Everybody,
    Peer,
    Peers,
}

/// Everything that can go wrong.
const WAYS: [Way; 22] = [
    Way(Kind::Kill, Target::Peer),
    Way(Kind::Kill, Target::Broker),
    Way(Kind::Kill, Target::Agents),
    Way(Kind::Stop, Target::Peer),
    Way(Kind::Stop, Target::Broker),
    Way(Kind::Stop, Target::Agents),
    Way(Kind::Restart, Target::Peer),
    Way(Kind::Restart, Target::Broker),
    Way(Kind::Restart, Target::Agents),
    Way(Kind::Cut, Target::Peer),
    Way(Kind::Cut, Target::Agents),
    Way(Kind::Cut, Target::Everybody),
    Way(Kind::Delay, Target::Peer),
    Way(Kind::Delay, Target::Agents),
    Way(Kind::Delay, Target::Everybody),
    Way(Kind::Silence, Target::Peer),
    Way(Kind::Silence, Target::Agents),
    Way(Kind::Flood, Target::Peers),
    Way(Kind::Garbage, Target::Broker),
    Way(Kind::Garbage, Target::Peers),
    Way(Kind::Disk, Target::Peer),
    Way(Kind::Disk, Target::Broker),
];

/// One way in which something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Way(pub(super) Kind, pub(super) Target);

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) way: Way,
    /// Whom it hits; of floods and garbage, whose login it is.
    pub(super) nodes: Vec<String>,
    /// How long it lasts, in windows.
    pub(super) windows: u32,
    /// By how much what is delayed comes later.
    pub(super) delay: Duration,
}

/// What goes wrong at once, and how long it is quiet after all is well again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Episode {
    pub(super) faults: Vec<Fault>,
    /// In windows.
    pub(super) quiet: u32,
}

/// Draws what goes wrong next.
#[derive(Debug)]
pub(super) struct Dice {
    rng: ChaCha20Rng,
    ways: Vec<Way>,
    /// What is still to come of a shuffled round of all ways, so that none is left out for long.
    bag: Vec<Way>,
    peers: usize,
    table: Table,
}

/// One in so many episodes has two faults at once.
const OVERLAPS: u64 = 5;
/// How long a fault lasts at most, in windows.
const LONGEST: u64 = 5;
/// How long it is quiet afterwards, in windows.
const QUIET: std::ops::Range<u64> = 2..5;
/// By how much what is delayed comes later, in milliseconds.
const DELAYS: std::ops::Range<u64> = 20..400;

impl Dice {
    /// Draws from `kinds` alone; nothing, if there are none.
    pub(super) fn new(kinds: &[Kind], peers: usize, table: Table) -> Self {
        let ways = WAYS.into_iter().filter(|Way(kind, _)| kinds.contains(kind)).collect();
        Self { rng: ChaCha20Rng::seed_from_u64(table.seed), ways, bag: Vec::new(), peers, table }
    }

    /// What goes wrong next.
    pub(super) fn episode(&mut self) -> Episode {
        let count = if self.below(OVERLAPS) == 0 { 2 } else { 1 };
        let faults = (0..count).filter_map(|_| self.fault()).collect();
        Episode { faults, quiet: self.between(QUIET) as u32 }
    }

    fn fault(&mut self) -> Option<Fault> {
        if self.bag.is_empty() {
            self.bag = self.ways.clone();
            for place in (1..self.bag.len()).rev() {
                let other = self.below(place as u64 + 1) as usize;
                self.bag.swap(place, other);
            }
        }
        let way = self.bag.pop()?;
        let nodes = self.nodes(way);
        let windows = match way.0 {
            Kind::Restart => 0,
            // A peer may be back at once.
            Kind::Kill => self.below(LONGEST) as u32,
            _ => self.between(1..LONGEST + 1) as u32,
        };
        Some(Fault { way, nodes, windows, delay: Duration::from_millis(self.between(DELAYS)) })
    }

    fn nodes(&mut self, Way(kind, target): Way) -> Vec<String> {
        match target {
            Target::Broker if kind != Kind::Garbage => vec![BROKER.to_owned()],
            Target::Peer => vec![format!("peer-{}", self.below(self.peers as u64) + 1)],
            Target::Agents => self.agents(),
            Target::Everybody => Vec::new(),
            Target::Broker | Target::Peers => {
                vec![format!("room-{}", self.below(self.table.agents as u64) + 1)]
            }
        }
    }

    /// One agent or several, none of them of the same group: that would withhold results, which is no failure to
    /// recover from.
    fn agents(&mut self) -> Vec<String> {
        let groups = self.table.groups() as u64;
        // Neighbours are of different groups.
        let count = self.below(groups) + 1;
        let first = self.below(self.table.agents as u64 - count + 1);
        (first..first + count).map(|agent| format!("room-{}", agent + 1)).collect()
    }

    fn below(&mut self, end: u64) -> u64 {
        // The bias is 2^-50 and of no interest.
        self.rng.next_u64() % end.max(1)
    }

    fn between(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(kind, target) = self;
        let kind = kind.to_possible_value();
        let target = match target {
            Target::Agents => "agents",
            Target::Broker => "broker",
            Target::Everybody => "everybody",
            Target::Peer => "peer",
            Target::Peers => "peers",
        };
        f.pad(&format!("{} {target}", kind.as_ref().map_or("", |kind| kind.get_name())))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.way)?;
        match self.nodes.as_slice() {
            [node] if node != BROKER => write!(f, " ({node})")?,
            [] | [_] => {}
            nodes => write!(f, " ({} of them)", nodes.len())?,
        }
        if self.way.0 == Kind::Delay {
            write!(f, " by {:?}", self.delay)?;
        }
        match self.windows {
            0 => Ok(()),
            1 => f.write_str(" for a window"),
            windows => write!(f, " for {windows} windows"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dice(seed: u64) -> Dice {
        Dice::new(Kind::value_variants(), 5, Table { agents: 40, seed })
    }

    #[test]
    fn a_seed_says_all_that_goes_wrong() {
        let draw =
            |seed| (0..50).map(|_| ()).scan(dice(seed), |dice, ()| Some(dice.episode())).collect::<Vec<_>>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn every_way_comes_in_each_round() {
        let mut dice = dice(3);
        let mut round: Vec<_> = (0..WAYS.len()).filter_map(|_| dice.fault()).map(|fault| fault.way).collect();
        round.sort_unstable();
        let mut all = WAYS;
        all.sort_unstable();
        assert_eq!(round, all);
    }

    #[test]
    fn no_two_agents_of_a_group_are_hit_at_once() {
        let mut dice = dice(4);
        for _ in 0..100 {
            let agents = dice.agents();
            let groups =
                agents.iter().map(|name| name.trim_start_matches("room-").parse::<usize>().unwrap() - 1);
            let mut groups: Vec<_> = groups.map(|agent| dice.table.group(agent)).collect();
            groups.sort_unstable();
            groups.dedup();
            assert_eq!(groups.len(), agents.len());
        }
    }

    #[test]
    fn without_kinds_nothing_goes_wrong() {
        let mut dice = Dice::new(&[], 5, Table { agents: 40, seed: 1 });
        assert_eq!(dice.episode().faults, []);
    }
}
