//! The same computation in the clear, from the file alone: whole numbers, and none of the product's code.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
/// Agents speak between 6 and 48 seconds after a minute's beginning, so a row of the first seconds stands for its own
/// minute and one of the last seconds for the next; a table for this test has no others.
const EARLY: std::ops::RangeInclusive<u64> = 0..=5;
const LATE: std::ops::RangeInclusive<u64> = 49..=59;

/// How many windows after the last row's may still be published.
const AFTER: u64 = 60;

/// A column of readings: what to look at and what can be true.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) time: &'static str,
    pub(super) agent: &'static str,
    pub(super) value: &'static str,
    pub(super) quantity: &'static str,
    /// Digits after the point.
    pub(super) scale: u32,
    /// The least and the greatest reading, in units of the last digit.
    pub(super) range: (i64, i64),
}

/// Whether a window has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The hour has just begun, and too many of the last cohort are missing in what would be the new one.
    TooEarly {
        before: usize,
    },
    /// The cohort is smaller than the minimum, so that it is none and not frozen.
    TooFew,
    /// The cohort stands, but too few of it spoke in this window: the difference to the last one would tell of them.
    TooFewFresh,
    Value,
}

/// What a window should come to.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) kind: Kind,
    pub(super) cohort: usize,
    pub(super) fresh: usize,
    /// The cohort's readings by agent, in units of the last digit.
    pub(super) readings: BTreeMap<String, i64>,
}

/// A CSV text, split.
pub(super) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn read(text: &str) -> Self {
        let split = |line: &str| line.split(',').map(str::to_owned).collect();
        let mut lines = text.lines().map(split);
        Self { header: lines.next().unwrap(), rows: lines.collect() }
    }

    /// What every window from the first row's on should come to, and for a while after the last row's: a replay goes
    /// on until the last results are out.
    pub(super) fn expected(&self, column: &Column, minimum: usize) -> BTreeMap<u64, Expected> {
        let readings = self.readings(column);
        let (first, last) = self.span(column);
        let mut expected = BTreeMap::new();
        let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
        let mut frozen: Option<BTreeSet<&str>> = None;
        let mut voted: Option<BTreeSet<&str>> = None;
        for window in first..=last + AFTER {
            if (window * MINUTE).is_multiple_of(HOUR) {
                (newest, frozen) = (BTreeMap::new(), None);
            }
            let of_window = readings.get(&window);
            for (&agent, &value) in of_window.into_iter().flatten() {
                newest.insert(agent, value);
            }
            let cohort = frozen.clone().unwrap_or_else(|| newest.keys().copied().collect());
            let fresh = cohort.iter().filter(|agent| of_window.is_some_and(|read| read.contains_key(*agent)));
            let fresh = fresh.count();
            let readings = cohort.iter().map(|&agent| (agent.to_owned(), newest[agent])).collect();
            let early = frozen.is_none() && window * MINUTE % HOUR < HOUR / 10;
            let kind = match &voted {
                Some(before) if early && before.difference(&cohort).count() > (before.len() / 10).max(1) => {
                    Kind::TooEarly { before: before.len() }
                }
                _ if cohort.len() < minimum => Kind::TooFew,
                _ if fresh < minimum => Kind::TooFewFresh,
                _ => Kind::Value,
            };
            expected.insert(window, Expected { kind, cohort: cohort.len(), fresh, readings });
            frozen = matches!(kind, Kind::TooFewFresh | Kind::Value).then_some(cohort);
            voted = frozen.clone().or(voted);
        }
        expected
    }

    /// Under which names faults must be reported: those after which no better reading came in the same minute.
    pub(super) fn faults(&self, column: &Column) -> BTreeSet<&'static str> {
        let value = self.place(column.value);
        self.rows.iter().filter_map(|row| read(&row[value], column).err().flatten()).collect()
    }

    /// The windows of the first and of the last row.
    pub(super) fn span(&self, column: &Column) -> (u64, u64) {
        let time = self.place(column.time);
        let window = |row: &Vec<String>| row[time].parse::<u64>().unwrap() / MINUTE;
        (window(self.rows.first().unwrap()), window(self.rows.last().unwrap()))
    }

    /// Per window, what each agent read.
    fn readings(&self, column: &Column) -> BTreeMap<u64, BTreeMap<&str, i64>> {
        let [time, agent, value] = [column.time, column.agent, column.value].map(|name| self.place(name));
        let mut readings: BTreeMap<u64, BTreeMap<&str, i64>> = BTreeMap::new();
        for row in &self.rows {
            let at: u64 = row[time].parse().unwrap();
            let second = at % MINUTE;
            assert!(EARLY.contains(&second) || LATE.contains(&second), "a row at second {second}");
            let window = at / MINUTE + u64::from(LATE.contains(&second));
            if let Ok(value) = read(&row[value], column) {
                readings.entry(window).or_default().insert(&row[agent], value);
            }
        }
        readings
    }

    fn place(&self, column: &str) -> usize {
        self.header.iter().position(|name| name == column).unwrap()
    }
}

/// A cell in units of the column's last digit; else why it is no reading, unless it is merely empty.
fn read(cell: &str, column: &Column) -> Result<i64, Option<&'static str>> {
    let Some(value) = fixed_point(cell, column.scale) else {
        return Err(match cell {
            "" => None,
            "nan" => Some("not_a_number"),
            _ => Some("unparsable"),
        });
    };
    match column.range {
        (least, _) if value < least => Err(Some("below_minimum")),
        (_, greatest) if value > greatest => Err(Some("above_maximum")),
        _ => Ok(value),
    }
}

/// `-12.5` with two digits is -1250.
fn fixed_point(text: &str, scale: u32) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(fraction.len() <= scale as usize, "{text} is finer than the quantity");
    let digits = format!("{whole}{fraction:0<width$}", width = scale as usize);
    digits.parse().ok()
}

/// The text of a gzip file.
pub(super) fn gunzip(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// The header and the rows of `minutes` minutes, the first of which is the first not before `from`; the time is in the
/// first column.
pub(super) fn between(text: &str, from: u64, minutes: usize) -> String {
    let time = |row: &str| row.split(',').next().unwrap().parse::<u64>().unwrap();
    let mut lines = text.lines();
    let header = lines.next().unwrap();
    let mut rows = lines.skip_while(|row| time(row) < from).peekable();
    let first = time(rows.peek().unwrap());
    let rows = rows.take_while(|row| time(row) < first + MINUTE * minutes as u64);
    std::iter::once(header).chain(rows).map(|line| format!("{line}\n")).collect()
}
