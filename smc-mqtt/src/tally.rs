//! What was refused or dropped, by reason: counted, shown in the node's status, and logged ever more rarely.

use std::collections::BTreeMap;

use serde::Serialize;

/// Counts by reason. The reasons are the program's own, so their number is bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    /// Counts one more `reason`; whether it is worth a log line: the first, the second, the fourth, the eighth...
    pub fn count(&mut self, reason: &'static str) -> bool {
        let count = self.0.entry(reason).or_default();
        *count += 1;
        count.is_power_of_two()
    }

    /// Counts several at once.
    pub fn add(&mut self, reason: &'static str, count: u64) {
        *self.0.entry(reason).or_default() += count;
    }

    /// Takes over what was counted elsewhere.
    pub fn set(&mut self, reason: &'static str, count: u64) {
        if count > 0 {
            self.0.insert(reason, count);
        }
    }

    /// How often `reason` was counted.
    pub fn of(&self, reason: &str) -> u64 {
        self.0.get(reason).copied().unwrap_or(0)
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reasons and counts, ascending by reason.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(&reason, &count)| (reason, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_logged_ever_more_rarely() {
        let mut tally = Tally::default();
        let logged = (0..1000).filter(|_| tally.count("late")).count();
        assert_eq!((logged, tally.of("late")), (10, 1000));
    }
}
