//! A table of readings, plain or gzipped, told in the order of its rows.

mod error;
mod rows;
mod time;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use smc_core::name::StreamName;
use smc_core::time::Timestamp;
use smc_mqtt::clock::{Clock, Speed};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::{Happened, Observation};

pub use error::{CsvError, Flaw};
pub use rows::{AgentColumn, Cell, Columns, CsvRows, Row};

/// How many rows are read ahead.
const BATCH: usize = 64;
/// How many numbers in them: beyond that no further row is read ahead.
const BATCH_NUMBERS: usize = 1 << 16;

/// A csv source, as configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvConfig {
    /// The file; gzip is recognised by its content.
    pub path: PathBuf,
    /// What separates cells.
    #[serde(default)]
    pub delimiter: Delimiter,
    /// The column with the time: Unix seconds, whole or with a fraction, or RFC 3339.
    pub time_column: String,
    /// The column that says whose row it is. Needs `agent`.
    #[serde(default)]
    pub agent_column: Option<String>,
    /// Whose rows to take. Needs `agent_column`.
    #[serde(default)]
    pub agent: Option<String>,
    /// Which column feeds which stream.
    pub columns: BTreeMap<StreamName, String>,
    /// When a row is due.
    #[serde(default)]
    pub time: Due,
    /// How many times faster than they were recorded rows follow each other; with `time = "now"` only, since a
    /// replay clock has a speed of its own.
    #[serde(default)]
    pub speed: Option<Speed>,
}

/// When a row is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Due {
    /// When the agent's clock shows the row's time: for a replay clock, or for times still to come.
    Event,
    /// The first row at once, the others at their distance from it.
    #[default]
    Now,
}

/// One ASCII character that separates cells; a comma by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "char")]
pub struct Delimiter(u8);

/// Why a character can't separate cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`delimiter` is one ASCII character such as `,`, `;` or a tab, and no quote, letter, digit, `.` or `-`"
)]
pub struct DelimiterError;

impl Default for Delimiter {
    fn default() -> Self {
        Self(b',')
    }
}

impl TryFrom<char> for Delimiter {
    type Error = DelimiterError;
    fn try_from(character: char) -> Result<Self, DelimiterError> {
        let wrong = character.is_ascii_alphanumeric() || matches!(character, '"' | '\n' | '\r' | '.' | '-');
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() && !wrong => Ok(Self(byte)),
            _ => Err(DelimiterError),
        }
    }
}

impl Delimiter {
    /// The character.
    pub fn byte(self) -> u8 {
        self.0
    }
}

/// The running source.
#[derive(Debug)]
pub(super) struct CsvSource {
    rows: CsvRows,
    streams: Vec<StreamName>,
    pace: Pace,
}

/// When rows are due.
#[derive(Debug)]
enum Pace {
    Event,
    /// With the moment that the first row was due and the time it bears, once there was one.
    Now {
        speed: Speed,
        first: Option<(Timestamp, Timestamp)>,
    },
}

/// Rows that were read ahead, and whether there are more.
#[derive(Debug)]
struct Batch {
    rows: Vec<(Timestamp, Vec<Cell>)>,
    last: Option<Happened>,
}

impl CsvSource {
    pub(super) fn open(config: CsvConfig) -> Result<Self, CsvError> {
        let CsvConfig { path, delimiter, time_column, agent_column, agent, columns, time, speed } = config;
        let agent = match (agent_column, agent) {
            (Some(column), Some(name)) => Some(AgentColumn { column, only: Some(name) }),
            (None, None) => None,
            _ => return Err(CsvError::new(&path, Flaw::HalfAFilter)),
        };
        let pace = match (time, speed) {
            (Due::Event, None) => Pace::Event,
            (Due::Event, Some(_)) => return Err(CsvError::new(&path, Flaw::SpeedOfEvents)),
            (Due::Now, speed) => Pace::Now { speed: speed.unwrap_or_default(), first: None },
        };
        let (streams, values) = columns.into_iter().unzip();
        let rows = CsvRows::open(&path, Columns { time: time_column, agent, values, delimiter })?;
        Ok(Self { rows, streams, pace })
    }

    pub(super) async fn run(self, clock: Clock, sender: mpsc::Sender<Happened>) {
        let Self { mut rows, streams, mut pace } = self;
        loop {
            // Disks and decompression block.
            let reading = spawn_blocking(move || {
                let batch = Batch::read(&mut rows);
                (rows, batch)
            });
            let Ok((rest, batch)) = reading.await else { return };
            rows = rest;
            for (time, cells) in batch.rows {
                let at = pace.due(time, &clock);
                tokio::select! {
                    () = clock.sleep_until(at) => {}
                    () = sender.closed() => return,
                }
                for happened in streams.iter().zip(cells).filter_map(|(stream, cell)| tell(stream, at, cell))
                {
                    if sender.send(happened).await.is_err() {
                        return;
                    }
                }
            }
            if let Some(last) = batch.last {
                // If nobody listens, it is the end as well.
                let _ = sender.send(last).await;
                return;
            }
        }
    }
}

impl Batch {
    fn read(rows: &mut CsvRows) -> Self {
        let mut batch = Self { rows: Vec::new(), last: None };
        let mut numbers = 0;
        while batch.rows.len() < BATCH && numbers < BATCH_NUMBERS && batch.last.is_none() {
            match rows.next() {
                Ok(Some(row)) => {
                    let cells: Vec<_> = row.cells().collect();
                    numbers += cells.iter().map(Cell::numbers).sum::<usize>();
                    batch.rows.push((row.at(), cells));
                }
                Ok(None) => batch.last = Some(Happened::Ended),
                Err(error) => batch.last = Some(Happened::Failed(error.into())),
            }
        }
        batch
    }
}

impl Pace {
    /// When a row that bears `time` is due.
    fn due(&mut self, time: Timestamp, clock: &Clock) -> Timestamp {
        match self {
            Self::Event => time,
            Self::Now { speed, first } => {
                let (start, origin) = *first.get_or_insert_with(|| (clock.now(), time));
                start + time.since(origin).div_f64(f64::from(*speed))
            }
        }
    }
}

fn tell(stream: &StreamName, at: Timestamp, cell: Cell) -> Option<Happened> {
    let stream = stream.clone();
    match cell {
        Cell::Empty => None,
        Cell::Reading(value) => Some(Happened::Observed(Observation { stream, at, value })),
        Cell::Unusable(reason) => Some(Happened::Unusable { stream, at, reason }),
    }
}
