//! What a soak came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::fleet::Life;
use super::memory::Memory;
use super::site::Role;
use super::watch::Tally;
use crate::percentiles::percentiles;

/// The whole report; `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(super) seed: u64,
    pub(super) peers: u8,
    pub(super) threshold: u8,
    pub(super) agents: usize,
    pub(super) period: String,
    /// How long it ran, from the first whole window on.
    pub(super) seconds: u64,
    pub(super) results: Tally,
    /// By what went wrong.
    pub(super) faults: BTreeMap<String, Figures>,
    /// Episodes that were not recovered from.
    pub(super) unrecovered: u64,
    pub(super) processes: BTreeMap<Role, Processes>,
    /// What the processes held as time passed, if nothing went wrong.
    pub(super) idle: Memory,
    /// What was not done, and why.
    pub(super) skipped: Vec<String>,
}

/// What one episode cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// How many windows were left without all values.
    pub(super) lost: u64,
    /// How many of these ended after what went wrong was over.
    pub(super) after: u64,
    /// How long it took until all was well again, if it ever was.
    pub(super) recovery: Option<Duration>,
}

/// What one kind of fault cost.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    times: u64,
    /// How many windows all of them together left without all values.
    lost: u64,
    /// The most that one of them did.
    lost_most: u64,
    /// The most that one of them did after it was over.
    after_most: u64,
    /// From its end to the last value of the first whole window after it, in seconds.
    recovery_s: Recovery,
    #[serde(skip)]
    recoveries: Vec<f64>,
}

#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Recovery {
    p50: f64,
    p99: f64,
    max: f64,
}

/// All processes of one role.
#[derive(Debug, Default, Serialize)]
pub(super) struct Processes {
    /// How often one was started.
    starts: u64,
    /// How often one ended by itself.
    exits: u64,
    /// How often of these one crashed.
    crashes: u64,
    /// How often one had to be killed since it did not end when asked.
    stubborn: u64,
    /// Resident memory in MiB of those that lived for a while: when they first were in a quiet site, and at the
    /// end.
    begin_mib: f64,
    end_mib: f64,
    /// The most that one of them grew.
    growth_mib: f64,
    /// How long that one had lived, in seconds.
    growth_after_s: u64,
    #[serde(skip)]
    measured: u64,
}

impl Report {
    /// Whether nothing was wrong, nothing was published twice, nobody crashed, and everything was recovered from.
    pub(crate) fn is_good(&self) -> bool {
        let Tally { wrong, duplicate, results, .. } = self.results;
        wrong == 0 && duplicate == 0 && self.crashes() == 0 && self.unrecovered == 0 && results > 0
    }

    fn crashes(&self) -> u64 {
        self.processes.values().map(|all| all.crashes).sum()
    }
}

impl Figures {
    /// Counts one fault.
    pub(super) fn add(&mut self, Cost { lost, after, recovery }: Cost) {
        self.times += 1;
        self.lost += lost;
        self.lost_most = self.lost_most.max(lost);
        self.after_most = self.after_most.max(after);
        if let Some(recovery) = recovery {
            self.recoveries.push(recovery.as_secs_f64());
            let found = percentiles(&mut self.recoveries);
            let max = self.recoveries.last().copied().unwrap_or_default();
            self.recovery_s = Recovery { p50: found.p50, p99: found.p99, max };
        }
    }
}

impl Processes {
    /// Counts one process, with what it held at first, if that was ever measured of the one that lives now.
    pub(super) fn add(&mut self, life: &Life, begin: Option<f64>) {
        self.starts += u64::from(life.starts);
        self.exits += u64::from(life.exits);
        self.crashes += u64::from(life.crashes);
        self.stubborn += u64::from(life.stubborn);
        let (Some(begin), Some(end)) = (begin, life.rss_mib()) else { return };
        self.measured += 1;
        self.begin_mib += (begin - self.begin_mib) / self.measured as f64;
        self.end_mib += (end - self.end_mib) / self.measured as f64;
        if end - begin > self.growth_mib {
            self.growth_mib = end - begin;
            self.growth_after_s = life.since.map_or(0, |since| since.elapsed().as_secs());
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, peers, threshold, agents, period, seconds, results, .. } = self;
        writeln!(
            f,
            "seed {seed}: {peers} peers of which any {threshold} together learn nothing, {agents} agents, windows of \
             {period}, for {}:{:02} min",
            seconds / 60,
            seconds % 60
        )?;
        let Tally { windows, complete, results: values, right, possible, .. } = results;
        writeln!(f, "\nwindows    {windows}, {complete} of them with all values")?;
        writeln!(
            f,
            "values     {values}: {right} equal to the truth, {possible} possible, {} wrong",
            results.wrong
        )?;
        writeln!(f, "duplicate  {}", results.duplicate)?;
        let Tally { withheld, failed, unheard, .. } = results;
        writeln!(f, "no value   {withheld} withheld, {failed} failed, {unheard} not heard of")?;
        for (reason, count) in &results.reasons {
            writeln!(f, "           {count:>6}  {reason}")?;
        }
        if !self.faults.is_empty() {
            self.tell_faults(f)?;
        }
        write!(f, "{}", self.idle)?;
        self.tell_processes(f)?;
        for skipped in &self.skipped {
            writeln!(f, "SKIPPED: {skipped}")?;
        }
        for mistake in &results.mistakes {
            writeln!(f, "WRONG: {mistake}")?;
        }
        if self.is_good() {
            write!(f, "nothing wrong, nothing twice, nobody crashed, recovered from everything")
        } else {
            let Tally { wrong, duplicate, .. } = results;
            let (crashes, unrecovered) = (self.crashes(), self.unrecovered);
            write!(
                f,
                "{wrong} wrong, {duplicate} twice, {crashes} crashes, {unrecovered} times not recovered"
            )
        }
    }
}

impl Report {
    fn tell_faults(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<18}{:>6}{:>32}{:>30}",
            "fault", "times", "windows lost, most, after it", "recovery p50 / p99 / max, s"
        )?;
        for (name, figures) in &self.faults {
            let Figures { times, lost, lost_most, after_most, .. } = figures;
            let Recovery { p50, p99, max } = figures.recovery_s;
            let (lost, recovery) =
                (format!("{lost}, {lost_most}, {after_most}"), format!("{p50:.2} / {p99:.2} / {max:.2}"));
            writeln!(f, "{name:<18}{times:>6}{lost:>32}{recovery:>30}")?;
        }
        Ok(())
    }

    fn tell_processes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{:<18}{:>6}{:>16}{:>26}{:>22}",
            "processes", "starts", "ended by itself", "mean MiB, begin and end", "most growth"
        )?;
        for (role, all) in &self.processes {
            let role = clap::ValueEnum::to_possible_value(role);
            let name = role.as_ref().map_or("", |role| role.get_name());
            let memory = format!("{:.1} -> {:.1}", all.begin_mib, all.end_mib);
            let growth = format!("{:.1} MiB in {} s", all.growth_mib, all.growth_after_s);
            writeln!(f, "{name:<18}{:>6}{:>16}{memory:>26}{growth:>22}", all.starts, all.exits)?;
            if all.stubborn > 0 {
                writeln!(f, "{:<18}{} had to be killed since they did not end when asked", "", all.stubborn)?;
            }
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            seed: 1,
            peers: 5,
            threshold: 1,
            agents: 40,
            period: "1s".to_owned(),
            seconds: 61,
            results: Tally { results: 1, right: 1, ..Tally::default() },
            faults: BTreeMap::new(),
            unrecovered: 0,
            processes: BTreeMap::new(),
            idle: Memory::default(),
            skipped: Vec::new(),
        }
    }

    #[test]
    fn a_soak_is_good_if_nothing_was_wrong_or_twice_and_all_was_recovered_from() {
        assert!(report().is_good());
        let crashed = Processes { crashes: 1, ..Processes::default() };
        assert!(!Report { processes: BTreeMap::from([(Role::Peer, crashed)]), ..report() }.is_good());
        assert!(!Report { unrecovered: 1, ..report() }.is_good());
        for spoil in [
            |tally: &mut Tally| tally.wrong = 1,
            |tally: &mut Tally| tally.duplicate = 1,
            |tally: &mut Tally| tally.results = 0,
        ] {
            let mut spoilt = report();
            spoil(&mut spoilt.results);
            assert!(!spoilt.is_good());
        }
    }

    #[test]
    fn figures_tell_the_worst() {
        let mut figures = Figures::default();
        for (lost, millis) in [(0, 900), (2, 3000), (1, 1000)] {
            figures.add(Cost { lost, after: 0, recovery: Some(Duration::from_millis(millis)) });
        }
        figures.add(Cost { lost: 9, after: 4, recovery: None });
        let Figures { times, lost, lost_most, after_most, .. } = figures;
        assert_eq!((times, lost, lost_most, after_most), (4, 12, 9, 4));
        assert_eq!((figures.recovery_s.p50, figures.recovery_s.max), (1.0, 3.0));
    }
}
