//! `murmur demo --replay`, held against what was computed in the clear.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::clear::{Column, Expected, Kind};
use crate::support::programs::Program;

/// Seconds of the file that pass in one: two windows a second.
const SPEED: u32 = 120;
/// How often a run is repeated at half the speed when the machine could not keep up with it.
const SLOWER: u32 = 2;

/// One line of `--json`; what it must have, and no more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    query: String,
    function: String,
    quantity: String,
    unit: String,
    window: Window,
    value: Option<f64>,
    cohort: usize,
    fresh: usize,
    carried: usize,
    peers: Vec<String>,
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
        let mut speed = SPEED;
        loop {
            match self.run_at(speed) {
                Ok(outcome) => return outcome,
                Err(TooSlow(why)) if speed > SPEED >> SLOWER => {
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
            if lines.len() < 3 && *window <= self.last {
                return Err(TooSlow(format!("window {window} has {} results", lines.len())));
            }
            let functions: BTreeSet<_> = lines.iter().map(|line| line.function.as_str()).collect();
            assert_eq!(functions.len(), lines.len(), "two results of one query in window {window}");
            for line in &lines {
                self.assert_line(line, expected)?;
            }
            compared += 1;
            with_value += usize::from(expected.kind == Kind::Value);
            carried += expected.cohort - expected.fresh;
        }
        let beyond: Vec<_> = windows.into_values().flatten().filter(|line| line.value.is_some()).collect();
        assert!(beyond.is_empty(), "values for windows without any reading: {beyond:?}");
        Ok(Outcome { compared, with_value, carried, stderr })
    }

    fn assert_line(&self, line: &Line, expected: &Expected) -> Result<(), TooSlow> {
        let what = || format!("{line:?} instead of {expected:?}");
        let Column { value: _, quantity, scale, .. } = *self.column;
        assert_eq!(
            (line.quantity.as_str(), &line.query),
            (quantity, &format!("{quantity}-{}", line.function))
        );
        assert!(line.window.start < line.window.end && line.window.start.ends_with(":00Z"), "{}", what());
        if line.status == "failed" || (line.status == "ok" && line.fresh < expected.fresh) {
            return Err(TooSlow(what()));
        }
        if let Some(reason) = withheld(expected) {
            assert_eq!((line.status.as_str(), line.value), ("withheld", None), "{}", what());
            assert!(line.reason.as_ref().is_some_and(|given| given.starts_with(&reason)), "{}", what());
            return Ok(());
        }
        assert_eq!(line.cohort, expected.cohort, "{}", what());
        assert_eq!((line.status.as_str(), &line.reason), ("ok", &None), "{}", what());
        assert_eq!(
            (line.fresh, line.carried),
            (expected.fresh, expected.cohort - expected.fresh),
            "{}",
            what()
        );
        assert!(line.verified && line.peers.len() == 3, "{}", what());
        let one = 10_f64.powi(scale as i32);
        let value = line.value.unwrap();
        match line.function.as_str() {
            "count" => assert_eq!((value, line.unit.as_str()), (expected.cohort as f64, ""), "{}", what()),
            "sum" => assert_eq!(value, expected.sum as f64 / one, "{}", what()),
            _ => {
                let mean = expected.sum as f64 / one / expected.cohort as f64;
                assert!((value - mean).abs() <= 0.5 / one, "{mean}: {}", what());
            }
        }
        Ok(())
    }
}

/// How the reason begins for which a window is withheld.
fn withheld(expected: &Expected) -> Option<String> {
    match expected.kind {
        Kind::TooFew => Some(format!("cohort {} of 5", expected.cohort)),
        Kind::TooFewFresh => Some(format!("fresh {} of 5", expected.fresh)),
        Kind::Value => None,
    }
}
