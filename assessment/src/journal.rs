//! What was measured, on disk as soon as it was: one line of JSON per run in `samples.jsonl`.
//!
//! The first line says what was measured where. Each further line is written to its end before the next run begins, so
//! whatever ends a sweep, finished runs stay.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::lab::Calibration;
use crate::meter::Machine;
use crate::model::Known;
use crate::observation::Observation;
use crate::parameters::Parameters;
use crate::scenario::PointId;
use crate::stage::Run;

/// The file with the samples.
pub const SAMPLES: &str = "samples.jsonl";
/// The file with the scenario, as it was last asked for.
pub const SCENARIO: &str = "scenario.toml";
/// The file that whoever writes holds a lock on.
const LOCK: &str = "lock";
/// The form of the lines.
const VERSION: u32 = 1;

/// What the first line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The form of the lines.
    version: u32,
    /// The scenario's digest: what makes runs comparable.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The order of runs, and all other randomness of the sweep, is drawn from this.
    pub seed: u64,
    /// What it ran on: processor, kernel, versions, commit.
    pub machine: Machine,
    /// What emulated the network.
    pub links: String,
    /// What was not emulated, and why.
    pub notes: Vec<String>,
    /// When it began.
    pub began: String,
    /// What arithmetic costs this machine, computed in one process.
    pub known: Known,
}

impl Header {
    /// The header of a sweep with this seed on this machine, of a scenario with this digest and title; what is left is filled
    /// in by who knows.
    pub fn new(scenario: String, title: String, seed: u64, machine: Machine) -> Self {
        let (links, began, notes) = (String::new(), String::new(), Vec::new());
        Self {
            version: VERSION,
            scenario,
            title,
            seed,
            machine,
            links,
            notes,
            began,
            known: Known::default(),
        }
    }

    /// The machine and its programs, name and value.
    pub fn told(&self) -> Vec<(String, String)> {
        let told = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let machine = &self.machine;
        let mut all = vec![
            told("processor", &machine.processor),
            told("architecture", &machine.architecture),
            told("cores", &machine.cores.to_string()),
            told("memory", &format!("{:.1} GiB", machine.memory_bytes as f64 / 1_073_741_824.0)),
            told("kernel", &machine.kernel),
            told("TCP's congestion control", &machine.congestion_control),
            told("distribution", &machine.distribution),
        ];
        all.extend(machine.governor.iter().map(|governor| told("frequency set by", governor)));
        all.extend(machine.programs.iter().map(|(name, version)| told(name, version)));
        all
    }
}

/// One run that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which point.
    pub point: PointId,
    /// Where it lies.
    pub parameters: Parameters,
    /// Which run of it.
    pub run: Run,
    /// What came of it.
    pub outcome: Outcome,
    /// When it ended.
    pub at: String,
    /// How long it took, with all that is made for it and taken down again.
    pub took_s: f64,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was not measured.
    Failed {
        /// Why.
        reason: String,
        /// Whether nothing would come of another attempt either.
        hopeless: bool,
    },
    /// It was measured.
    Measured(Vec<Observation>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Calibrated(Calibration),
    Header(Header),
    Run(Entry),
}

/// All that a journal says.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The first line.
    pub header: Header,
    /// The links as they were measured, of each impairment the last.
    pub calibrations: Vec<Calibration>,
    /// The runs, in the order in which they ended.
    pub entries: Vec<Entry>,
    /// Whether a last line was not written to its end.
    pub torn: bool,
}

/// Why a journal can't be used. Finished runs stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Somebody else writes.
    #[error("{0}: another sweep is writing there; wait for it, or choose another folder with --out")]
    Busy(PathBuf),
    /// There is nothing yet.
    #[error("{0} has no {SAMPLES}: nothing was measured there; `murmur assess SCENARIO --out` measures")]
    Empty(PathBuf),
    /// A line is none of ours.
    #[error("{path}, line {line}: {error}; move the file away, or choose another folder with --out")]
    Garbled {
        /// The file.
        path: PathBuf,
        /// Which line.
        line: usize,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// Runs of another scenario, version or machine are there.
    #[error(
        "{path} has runs with another {what}: {theirs} there, {ours} now, which do not compare; choose another folder with --out"
    )]
    Other {
        /// The folder.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What was.
        theirs: String,
        /// What is.
        ours: String,
    },
    /// The file can't be read or written.
    #[error("{path}: {error}; finished runs stay, and the same command goes on with the others")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A journal that is written. While it lives, nobody else writes to the same folder.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    samples: File,
    /// How much of the file is whole lines.
    length: u64,
    /// Held until the journal is dropped.
    _lock: File,
}

impl Journal {
    /// Goes on with the journal in `folder`, or begins it with `header`. A last line that was not written to its end is cut off.
    ///
    /// # Errors
    /// If the folder is somebody else's or can't be written.
    pub fn open(folder: &Path, header: Header) -> Result<(Self, Recorded), JournalError> {
        let failed = |path: &Path, error| JournalError::Write { path: path.to_owned(), error };
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        let path = folder.join(LOCK);
        let lock = File::create(&path).map_err(|error| failed(&path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(&path, error)),
        }
        let path = folder.join(SAMPLES);
        let found = match read(folder) {
            Ok((recorded, length)) => {
                recorded.header.same(&header, folder)?;
                Some((recorded, length))
            }
            Err(JournalError::Empty(_)) => None,
            Err(error) => return Err(error),
        };
        let samples = OpenOptions::new().create(true).append(true).open(&path);
        let samples = samples.map_err(|error| failed(&path, error))?;
        let mut journal = Self { path, samples, length: 0, _lock: lock };
        match found {
            Some((recorded, length)) => {
                journal.length = length;
                journal.cut()?;
                Ok((journal, recorded))
            }
            None => {
                // Also what is left of a first line that was not written to its end.
                journal.cut()?;
                journal.append(&Line::Header(header.clone()))?;
                Ok((journal, Recorded { header, calibrations: Vec::new(), entries: Vec::new(), torn: false }))
            }
        }
    }

    /// Keeps the scenario's file: whole or as it was.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn keep_scenario(&self, text: &str) -> Result<(), JournalError> {
        let path = self.path.with_file_name(SCENARIO);
        let unfinished = self.path.with_file_name("scenario.toml.part");
        std::fs::write(&unfinished, text)
            .and_then(|()| std::fs::rename(&unfinished, &path))
            .map_err(|error| JournalError::Write { path, error })
    }

    /// Keeps how the links were measured.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn calibrated(&mut self, calibrated: Calibration) -> Result<(), JournalError> {
        self.append(&Line::Calibrated(calibrated))
    }

    /// Keeps a run that ended.
    ///
    /// # Errors
    /// If it can't be written, as when the disk is full; nothing of the line is left then.
    pub fn keep(&mut self, entry: Entry) -> Result<(), JournalError> {
        self.append(&Line::Run(entry))
    }

    fn append(&mut self, line: &Line) -> Result<(), JournalError> {
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.samples.write_all(&line)?;
            self.samples.sync_data()?;
            Ok(line.len() as u64)
        });
        match written {
            Ok(length) => {
                self.length += length;
                Ok(())
            }
            Err(error) => {
                // If this fails, too, the next start cuts it off.
                let _ = self.cut();
                Err(JournalError::Write { path: self.path.clone(), error })
            }
        }
    }

    /// Ends the file after its last whole line.
    fn cut(&mut self) -> Result<(), JournalError> {
        self.samples
            .set_len(self.length)
            .map_err(|error| JournalError::Write { path: self.path.clone(), error })
    }
}

impl Recorded {
    /// Reads the journal in `folder`, whoever writes it.
    ///
    /// # Errors
    /// If there is none, or it is not one.
    pub fn read(folder: &Path) -> Result<Self, JournalError> {
        read(folder).map(|(recorded, _)| recorded)
    }
}

impl Header {
    fn same(&self, now: &Self, folder: &Path) -> Result<(), JournalError> {
        let text = |header: &Self| {
            let told = header.told().into_iter().map(|(name, value)| format!("{name} {value}"));
            told.collect::<Vec<_>>().join(", ")
        };
        let pairs = [
            ("scenario (title, windows, warm_up or period)", self.scenario.clone(), now.scenario.clone()),
            ("machine or version", text(self), text(now)),
            ("kind of links", self.links.clone(), now.links.clone()),
        ];
        match pairs.into_iter().find(|(_, theirs, ours)| theirs != ours) {
            Some((what, theirs, ours)) => {
                Err(JournalError::Other { path: folder.to_owned(), what, theirs, ours })
            }
            None => Ok(()),
        }
    }
}

/// What the journal says, and the length of its whole lines in bytes.
fn read(folder: &Path) -> Result<(Recorded, u64), JournalError> {
    let path = folder.join(SAMPLES);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(JournalError::Empty(folder.to_owned()));
        }
        Err(error) => return Err(JournalError::Write { path, error }),
    };
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let torn = whole < text.len();
    let garbled = |line: usize, error| JournalError::Garbled { path: path.clone(), line, error };
    let mut lines = text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate();
    let header = match lines.next().map(|(_, line)| serde_json::from_slice(line)) {
        None => return Err(JournalError::Empty(folder.to_owned())),
        Some(Ok(Line::Header(header))) => header,
        Some(Ok(_)) => return Err(garbled(1, serde::de::Error::custom("the header is missing"))),
        Some(Err(error)) => return Err(garbled(1, error)),
    };
    let mut recorded = Recorded { header, calibrations: Vec::new(), entries: Vec::new(), torn };
    for (at, line) in lines {
        match serde_json::from_slice(line).map_err(|error| garbled(at + 1, error))? {
            Line::Calibrated(calibrated) => {
                recorded.calibrations.retain(|earlier| earlier.asked != calibrated.asked);
                recorded.calibrations.push(calibrated);
            }
            Line::Header(_) => {
                return Err(garbled(at + 1, serde::de::Error::custom("there is a second header")));
            }
            Line::Run(entry) => recorded.entries.push(entry),
        }
    }
    Ok((recorded, whole as u64))
}
