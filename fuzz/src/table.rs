//! Tables of readings, as agents and the demonstration read them: plain or gzipped.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use sensor_agent::source::csv::{AgentColumn, Cell, Columns, CsvRows};

/// Reads the bytes as a file with the columns `minute`, `room`, `co2` and, if there is one, `shape`.
pub fn run(bytes: &[u8]) {
    FILE.with_borrow_mut(|(file, path)| {
        file.rewind().and_then(|()| file.set_len(0)).and_then(|()| file.write_all(bytes)).unwrap();
        for (only, values) in [(None, &["co2"][..]), (Some("413"), &["co2", "shape"])] {
            read(path, bytes.len(), only, values);
        }
    });
}

fn read(path: &Path, len: usize, only: Option<&str>, values: &[&str]) {
    let agent = Some(AgentColumn { column: "room".to_owned(), only: only.map(str::to_owned) });
    let values: Vec<_> = values.iter().map(|&value| value.to_owned()).collect();
    let (time, count) = ("minute".to_owned(), values.len());
    let columns = Columns { time, agent, values, delimiter: ','.try_into().unwrap() };
    let Ok(mut rows) = CsvRows::open(path, columns) else { return };
    let mut latest = None;
    while let Ok(Some(row)) = rows.next() {
        assert!(Some(row.at()) >= latest, "a time goes back");
        latest = Some(row.at());
        assert!(only.is_none() || row.agent() == only, "a row of somebody else");
        let cells: Vec<_> = row.cells().collect();
        assert_eq!(cells.len(), count);
        for cell in cells {
            let Cell::Reading(reading) = cell else { continue };
            assert!(reading.reveal().iter().all(|number| number.is_finite()));
            // gzip is at best a thousand times smaller.
            assert!(reading.reveal().len() <= len * 1100);
        }
    }
}

thread_local! {
    /// One file for all inputs: it lies in memory where there is room for that.
    static FILE: RefCell<(File, PathBuf)> = RefCell::new({
        let folder = [Path::new("/dev/shm")].into_iter().find(|folder| folder.is_dir());
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
        let path = folder.join(format!("murmuration-fuzz-{}.csv", std::process::id()));
        (File::create(&path).unwrap(), path)
    });
}
