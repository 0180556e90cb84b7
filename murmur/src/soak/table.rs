//! What the agents of a soak read: readings from which a sum tells whose they are, and of which window.
//!
//! Agents stand in groups of at most five. An agent's reading is one digit of a number to the base 64, at the
//! agent's own place within its group: the window's number within its cohort epoch, from 1 on. So the sum over a
//! group, written to the base 64, names for each agent the window of the reading that stands in the sum; 0 stands
//! for an agent that is not in the cohort.

use smc_core::time::WindowIndex;

/// How many agents a group has at most: five digits of six bits make readings of 30 bits.
pub(super) const PLACES: usize = 5;
/// How many windows a cohort epoch has: fewer than the base, so that a digit tells the window.
pub(super) const EPOCH: u64 = 30;
/// The greatest reading.
pub(super) const MAXIMUM: u64 = BASE.pow(PLACES as u32) - 1;
const BASE: u64 = 64;
/// Each agent has no reading in one of so many windows, so that readings are carried in quiet times, too.
const GAPS: u64 = 23;

/// All readings of a soak, as everybody may know them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    pub(super) agents: usize,
    pub(super) seed: u64,
}

/// One digit of a group's sum: an agent of the cohort, and the window of its reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) place: usize,
    pub(super) window: WindowIndex,
}

/// A sum that no readings of a group add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSum {
    #[error("it is no whole number below 64^5")]
    Number,
    #[error("its digit at place {place} is of no agent of the group")]
    Stranger { place: usize },
    #[error("its digit at place {place} is {digit}, of a window still to come")]
    Future { place: usize, digit: u64 },
    #[error("its digit at place {place} is {digit}, of a window without a reading")]
    Gap { place: usize, digit: u64 },
}

impl Table {
    /// How many groups there are; their sizes differ by one at most.
    pub(super) fn groups(&self) -> usize {
        self.agents.div_ceil(PLACES)
    }

    /// The group of an agent.
    pub(super) fn group(&self, agent: usize) -> usize {
        agent % self.groups()
    }

    /// How many agents a group has.
    pub(super) fn size(&self, group: usize) -> usize {
        (self.agents - group).div_ceil(self.groups())
    }

    /// What `agent` reads in a window, if it does.
    pub(super) fn reading(&self, agent: usize, window: WindowIndex) -> Option<u64> {
        let (group, place) = (self.group(agent), agent / self.groups());
        self.reads(group, place, window).then(|| Self::value(place, window))
    }

    /// The newest reading up to a window, of its cohort epoch.
    pub(super) fn newest(&self, group: usize, place: usize, window: WindowIndex) -> Option<WindowIndex> {
        let first = window.0 - window.0 % EPOCH;
        (first..=window.0).rev().map(WindowIndex).find(|&window| self.reads(group, place, window))
    }

    /// The reading at a place in a window.
    pub(super) fn value(place: usize, window: WindowIndex) -> u64 {
        digit(window) * BASE.pow(place as u32)
    }

    /// Whether some agent reads `value` in this window or an earlier one of its cohort epoch.
    pub(super) fn is_read(&self, value: u64, window: WindowIndex) -> bool {
        let first = window.0 - window.0 % EPOCH;
        (first..=window.0)
            .map(WindowIndex)
            .any(|window| (0..PLACES).any(|place| Self::value(place, window) == value))
    }

    /// Whose readings a group's sum in `window` is made of, in the order of places.
    pub(super) fn members(&self, group: usize, window: WindowIndex, sum: u64) -> Result<Vec<Member>, NoSum> {
        if sum > MAXIMUM {
            return Err(NoSum::Number);
        }
        let mut members = Vec::with_capacity(PLACES);
        for place in 0..PLACES {
            let digit = sum / BASE.pow(place as u32) % BASE;
            if digit == 0 {
                continue;
            }
            if place >= self.size(group) {
                return Err(NoSum::Stranger { place });
            }
            if digit > self::digit(window) {
                return Err(NoSum::Future { place, digit });
            }
            let of = WindowIndex(window.0 - window.0 % EPOCH + digit - 1);
            if !self.reads(group, place, of) {
                return Err(NoSum::Gap { place, digit });
            }
            members.push(Member { place, window: of });
        }
        Ok(members)
    }

    /// Never two gaps of one group in one window, and none in an epoch's first, which decides who takes part in it.
    fn reads(&self, group: usize, place: usize, window: WindowIndex) -> bool {
        let turn = window.0.wrapping_add(self.seed).wrapping_add(group as u64 + 4 * place as u64);
        window.0.is_multiple_of(EPOCH) || !turn.is_multiple_of(GAPS)
    }
}

/// The number of a window within its cohort epoch, from 1 on.
fn digit(window: WindowIndex) -> u64 {
    window.0 % EPOCH + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table { agents: 40, seed: 7 };

    fn sum(group: usize, window: WindowIndex) -> u64 {
        (0..TABLE.agents)
            .filter(|&agent| TABLE.group(agent) == group)
            .filter_map(|agent| TABLE.reading(agent, window))
            .sum()
    }

    #[test]
    fn a_sum_names_its_members_and_their_windows() {
        for window in (3000..3060).map(WindowIndex) {
            for group in 0..TABLE.groups() {
                let members = TABLE.members(group, window, sum(group, window)).unwrap();
                assert!(members.len() >= PLACES - 1);
                assert!(members.iter().all(|member| member.window == window));
            }
        }
        let carried = Table::value(0, WindowIndex(3007)) + Table::value(4, WindowIndex(3003));
        let members = Table { agents: 40, seed: 3 }.members(0, WindowIndex(3009), carried).unwrap();
        let windows: Vec<_> = members.iter().map(|member| (member.place, member.window.0)).collect();
        assert_eq!(windows, [(0, 3007), (4, 3003)]);
    }

    #[test]
    fn a_sum_of_no_readings_is_refused() {
        let window = WindowIndex(3005);
        assert_eq!(TABLE.members(0, window, MAXIMUM + 1), Err(NoSum::Number));
        assert_eq!(TABLE.members(0, window, 7), Err(NoSum::Future { place: 0, digit: 7 }));
        let small = Table { agents: 3, seed: 7 };
        assert_eq!(small.members(0, window, 64 * 64 * 64), Err(NoSum::Stranger { place: 3 }));
        let gap = (3001..3030).map(WindowIndex).find(|&w| !TABLE.reads(0, 0, w)).unwrap();
        let digit = digit(gap);
        assert_eq!(TABLE.members(0, gap, digit), Err(NoSum::Gap { place: 0, digit }));
    }

    #[test]
    fn a_group_has_three_to_five_agents_and_at_most_one_gap() {
        for agents in (3..=5).chain(7..=200) {
            let table = Table { agents, seed: 1 };
            assert_eq!((0..table.groups()).map(|group| table.size(group)).sum::<usize>(), agents);
            for group in 0..table.groups() {
                assert!((3..=PLACES).contains(&table.size(group)), "{agents} agents");
                for window in (0..100).map(WindowIndex) {
                    let gaps = (0..table.size(group)).filter(|&place| !table.reads(group, place, window));
                    assert!(gaps.count() <= 1);
                }
            }
        }
    }
}
