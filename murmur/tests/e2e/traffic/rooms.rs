//! Rooms that could not be more different, as tables that their agents read.

use std::fmt::Write;

use crate::support::site::Site;

/// How many.
pub(super) const ROOMS: usize = 6;

/// What the owners call their rooms; the agents' names say nothing.
const DISPLAY_NAMES: [&str; ROOMS] = [
    "Empty archive 4711",
    "Cantina grande",
    "Broken sensor corner",
    "Unheated bicycle cellar",
    "Managing director",
    "Works council",
];

/// Seconds that the tables last.
const LENGTH: u32 = 90;

/// Nothing ever happens.
fn empty() -> String {
    let rows = (0..LENGTH * 2).map(|i| format!("{:.1},7417,0,17.53\n", f64::from(i) / 2.0));
    rows.fold(HEADER.to_owned(), |table, row| table + &row)
}

/// Something happens ten times a second.
fn busy() -> String {
    let mut table = HEADER.to_owned();
    for i in 0..LENGTH * 10 {
        let (co2, motion) = (3201 + i * 37 % 800, i % 2);
        let temperature = 30.11 + f64::from(i * 13 % 500) / 100.0;
        let _ = writeln!(table, "{:.1},{co2},{motion},{temperature:.2}", f64::from(i) / 10.0);
    }
    table
}

/// Now and then a reading, else nothing, nonsense or faults, and after some seconds the end of the file.
fn gaps() -> String {
    let mut table = HEADER.to_owned();
    for i in 0..12 {
        let row = ["6417,1,16.59", ",,", "nan,,579.27", "99999,34456,", "six,x,-", "6417,,16.59"][i % 6];
        let _ = writeln!(table, "{:.1},{row}", i as f64 / 2.0);
    }
    table
}

const HEADER: &str = "time,co2,motion,temperature\n";
/// The rooms that read a table, and what is in it.
fn tables() -> [(&'static str, String); 3] {
    [("room-1", empty()), ("room-2", busy()), ("room-3", gaps())]
}

/// Gives three rooms a table, one no source at all, and leaves two as they are: simulated.
pub(super) fn furnish(site: &mut Site) {
    for (room, display_name) in (1..).zip(DISPLAY_NAMES) {
        site.edit(&format!("room-{room}.toml"), |text| {
            let named = format!("display_name = \"{display_name}\"");
            let text = text.replace("# display_name = \"Corner office\"", &named);
            assert!(text.contains(&named));
            text
        });
    }
    for (room, table) in tables() {
        std::fs::write(site.path(&format!("{room}.csv")), table).unwrap();
        let columns = "columns = { co2 = \"co2\", motion = \"motion\", temperature = \"temperature\" }";
        let source = format!("kind = \"csv\"\npath = \"{room}.csv\"\ntime_column = \"time\"\n{columns}\n");
        site.set_source(room, &source);
    }
    site.edit("room-4.toml", |text| text.split_once("[[source]]").unwrap().0.to_owned());
}

/// All readings of the tables, as text; but for motion's, which are as short as anything.
pub(super) fn readings() -> Vec<String> {
    let mut readings = Vec::new();
    for (_, table) in tables() {
        let cells =
            table.lines().skip(1).flat_map(|row| row.split(',').skip(1)).filter(|cell| cell.len() > 3);
        readings.extend(cells.map(str::to_owned));
    }
    readings.sort();
    readings.dedup();
    readings
}

/// What nobody but its owner may learn: readings, display names, passwords and keys.
pub(super) fn secrets(site: &Site) -> Vec<String> {
    let mut secrets = readings();
    secrets.extend(DISPLAY_NAMES.map(str::to_owned));
    for node in site.agents().into_iter().chain(site.peers()) {
        let file = std::fs::read_to_string(site.path(&format!("keys/{node}.key"))).unwrap();
        let file: serde_json::Value = serde_json::from_str(&file).unwrap();
        for secret in [&file["password"], &file["keys"]["signing"], &file["keys"]["sealing"]] {
            secrets.push(secret.as_str().unwrap().to_owned());
        }
    }
    assert!(secrets.len() > 500);
    secrets
}
