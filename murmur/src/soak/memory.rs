//! What the processes of an idle site hold as time passes.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::fleet::Fleet;
use super::site::Role;

/// When it is measured, in parts of the whole time: if that is a day, in hours.
const PARTS: [u32; 5] = [0, 1, 6, 12, 24];
const ALL: u32 = 24;

/// All measurements so far.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Memory(Vec<Held>);

/// What all processes of each role held at one time.
#[derive(Debug, Serialize)]
struct Held {
    after_s: u64,
    roles: BTreeMap<Role, Share>,
}

/// One role's.
#[derive(Debug, Default, Serialize)]
struct Share {
    processes: u32,
    mean_mib: f64,
    most_mib: f64,
}

impl Memory {
    /// Measures, if it is time to: `passed` of `span`.
    pub(super) fn measure(&mut self, fleet: &Fleet, passed: Duration, span: Duration) {
        let due = |part: &u32| passed >= span * *part / ALL;
        if PARTS.get(self.0.len()).is_some_and(due) {
            let processes = fleet.lives().filter_map(|(_, role, life)| life.rss_mib().map(|mib| (role, mib)));
            self.note(passed, processes);
        }
    }

    fn note(&mut self, passed: Duration, processes: impl Iterator<Item = (Role, f64)>) {
        let mut roles: BTreeMap<Role, Share> = BTreeMap::new();
        for (role, mib) in processes {
            let share = roles.entry(role).or_default();
            share.processes += 1;
            share.mean_mib += (mib - share.mean_mib) / f64::from(share.processes);
            share.most_mib = share.most_mib.max(mib);
        }
        self.0.push(Held { after_s: passed.as_secs(), roles });
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nheld, mean and most MiB")?;
        for Held { after_s, roles } in &self.0 {
            write!(f, "after {:>2}:{:02} h", after_s / 3_600, after_s / 60 % 60)?;
            for (role, Share { processes, mean_mib, most_mib }) in roles {
                let role = clap::ValueEnum::to_possible_value(role);
                let name = role.as_ref().map_or("", |role| role.get_name());
                write!(f, "   {processes:>3} {name:<6} {mean_mib:>6.2} {most_mib:>6.2}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_most_of_each_role_are_told() {
        let mut memory = Memory::default();
        assert_eq!(memory.to_string(), "");
        let hours = |hours: u64| Duration::from_secs(3_600 * hours);
        memory.note(hours(0), [(Role::Agent, 8.0), (Role::Broker, 30.0), (Role::Agent, 10.0)].into_iter());
        memory.note(hours(25), [(Role::Agent, 9.0)].into_iter());
        let told = memory.to_string();
        let lines: Vec<_> = told.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "after  0:00 h     2 agent    9.00  10.00     1 broker  30.00  30.00",
                "after 25:00 h     1 agent    9.00   9.00",
            ]
        );
    }
}
