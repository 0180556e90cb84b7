//! A scenario: which points are played, how often, and what its figures show.

mod check;
mod document;
mod point;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::check::PointError;
pub use self::point::{KEYS, Point, PointId, value_of};
use crate::meter::Machine;
use crate::observation::{Measure, Phase, Role, Subject};
use crate::parameters::Parameters;

/// A scenario that holds together: every point of it can be played.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it is called.
    pub title: String,
    /// What its figures answer.
    pub question: String,
    /// The points, in the order of their parameters, each once.
    pub points: Vec<Point>,
    /// The keys that are varied.
    pub varied: Vec<String>,
    /// How often each point is played.
    pub repetitions: u32,
    /// How many windows of each run are not measured.
    pub warm_up: u32,
    /// How many windows of each run are measured.
    pub windows: u32,
    /// The length of a window.
    pub period: Duration,
    /// What this system is held against.
    pub baselines: Vec<Subject>,
    /// What is drawn.
    pub figures: Vec<Figure>,
}

/// What one figure shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The key of [`Parameters`] on the horizontal axis.
    pub x: String,
    /// What is on the vertical axis.
    #[serde(default = "wall")]
    pub y: Measure,
    /// Whose.
    #[serde(default = "site")]
    pub role: Role,
    /// In which phase.
    #[serde(default = "whole")]
    pub phase: Phase,
    /// The key that has a line for each of its values; none: one line.
    pub per: Option<String>,
    /// How the axes count.
    #[serde(default)]
    pub scale: Scale,
}

/// How the axes of a figure count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Equal steps are equally far apart.
    #[default]
    Linear,
    /// Equal ratios are equally far apart, on both axes.
    Log,
}

fn wall() -> Measure {
    Measure::WallMs
}

fn site() -> Role {
    Role::Site
}

fn whole() -> Phase {
    Phase::Whole
}

/// A scenario that can't be played; the text names the file, the place and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file is no TOML, has an unknown key, lacks one, or a value has the wrong kind.
    #[error("{path}: {error}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        error: toml::de::Error,
    },
    /// A value makes no sense where it stands.
    #[error("{path}, line {line}: `{key}`: {why}")]
    Key {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The key.
        key: String,
        /// What is wrong, and what to write instead.
        why: String,
    },
    /// A point can't be played by anybody.
    #[error("{path}: the point {point} can't be played: {error}")]
    Point {
        /// The file.
        path: PathBuf,
        /// What the point varies.
        point: String,
        /// Why.
        error: PointError,
    },
    /// The file can't be read.
    #[error("{path}: {error}; configs/scenarios/ has examples")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl Scenario {
    /// Reads a scenario and checks every point of it.
    ///
    /// # Errors
    /// [`ScenarioError`]
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ScenarioError::Read { path: path.to_owned(), error })?;
        Self::parse(path, &text)
    }

    /// The same with the content of the file at `path`.
    ///
    /// # Errors
    /// [`ScenarioError`]
    pub fn parse(path: &Path, text: &str) -> Result<Self, ScenarioError> {
        let scenario = document::read(path, text)?;
        for point in &scenario.points {
            check::point(&point.parameters).map_err(|error| ScenarioError::Point {
                path: path.to_owned(),
                point: point.differs(&scenario.varied),
                error,
            })?;
        }
        Ok(scenario)
    }

    /// This system first, then what it is held against.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        std::iter::once(Subject::Murmuration).chain(self.baselines.iter().copied())
    }

    /// A digest of what makes its runs comparable: a journal goes on with a scenario whose grid has changed, but not with
    /// other windows.
    pub fn digest(&self) -> String {
        let Self { title, warm_up, windows, period, .. } = self;
        point::digest(&(title, warm_up, windows, period))
    }

    /// Its points with this value of this key alone.
    ///
    /// # Errors
    /// If there are none, with what there is.
    pub fn only(mut self, key: &str, value: &str) -> Result<Self, String> {
        let there: BTreeSet<String> =
            self.points.iter().map(|point| value_of(&point.parameters, key)).collect();
        self.points.retain(|point| value_of(&point.parameters, key) == value);
        match self.points.is_empty() {
            false => Ok(self),
            true if !KEYS.contains(&key) => Err(format!("`{key}` is none of {}", KEYS.join(", "))),
            true => {
                let there: Vec<String> = there.into_iter().collect();
                Err(format!("no point has {key} = {value}; there is {}", there.join(", ")))
            }
        }
    }

    /// Its points as they can be played on this machine, and what is to be said about the others.
    pub fn on_machine(mut self, machine: &Machine) -> (Self, Vec<String>) {
        let mut notes = Vec::new();
        self.points.retain(|point| match lacks(machine, &point.parameters) {
            None => true,
            Some(lacks) => {
                notes.push(format!("{} is left out: this machine {lacks}", point.differs(&self.varied)));
                false
            }
        });
        (self, notes)
    }
}

/// What a machine lacks for a point.
fn lacks(machine: &Machine, point: &Parameters) -> Option<String> {
    if point.cores.is_some_and(|asked| asked > machine.cores) {
        return Some(format!("has {} cores", machine.cores));
    }
    match (point.frequency_mhz?, machine.frequency_mhz) {
        (_, None) => Some("lets no frequency be set; cpu_percent can stand for it".to_owned()),
        (asked, Some((least, most))) if !(least..=most).contains(&asked) => {
            Some(format!("has frequencies from {least} to {most} MHz"))
        }
        (_, Some(_)) => None,
    }
}
