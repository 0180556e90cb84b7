//! A table's rows, one after the other; never the whole file in memory.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use ::csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};
use flate2::read::MultiGzDecoder;
use smc_core::time::Timestamp;

use super::super::text::{Words, is_vector, read_vector};
use super::super::{GapReason, Reading};
use super::time::parse_time;
use super::{CsvError, Delimiter, Flaw};

/// The first two bytes of every gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The longest row, in bytes.
const MAX_ROW: usize = 1 << 20;
/// How much of an unreadable cell an error shows, in characters.
const EXCERPT: usize = 40;

/// Which columns of a table matter.
#[derive(Debug, Clone)]
pub struct Columns {
    /// The name of the column with the time.
    pub time: String,
    /// The column that says whose row it is, if there is one.
    pub agent: Option<AgentColumn>,
    /// The names of the columns with readings.
    pub values: Vec<String>,
    /// What separates cells.
    pub delimiter: Delimiter,
}

/// The column that says whose row it is.
#[derive(Debug, Clone)]
pub struct AgentColumn {
    /// Its name.
    pub column: String,
    /// Skip the rows of all others.
    pub only: Option<String>,
}

/// A table that is being read. Times must not decrease from row to row (skipped rows aside).
pub struct CsvRows {
    reader: Reader<Measured>,
    record: StringRecord,
    path: PathBuf,
    columns: Columns,
    time: usize,
    agent: Option<usize>,
    values: Vec<usize>,
    latest: Timestamp,
    /// Bytes taken from the file since the last row ended.
    taken: Arc<AtomicUsize>,
}

/// One row.
#[derive(Debug)]
pub struct Row<'a> {
    at: Timestamp,
    agent: Option<&'a str>,
    record: &'a StringRecord,
    values: &'a [usize],
}

/// One cell of a value column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No reading.
    Empty,
    /// A reading.
    Reading(Reading),
    /// Something else.
    Unusable(GapReason),
}

impl Cell {
    /// How many numbers it holds.
    pub(super) fn numbers(&self) -> usize {
        match self {
            Self::Reading(reading) => reading.reveal().len(),
            Self::Empty | Self::Unusable(_) => 0,
        }
    }
}

impl CsvRows {
    /// Opens a table and finds its columns.
    ///
    /// # Errors
    /// When the file can't be read or lacks a column.
    pub fn open(path: &Path, columns: Columns) -> Result<Self, CsvError> {
        let error = |flaw| CsvError::new(path, flaw);
        let unreadable = |problem: io::Error| error(Flaw::Unreadable(problem.kind()));
        let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
        let zipped = file.fill_buf().map_err(unreadable)?.starts_with(&GZIP);
        let source: Box<dyn Read + Send> =
            if zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        let taken = Arc::new(AtomicUsize::new(0));
        let measured = Measured { source, taken: taken.clone() };
        let mut reader = ReaderBuilder::new().delimiter(columns.delimiter.byte()).from_reader(measured);
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(problem) => return Err(error(flaw(&problem, 1, &taken))),
        };
        taken.store(0, Relaxed);
        let find = |column: &String| place(&header, column).map_err(error);
        let time = find(&columns.time)?;
        let agent = columns.agent.as_ref().map(|agent| find(&agent.column)).transpose()?;
        let values = columns.values.iter().map(find).collect::<Result<_, _>>()?;
        let (record, latest) = (StringRecord::new(), Timestamp::default());
        Ok(Self { reader, record, path: path.to_owned(), columns, time, agent, values, latest, taken })
    }

    /// The next row, `None` after the last.
    ///
    /// # Errors
    /// When the file breaks off, a row has the wrong number of cells, or a time is unreadable or goes back.
    /// There is no going on after an error.
    // Rows borrow from the reader, so this can't be an `Iterator`.
    #[expect(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Row<'_>>, CsvError> {
        loop {
            let line = self.reader.position().line();
            match self.reader.read_record(&mut self.record) {
                Ok(true) => self.taken.store(0, Relaxed),
                Ok(false) => return Ok(None),
                Err(problem) => return Err(CsvError::new(&self.path, flaw(&problem, line, &self.taken))),
            }
            if self.is_wanted() {
                break;
            }
        }
        let at = self.time().map_err(|flaw| CsvError::new(&self.path, flaw))?;
        self.latest = at;
        let agent = self.agent.and_then(|place| self.record.get(place)).map(str::trim);
        Ok(Some(Row { at, agent, record: &self.record, values: &self.values }))
    }

    fn is_wanted(&self) -> bool {
        let only = self.columns.agent.as_ref().and_then(|agent| agent.only.as_deref());
        let agent = self.agent.and_then(|place| self.record.get(place));
        only.is_none() || agent.map(str::trim) == only
    }

    fn time(&self) -> Result<Timestamp, Flaw> {
        let text = self.record.get(self.time).unwrap_or_default().trim();
        let column = self.columns.time.clone();
        let line = self.record.position().map_or(0, ::csv::Position::line);
        match parse_time(text) {
            None => Err(Flaw::BadTime { line, column, text: text.chars().take(EXCERPT).collect() }),
            Some(time) if time < self.latest => {
                Err(Flaw::TimeBackwards { line, column, time, before: self.latest })
            }
            Some(time) => Ok(time),
        }
    }
}

impl fmt::Debug for CsvRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvRows")
            .field("path", &self.path)
            .field("columns", &self.columns)
            .finish_non_exhaustive()
    }
}

impl<'a> Row<'a> {
    /// The row's time.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Whose row it is; `None` if no agent column was asked for.
    pub fn agent(&self) -> Option<&'a str> {
        self.agent
    }

    /// The cells of the value columns, in the order in which these were asked for.
    pub fn cells(&self) -> impl Iterator<Item = Cell> + use<'a> {
        let record = self.record;
        self.values.iter().map(move |place| match record.get(*place).map(str::trim) {
            None | Some("") => Cell::Empty,
            Some(text) => {
                let read = if is_vector(text) { read_vector(text) } else { Words::default().read(text) };
                read.map_or_else(Cell::Unusable, Cell::Reading)
            }
        })
    }
}

fn place(header: &StringRecord, column: &str) -> Result<usize, Flaw> {
    let mut places = header.iter().enumerate().filter(|(_, name)| name.trim() == column);
    match (places.next(), places.next()) {
        (Some((place, _)), None) => Ok(place),
        (Some(_), Some(_)) => Err(Flaw::ColumnTwice { column: column.to_owned() }),
        (None, _) => Err(Flaw::ColumnMissing {
            column: column.to_owned(),
            present: header.iter().map(|name| name.trim().to_owned()).collect(),
        }),
    }
}

fn flaw(problem: &::csv::Error, line: u64, taken: &AtomicUsize) -> Flaw {
    match problem.kind() {
        ErrorKind::Io(_) if taken.load(Relaxed) > MAX_ROW => Flaw::LongRow { line, max: MAX_ROW },
        ErrorKind::Io(problem) => Flaw::Unreadable(problem.kind()),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            Flaw::Ragged { line, expected: *expected_len, found: *len }
        }
        ErrorKind::Utf8 { .. } => Flaw::Encoding { line },
        _ => Flaw::Unreadable(io::ErrorKind::InvalidData),
    }
}

/// A file that stops when a single row takes too much of it.
struct Measured {
    source: Box<dyn Read + Send>,
    taken: Arc<AtomicUsize>,
}

impl Read for Measured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken.load(Relaxed) > MAX_ROW {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.source.read(buffer)?;
        self.taken.fetch_add(count, Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
