//! Recorded readings replayed: every published value is the one computed in the clear from the same file.

mod clear;
mod data;
mod plain;
mod run;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use self::clear::{Column, Kind, Table};
use self::run::{Outcome, Replay};

const MINIMUM_COHORT: usize = 5;
/// What is asked where it is the rooms that matter, and not the function.
const LINEAR: [&str; 3] = ["count", "sum", "mean"];
/// Two windows a second.
const SPEED: u32 = 120;
/// 2026-01-05T14:50:00Z: ten minutes before an hour, at which the cohort changes.
const START: u64 = 1_767_624_600;
const MINUTES: u64 = 24;

const TEMPERATURE: Column = Column {
    time: "time",
    agent: "room",
    value: "temperature",
    quantity: "temperature",
    scale: 2,
    range: (-4_000, 8_500),
};
const MOTION: Column =
    Column { time: "time", agent: "room", value: "pir", quantity: "motion", scale: 0, range: (0, 1) };

/// Rooms that are steady, late, silent, broken, too new or too few: a day in 24 minutes.
fn synthetic() -> String {
    let mut table = "time,room,temperature,pir\n".to_owned();
    for minute in 0..MINUTES {
        let mut row = |second: u64, room: &str, temperature: &str, pir: &str| {
            let _ = writeln!(table, "{},{room},{temperature},{pir}", START + minute * 60 + second);
        };
        let degrees =
            |room: u64| format!("{}.{:02}", 19 + (minute + room) % 5, (minute * 37 + room * 11) % 100);
        for room in 1..=4 {
            row(0, &format!("steady-{room}"), &degrees(room), &(minute / (room + 1) % 2).to_string());
        }
        // Comes when four alone are too few; without it nothing could be told.
        if minute >= 2 {
            row(1, "fifth", "-40", "0");
        }
        // Falls silent, is carried, and misses the hour; when it speaks again the cohort goes on without it.
        if (2..5).contains(&minute) || minute >= 13 {
            row(2, "silent", &degrees(6), "1");
        }
        // Speaks from the third minute of the hour on: too late for it.
        if minute >= 13 {
            row(2, "new", "85", "1");
        }
        let (temperature, pir) = match minute % 6 {
            0 => ("579.27", "34456"),
            1 => ("nan", "-1"),
            3 => ("", ""),
            4 => ("85.01", "yes"),
            _ => ("21.50", "1"),
        };
        row(3, "broken", temperature, pir);
        // After everybody has spoken in this minute; it stands for the next one.
        if minute >= 1 {
            row(55, "late", &degrees(9), "0");
        }
    }
    table
}

fn write(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("readings.csv");
    std::fs::write(&path, text).unwrap();
    path
}

/// Replays `path` and holds what is published against `table`.
fn assert_replay(path: &Path, table: &Table, column: &Column, windows: usize) {
    let expected = table.expected(column, MINIMUM_COHORT);
    let last = table.span(column).1;
    let (asked, speed, minimum_cohort) = (LINEAR.as_slice(), SPEED, MINIMUM_COHORT);
    let replay = Replay { path, column, asked, speed, minimum_cohort, windows: &expected, last };
    let outcome = replay.run();
    let Outcome { compared, with_value, carried, stderr } = outcome;
    assert!(compared >= windows, "only {compared} of {windows} windows were published:\n{stderr}");
    println!("{}: {compared} windows, {with_value} with a value, {carried} readings carried", column.value);
    for reason in table.faults(column) {
        assert!(stderr.contains(reason), "faults called {reason} are not told of:\n{stderr}");
    }
}

#[test]
fn rooms_that_are_silent_broken_late_or_new_are_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let text = synthetic();
    let (path, table) = (write(folder.path(), &text), Table::read(&text));
    let expected = table.expected(&TEMPERATURE, MINIMUM_COHORT);
    // What the table is made for does happen in it.
    let kinds: Vec<_> = expected.values().map(|window| (window.cohort, window.kind)).collect();
    assert_eq!(kinds[..3], [(4, Kind::TooFew), (4, Kind::TooFew), (8, Kind::Value)]);
    assert_eq!(kinds[10..12], [(6, Kind::TooEarly { before: 8 }), (7, Kind::Value)]);
    assert!(expected.values().any(|window| window.fresh + 2 == window.cohort), "two are carried at a time");
    assert_replay(&path, &table, &TEMPERATURE, MINUTES as usize);
}

#[test]
fn motion_is_counted_and_impossible_motion_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let text = synthetic();
    assert_replay(&write(folder.path(), &text), &Table::read(&text), &MOTION, MINUTES as usize);
}

const KETI_CO2: Column =
    Column { time: "minute", agent: "room", value: "co2", quantity: "co2", scale: 0, range: (0, 10_000) };
const KETI_TEMPERATURE: Column = Column {
    time: "minute",
    agent: "room",
    value: "temperature",
    quantity: "temperature",
    scale: 2,
    range: (-4_000, 8_500),
};

/// A day of fifty rooms in August 2013 (KETI, Sutardja Dai Hall).
fn keti() -> Option<PathBuf> {
    data::file("keti-sdh/min1/2013-08-26.csv.gz")
}

/// The first minutes of the recorded day, with an hour's boundary in them.
fn first_minutes(column: &Column) {
    const MINUTES: usize = 70;
    let Some(path) = keti() else { return };
    let folder = tempfile::tempdir().unwrap();
    let text = clear::between(&clear::gunzip(&path), 0, MINUTES);
    assert_replay(&write(folder.path(), &text), &Table::read(&text), column, MINUTES);
}

#[test]
fn fifty_real_rooms_have_the_mean_co2_that_their_file_has() {
    first_minutes(&KETI_CO2);
}

#[test]
fn fifty_real_rooms_have_the_mean_temperature_that_their_file_has_without_its_faults() {
    first_minutes(&KETI_TEMPERATURE);
}

#[test]
#[ignore = "a whole day at 120 times its speed takes twelve minutes"]
fn a_whole_real_day_of_co2_is_right() {
    let Some(path) = keti() else { return };
    assert_replay(&path, &Table::read(&clear::gunzip(&path)), &KETI_CO2, 24 * 60);
}

#[test]
#[ignore = "a whole day at 120 times its speed takes twelve minutes"]
fn a_whole_real_day_of_temperature_is_right() {
    let Some(path) = keti() else { return };
    assert_replay(&path, &Table::read(&clear::gunzip(&path)), &KETI_TEMPERATURE, 24 * 60);
}
