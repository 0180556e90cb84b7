//! Histories drawn from a seed.

mod asked;

use std::time::Duration;

use smc_core::function::catalogue;
use smc_core::roster::Span;
use smc_core::roster::document::QueryTable;

use crate::action::{Action, AgentLie, PeerLie, Schedule, Shape, Timed};
use crate::noise::noise;
use crate::world::site::PERIOD;
use crate::world::{Loss, Site, Step};

/// n and t; small sites more often, for they are quicker and no easier.
const SHARINGS: [(u8, u8); 16] = [
    (3, 1),
    (3, 1),
    (3, 1),
    (3, 1),
    (3, 1),
    (3, 1),
    (4, 1),
    (4, 1),
    (4, 1),
    (4, 1),
    (5, 1),
    (5, 2),
    (5, 2),
    (6, 2),
    (7, 2),
    (7, 3),
];
/// Bits of a reading: few, so that functions that go bit by bit take few rounds.
pub const BITS: u32 = 4;
/// Elements of a vector.
const ELEMENTS: u32 = 3;
/// So long that the steps of one window can last until the next one closes.
const LONG_STEP: u64 = 700;
/// Most actions of a history.
const MOST_ACTIONS: u64 = 10;

/// Draws one number after the other.
enum Dice<'a> {
    /// Two bytes to a number, zeros after the last: so a change of a byte is a change of one number.
    Bytes(&'a [u8]),
    Seed {
        seed: u64,
        drawn: u64,
    },
}

impl Dice<'_> {
    fn below(&mut self, sides: u64) -> u64 {
        let number = match self {
            Self::Bytes(bytes) => {
                let (two, rest) = bytes.split_first_chunk().unwrap_or((&[0; 2], &[]));
                *bytes = rest;
                u16::from_le_bytes(*two).into()
            }
            Self::Seed { seed, drawn } => {
                *drawn += 1;
                noise(*seed, &[*drawn])
            }
        };
        number % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

impl Schedule {
    /// The history of a seed.
    pub fn from_seed(seed: u64) -> Self {
        Self::drawn(seed, &mut Dice::Seed { seed, drawn: 0 })
    }

    /// The history that bytes choose: any bytes are one.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut dice = Dice::Bytes(bytes);
        Self::drawn(dice.below(1 << 16), &mut dice)
    }

    fn drawn(seed: u64, dice: &mut Dice<'_>) -> Self {
        let mut site = shape(dice);
        let trouble = 2 + dice.below(5);
        let liars = liars(dice, &site);
        let count = dice.below(MOST_ACTIONS + 1);
        let mut actions = Vec::new();
        for _ in 0..count {
            actions.push(timed(dice, &site, &liars, trouble));
        }
        if dice.one_in(3) {
            actions.extend(storm(dice, &site, trouble));
        }
        if dice.one_in(8) {
            site = made_for_conspiracy(site);
            actions.extend(asked::conspiracy(dice, &site, trouble));
        } else if dice.one_in(2) {
            actions.extend(asked::asked(dice, &site, trouble));
        }
        let ends = actions.iter().map(|timed| (timed.at + timed.lasts).div_ceil(1000));
        let trouble = ends.fold(trouble, u64::max);
        Self { seed, site, liars, trouble, actions }
    }

    /// The site that it happens to.
    pub fn site(&self) -> Site {
        self.site.site(self.seed)
    }

    /// The first windows of the first epoch without trouble. A peer that comes back without a memory takes no part in the
    /// window that is running then, so the window after the trouble doesn't count.
    pub fn calm(&self) -> std::ops::RangeInclusive<u64> {
        let first = (self.trouble + 1).next_multiple_of(self.site.epoch);
        first..=first + 1
    }
}

fn shape(dice: &mut Dice<'_>) -> Shape {
    let (peers, threshold) = dice.of(&SHARINGS);
    let functions = catalogue();
    Shape {
        peers,
        threshold,
        malicious: dice.one_in(2),
        agents: 6 + dice.below(4) as u8,
        minimum: 3,
        epoch: 3 + dice.below(2),
        // With long steps a window may not be done when the next one closes.
        step: dice.of(&[200, 200, 200, LONG_STEP]),
        function: functions[dice.below(functions.len() as u64) as usize].name.to_owned(),
        sums: !dice.one_in(3),
        lone: false,
    }
}

/// Nothing on the quantity but what is asked for, and two whole floors beside one agent.
fn made_for_conspiracy(site: Shape) -> Shape {
    let function = "vector_sum".to_owned();
    Shape { agents: site.agents.max(2 * site.minimum as u8 + 1), sums: false, lone: true, function, ..site }
}

/// Up to t peers, where peers may lie.
fn liars(dice: &mut Dice<'_>, site: &Shape) -> Vec<u8> {
    let mut liars = Vec::new();
    if site.malicious && !dice.one_in(4) {
        for _ in 0..1 + dice.below(site.threshold.into()) {
            liars.push(1 + dice.below(site.peers.into()) as u8);
        }
        liars.sort_unstable();
        liars.dedup();
    }
    liars
}

fn timed(dice: &mut Dice<'_>, site: &Shape, liars: &[u8], trouble: u64) -> Timed {
    let millis = PERIOD.as_millis() as u64;
    let at = dice.below(trouble * millis);
    // Some are moments, some last windows; many begin where a window closes, for there the most is at stake.
    let at = if dice.one_in(2) { at / millis * millis + 195 + dice.below(40) } else { at };
    let lasts = if dice.one_in(2) { dice.below(3 * millis) } else { dice.below(60) };
    let lasts = lasts.min((trouble * millis).saturating_sub(at));
    Timed { at, lasts, action: action(dice, site, liars) }
}

/// What seldom comes together by chance, around a moment at which a window closes.
fn storm(dice: &mut Dice<'_>, site: &Shape, trouble: u64) -> Vec<Timed> {
    let closes = (1 + dice.below(trouble - 1)) * 1000 + 200;
    if site.step == LONG_STEP && dice.one_in(2) {
        return overtaken(dice, site, closes);
    }
    if dice.one_in(2) { missed(dice, site, closes) } else { turned_back(dice, site, closes) }
}

/// Every message of a window's steps comes late, though in time: its votes are due when the next window has closed. Other
/// agents speak in either, so that there are two cohorts to choose from.
fn overtaken(dice: &mut Dice, site: &Shape, closes: u64) -> Vec<Timed> {
    let delay = site.step / 2 + dice.below(site.step / 2);
    let slow = Action::Weather { lost: 0, delay, late: 1000, twice: 0 };
    let gaps = Action::Gaps { of_1000: 100 + dice.below(300) };
    vec![
        Timed { at: closes - 200 - 1000, lasts: 500, action: gaps },
        Timed { at: closes - 10, lasts: 1500 + dice.below(1000), action: slow },
    ]
}

/// A peer that has voted restarts with a clock that is behind, and hears once more what it heard before.
fn turned_back(dice: &mut Dice<'_>, site: &Shape, closes: u64) -> Vec<Timed> {
    let peer = 1 + dice.below(site.peers.into()) as u8;
    let down = Action::Crash { peer, loss: Loss::Nothing, after: None };
    vec![
        Timed { at: closes + 5, lasts: 500, action: Action::Clock { peer, by: -350 } },
        Timed { at: closes + 8 + dice.below(30), lasts: 5, action: down },
        Timed { at: closes + 60, lasts: 0, action: Action::Replay { back: 62, messages: 300 } },
    ]
}

/// With a peer down, where few are left to check each other, one of the others misses an inventory.
fn missed(dice: &mut Dice<'_>, site: &Shape, closes: u64) -> Vec<Timed> {
    let peer = |dice: &mut Dice<'_>| 1 + dice.below(site.peers.into()) as u8;
    let down = Action::Crash { peer: peer(dice), loss: Loss::Nothing, after: None };
    let missed = Action::Withhold { from: Some(peer(dice)), step: Step::Inventory, to: peer(dice) };
    vec![
        Timed { at: closes - 100, lasts: 500 + dice.below(200), action: down },
        Timed { at: closes - 10, lasts: 30, action: missed },
    ]
}

fn action(dice: &mut Dice<'_>, site: &Shape, liars: &[u8]) -> Action {
    if !liars.is_empty() && dice.one_in(3) {
        return liar_action(dice, liars);
    }
    let peer = |dice: &mut Dice<'_>| 1 + dice.below(site.peers.into()) as u8;
    match dice.below(12) {
        0 => Action::Agent { agent: dice.below(site.agents.into()) as u8, lie: agent_lie(dice, site) },
        1 => Action::Clock { peer: peer(dice), by: dice.below(800) as i64 - 400 },
        2 | 3 => Action::Crash {
            peer: peer(dice),
            loss: dice.of(&[Loss::Nothing, Loss::Unsynced]),
            after: if dice.one_in(2) { None } else { Some(dice.below(30) as u32) },
        },
        4 => Action::Gaps { of_1000: 100 + dice.below(700) },
        5 => Action::Flood { peer: None, messages: 50 + dice.below(150) as u32 },
        6 => Action::Partition { side: (1..=site.peers).filter(|_| dice.one_in(2)).collect() },
        7 => Action::Replay { back: dice.below(4000), messages: 1 + dice.below(60) as u32 },
        8 => Action::Rumour { at: peer(dice), about: peer(dice), up: dice.one_in(2) },
        9 => Action::Weather {
            lost: dice.below(80),
            // Some come after their deadline, most before.
            delay: 1 + dice.below(100 + site.step * 3 / 2),
            late: dice.below(250),
            twice: dice.below(250),
        },
        _ => Action::Withhold {
            from: if dice.one_in(2) { None } else { Some(peer(dice)) },
            step: dice.of(&[
                Step::Seeds,
                Step::Input,
                Step::Input,
                Step::Inventory,
                Step::Inventory,
                Step::Check,
                Step::Vote,
                Step::Vote,
                Step::Partial,
                Step::Endorsement,
            ]),
            to: peer(dice),
        },
    }
}

fn liar_action(dice: &mut Dice<'_>, liars: &[u8]) -> Action {
    let peer = dice.of(liars);
    match dice.below(10) {
        0 => Action::Crash { peer, loss: Loss::Everything, after: None },
        1 => Action::Flood { peer: Some(peer), messages: 50 + dice.below(150) as u32 },
        _ => Action::Peer {
            peer,
            lie: dice.of(&[
                PeerLie::Endorsement,
                PeerLie::FalseCheck,
                PeerLie::FalseShares,
                PeerLie::Inventories,
                PeerLie::Inventories,
                PeerLie::Silence,
                PeerLie::Seeds,
                PeerLie::VoteAlong,
                PeerLie::VoteAlong,
                PeerLie::Votes,
            ]),
        },
    }
}

fn agent_lie(dice: &mut Dice<'_>, site: &Shape) -> AgentLie {
    let to = 1 + dice.below(site.peers.into()) as u8;
    match dice.below(4) {
        0 => AgentLie::Demands { minimum: 4 + dice.below(6) as u16, from: to },
        1 => AgentLie::NoBit,
        2 => AgentLie::Torn { to },
        _ => AgentLie::Twice { to },
    }
}

impl Shape {
    /// The site, with keys drawn from `seed`: the function, and as a rule a sum and the sum of one floor.
    pub fn site(&self, seed: u64) -> Site {
        let site = Site::seeded(self.peers, self.threshold, seed);
        let site = if self.malicious { site.malicious() } else { site };
        let site = site.with(|site| {
            site.minimum_cohort = self.minimum;
            site.step = Span::new(Duration::from_millis(self.step));
            site.cohort_epoch = Span::new(PERIOD * self.epoch as u32);
        });
        let site = site.numbers("level", BITS).numbers("load", BITS).vector("shape", 2, ELEMENTS);
        let site = (0..self.agents).fold(site, |site, agent| {
            let floor = match agent {
                agent if self.lone && agent + 1 == self.agents => "3",
                agent if agent % 2 == 0 => "1",
                _ => "2",
            };
            site.agent(&[("floor", floor)], self.streams())
        });
        let floor = |floor: &str| QueryTable {
            scope: [("floor".to_owned(), floor.to_owned())].into(),
            ..query(&format!("floor-{floor}"), "sum", "level")
        };
        let site =
            if self.sums { site.asking(query("all", "sum", "level")).asking(floor("1")) } else { site };
        site.asking(self.function()).client()
    }

    fn streams(&self) -> &'static [&'static str] {
        match self.function.as_str() {
            "correlation" | "covariance" | "linear_fit" | "weighted_mean" => &["level", "load"],
            "vector_sum" => &["level", "shape"],
            _ => &["level"],
        }
    }

    fn function(&self) -> QueryTable {
        let quantity = if self.function == "vector_sum" { "shape" } else { "level" };
        let mut query = query("function", &self.function, quantity);
        match self.function.as_str() {
            "any_above" | "count_above" | "mean_above" => query.above = Some(9.into()),
            "correlation" | "covariance" | "linear_fit" | "weighted_mean" => query.with = "load".parse().ok(),
            "count_below" => query.below = Some(5.into()),
            "heavy_hitters" => query.at_least = Some(2),
            "histogram" => query.edges = Some(vec![4.into(), 9.into()]),
            "quantile" => query.q = "0.25".parse().ok(),
            "rank" => query.agent = "room-101".parse().ok(),
            "top_k" => query.k = Some(2),
            _ => {}
        }
        query
    }
}

fn query(name: &str, function: &str, quantity: &str) -> QueryTable {
    QueryTable::new(name.parse().unwrap(), function, quantity.parse().unwrap())
}
