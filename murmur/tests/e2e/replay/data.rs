//! Readings that were recorded, if they lie beside the checkout or where `MURMUR_TEST_DATA` says; see the READMEs there.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::clear::{self, Column, Table};
use super::run::{Outcome, Replay};
use super::{START, write};

/// One of the files.
pub(super) fn file(name: &str) -> Option<PathBuf> {
    let data = std::env::var_os("MURMUR_TEST_DATA").map(PathBuf::from);
    let data = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
    let path = data.join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// The cells of a CSV file without its header.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let split = |line: &str| line.split(',').map(str::to_owned).collect();
    clear::gunzip(path).lines().skip(1).map(split).collect()
}

/// Whole numbers with a name each, one group per minute, as a table.
fn minutes<'a>(groups: impl Iterator<Item = &'a BTreeMap<String, i64>>) -> String {
    let mut table = "time,agent,reading\n".to_owned();
    for (minute, group) in (0..).zip(groups) {
        for (agent, reading) in group {
            let _ = writeln!(table, "{},{agent},{reading}", START + 60 * minute);
        }
    }
    table
}

/// A table of [`minutes`].
fn whole(quantity: &'static str, greatest: i64) -> Column {
    Column { time: "time", agent: "agent", value: "reading", quantity, scale: 0, range: (0, greatest) }
}

/// Asks all of `asked` of a table; each value must be the one computed in the clear. `speed` is for a slow machine.
fn assert_values(text: &str, column: &Column, asked: &[&str], speed: u32, minimum_cohort: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (path, table) = (write(folder.path(), text), Table::read(text));
    let (expected, (first, last)) = (table.expected(column, minimum_cohort), table.span(column));
    let replay = Replay { path: &path, column, asked, speed, minimum_cohort, windows: &expected, last };
    let Outcome { compared, with_value, stderr, .. } = replay.run();
    assert!(compared as u64 > last - first, "only {compared} windows:\n{stderr}");
    assert!(with_value as u64 > last - first, "only {with_value} windows have values:\n{stderr}");
}

/// Twelve minutes of fifty rooms (KETI, Sutardja Dai Hall) in which now and then a room exceeds 1000 ppm.
#[test]
fn fifty_real_rooms_have_the_co2_that_their_file_has_whatever_is_asked() {
    const FIRST: u64 = 1_377_803_760;
    let column =
        Column { time: "minute", agent: "room", value: "co2", quantity: "co2", scale: 0, range: (0, 10_000) };
    let asked = [
        "any_above above = 1000",
        "argmax",
        "count_above above = 1000",
        "histogram edges = [400, 500, 600, 800, 1000]",
        "max",
        "mean_above above = 538",
        "median",
        "min",
        "quantile q = 0.9",
        "stddev",
    ];
    let Some(path) = file("keti-sdh/min1/2013-08-29.csv.gz") else { return };
    let text = clear::between(&clear::gunzip(&path), FIRST, 12);
    assert_values(&text, &column, &asked, 30, 5);
}

/// Six hours of 101 buildings (Cambridge University Estates), as minutes, in tenths of a kWh.
#[test]
fn a_hundred_real_buildings_use_the_power_that_their_file_says() {
    let Some(path) = file("cambridge-power/electricity_2019-10_11.csv.gz") else { return };
    let reading = |cell: &str| (cell.parse::<f64>().unwrap() * 10.0).round() as i64;
    // Monday 14 October from 5 o'clock, when people come to work.
    let hours = rows(&path).into_iter().skip(13 * 24 + 5).take(6).map(|row| -> BTreeMap<String, i64> {
        (0..).zip(&row[1..]).map(|(building, cell)| (format!("building-{building}"), reading(cell))).collect()
    });
    let hours: Vec<_> = hours.collect();
    assert!(hours.iter().all(|hour| hour.len() == 101));
    assert_values(
        &minutes(hours.iter()),
        &whole("power", 100_000),
        &["median", "sum", "top_k k = 5"],
        20,
        20,
    );
}

/// Five days of flows between ten workstations and about 150 networks: for each network that was spoken with, which
/// workstation had most to do with it.
#[test]
fn real_networks_have_the_favourite_workstations_that_their_file_has() {
    let Some(path) = file("netflow-cs448b/flows.csv.gz") else { return };
    let mut most: BTreeMap<String, BTreeMap<String, (i64, i64)>> = BTreeMap::new();
    for row in rows(&path) {
        let [date, host, network, flows] = &row[..] else { panic!("{row:?}") };
        let (host, flows) = (host.parse().unwrap(), flows.parse().unwrap());
        let most = most.entry(date.clone()).or_default().entry(format!("as-{network}")).or_default();
        *most = (flows, host).max(*most);
    }
    let hosts =
        |day: &BTreeMap<String, (i64, i64)>| day.iter().map(|(n, (_, host))| (n.clone(), *host)).collect();
    let days: Vec<BTreeMap<String, i64>> = most.values().take(5).map(hosts).collect();
    assert!(days.iter().all(|day| day.len() > 80));
    let asked = ["distinct_count", "entropy", "heavy_hitters at_least = 20"];
    assert_values(&minutes(days.iter()), &whole("occupancy", 1_000), &asked, 6, 20);
}

/// An hour of three rooms at the National University of Singapore (ROBOD), with their true occupants.
#[test]
fn three_real_rooms_have_the_people_that_their_file_has() {
    let mut hour: Vec<BTreeMap<String, i64>> = vec![BTreeMap::new(); 12];
    for room in 1..=3 {
        let Some(path) = file(&format!("robod/room{room}.csv.gz")) else { return };
        let morning = rows(&path).into_iter().skip_while(|row| !row[0].starts_with("2021-09-07 09:00"));
        for (minute, row) in hour.iter_mut().zip(morning) {
            minute.insert(format!("room-{room}"), row[12].parse().unwrap());
        }
    }
    assert!(hour.iter().any(|minute| minute.values().sum::<i64>() > 0), "somebody is there");
    let asked = ["any_above above = 0", "distinct_count", "max", "median", "min", "sum", "top_k k = 2"];
    assert_values(&minutes(hour[..6].iter()), &whole("occupancy", 1_000), &asked, 30, 3);
}
