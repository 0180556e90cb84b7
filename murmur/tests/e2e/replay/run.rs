//! `murmur demo --replay`, held against what was computed in the clear.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::clear::{Column, Expected, Kind};
use super::plain;
use crate::support::programs::Program;

/// How often a run is repeated at half the speed when the machine could not keep up with it.
const SLOWER: u32 = 3;

/// Functions that say how many, or yes or no.
const UNITLESS: [&str; 6] =
    ["any_above", "count", "count_above", "distinct_count", "histogram", "mean_above"];

/// One line of `--json`; what it must have, and no more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    query: String,
    function: String,
    quantity: String,
    unit: String,
    window: Window,
    value: Value,
    cohort: usize,
    fresh: usize,
    carried: usize,
    peers: Vec<String>,
    validated: bool,
    verified: bool,
    status: String,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Window {
    index: u64,
    start: String,
    end: String,
}

/// A replay to be run.
pub(super) struct Replay<'a> {
    pub(super) path: &'a Path,
    pub(super) column: &'a Column,
    /// The functions with their parameters.
    pub(super) asked: &'a [&'a str],
    /// Seconds of the file that pass in one, if the machine can keep up with it.
    pub(super) speed: u32,
    pub(super) minimum_cohort: usize,
    /// What windows should come to.
    pub(super) windows: &'a BTreeMap<u64, Expected>,
    /// The last of them that must have come.
    pub(super) last: u64,
}

/// What a replay came to, after all of it was found right.
pub(super) struct Outcome {
    /// Windows of which everything was published.
    pub(super) compared: usize,
    pub(super) with_value: usize,
    /// Over all windows.
    pub(super) carried: usize,
    pub(super) stderr: String,
}

/// A window that came out as it should on a machine that is too slow: a reading that comes late is carried, peers that
/// answer late are waited for in vain. It says nothing about the rest.
#[derive(Debug)]
struct TooSlow(String);

impl Replay<'_> {
    /// Runs it, slower if need be.
    pub(super) fn run(&self) -> Outcome {
        let mut speed = self.speed;
        loop {
            match self.run_at(speed) {
                Ok(outcome) => return outcome,
                Err(TooSlow(why)) if speed > self.speed >> SLOWER => {
                    println!("{}: too slow for speed {speed}: {why}", self.column.value);
                    speed /= 2;
                }
                Err(TooSlow(why)) => panic!("not even speed {speed} is slow enough: {why}"),
            }
        }
    }

    fn run_at(&self, speed: u32) -> Result<Outcome, TooSlow> {
        let Column { time, agent, value, quantity, .. } = *self.column;
        let mut command = Program::Murmur.command();
        command.args([
            "demo",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--speed",
            &speed.to_string(),
            "--replay",
        ]);
        command.arg(self.path).args([
            "--time-column",
            time,
            "--agent-column",
            agent,
            "--value-column",
            value,
        ]);
        for ask in self.asked {
            command.args(["--ask", ask]);
        }
        command.args(["--minimum-cohort", &self.minimum_cohort.to_string()]);
        // Gaps are told of, with their reasons, where a log is asked for.
        command.args(["--quantity", quantity]).env("RUST_LOG", "warn,sensor_agent=info");
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && !stderr.contains("panicked"), "{:?}: {stderr}", output.status);
        let mut windows: BTreeMap<u64, Vec<Line>> = BTreeMap::new();
        for text in String::from_utf8(output.stdout).unwrap().lines() {
            let line: Line = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            windows.entry(line.window.index).or_default().push(line);
        }
        let (mut compared, mut with_value, mut carried) = (0, 0, 0);
        for (window, expected) in self.windows {
            let lines = windows.remove(window).unwrap_or_default();
            if lines.is_empty() && *window > self.last {
                break;
            }
            if lines.len() < self.asked.len() && *window <= self.last {
                return Err(TooSlow(format!("window {window} has {} results", lines.len())));
            }
            let queries: BTreeSet<_> = lines.iter().map(|line| line.query.as_str()).collect();
            assert_eq!(queries.len(), lines.len(), "two results of one query in window {window}");
            for line in &lines {
                self.assert_line(line, expected)?;
            }
            compared += 1;
            with_value += usize::from(expected.kind == Kind::Value);
            carried += expected.cohort - expected.fresh;
        }
        let beyond: Vec<_> = windows.into_values().flatten().filter(|line| !line.value.is_null()).collect();
        assert!(beyond.is_empty(), "values for windows without any reading: {beyond:?}");
        Ok(Outcome { compared, with_value, carried, stderr })
    }

    fn assert_line(&self, line: &Line, expected: &Expected) -> Result<(), TooSlow> {
        let what = || format!("{line:?} instead of {expected:?}");
        let quantity = self.column.quantity;
        let query = format!("{quantity}-{}", line.function.replace('_', "-"));
        assert_eq!((line.quantity.as_str(), &line.query), (quantity, &query));
        assert!(line.window.start < line.window.end && line.window.start.ends_with(":00Z"), "{}", what());
        if line.status == "failed" || (line.status == "ok" && line.fresh < expected.fresh) {
            return Err(TooSlow(what()));
        }
        if let Some(reason) = self.withheld(expected) {
            assert_eq!((line.status.as_str(), &line.value), ("withheld", &Value::Null), "{}", what());
            assert!(line.reason.as_ref().is_some_and(|given| given.contains(&reason)), "{}", what());
            return Ok(());
        }
        assert_eq!(line.cohort, expected.cohort, "{}", what());
        assert_eq!((line.status.as_str(), &line.reason), ("ok", &None), "{}", what());
        let spoken = (expected.fresh, expected.cohort - expected.fresh);
        assert_eq!((line.fresh, line.carried), spoken, "{}", what());
        assert!(line.validated && line.peers.len() == 3, "{}", what());
        // Products among three peers leave no share over to check the others with.
        let linear = ["count", "mean", "sum"].contains(&line.function.as_str());
        assert!(line.verified || !linear, "{}", what());
        let is_number = UNITLESS.contains(&line.function.as_str()) || quantity == "motion";
        assert_eq!(line.unit.is_empty(), is_number, "{}", what());
        let asked = self.asked.iter().find(|ask| ask.split(' ').next() == Some(line.function.as_str()));
        plain::assert_value(asked.unwrap(), &line.value, &expected.readings, self.column.scale);
        Ok(())
    }

    /// What the reason says for which a window is withheld.
    fn withheld(&self, expected: &Expected) -> Option<String> {
        match expected.kind {
            Kind::TooEarly { before } => Some(format!("of the {before} of the last cohort are there")),
            Kind::TooFew => Some(format!("cohort {} of {}", expected.cohort, self.minimum_cohort)),
            Kind::TooFewFresh => Some(format!("fresh {} of {}", expected.fresh, self.minimum_cohort)),
            Kind::Value => None,
        }
    }
}
