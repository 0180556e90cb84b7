//! The report of a sweep: tables for programs, a page for people, a summary for other documents. All of it comes from the
//! journal, so it can be made again at any time.

mod drawn;
mod html;
mod markdown;
mod plot;
mod table;
mod tidy;
mod words;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use self::drawn::{Dot, Drawn, Series};
use self::table::Table;
use crate::journal::{Entry, Header, Recorded};
use crate::lab::Calibration;
use crate::model::{self, Elsewhere, Model, Sample};
use crate::scenario::{KEYS, Point, Scenario, value_of};
use crate::summary::{Failed, Kind, Summary};
use crate::sweep::measured;
use crate::{Median, Parameters, Run};

/// What is written into the folder.
pub const FILES: [&str; 4] = ["observations.csv", "report.json", "report.html", "report.md"];

/// What a sweep came to.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What the scenario is called.
    pub title: String,
    /// What its figures answer.
    pub question: String,
    /// Where and how it was measured.
    pub header: Header,
    /// How much there is of it.
    pub extent: Extent,
    /// Links as they were asked for and as they were.
    pub calibrations: Vec<Calibration>,
    /// The figures with their data and sentences.
    pub figures: Vec<Drawn>,
    /// All medians of all points.
    pub points: Vec<PointMedians>,
    /// This system over what it is held against.
    pub ratios: Vec<Ratio>,
    /// What the model says; none if there are too few points to fit one.
    pub model: Option<Model>,
    /// What it says about what can't be played here.
    pub elsewhere: Vec<Elsewhere>,
    /// Runs that came to nothing, after two attempts.
    pub failed: Vec<Failed>,
    #[serde(skip)]
    tables: Vec<Table>,
}

/// How much was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Points that were measured.
    pub points: usize,
    /// Runs that were measured.
    pub runs: usize,
    /// How often each point was played, at most.
    pub repetitions: u32,
    /// Windows of each run.
    pub windows: u32,
    /// Windows before them.
    pub warm_up: u32,
    /// The length of a window.
    pub period_ms: u64,
}

/// All that was measured at a point.
#[derive(Debug, Clone, Serialize)]
pub struct PointMedians {
    /// Where.
    pub parameters: Parameters,
    /// What.
    pub medians: Vec<KindMedian>,
}

/// One median.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct KindMedian {
    /// Of what.
    #[serde(flatten)]
    pub kind: Kind,
    /// What it is.
    #[serde(flatten)]
    pub median: Median,
}

/// This system over a baseline, at one point.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ratio {
    /// Where.
    pub parameters: Parameters,
    /// Of what; the subject is the baseline.
    #[serde(flatten)]
    pub kind: Kind,
    /// How many times as much this system takes.
    pub times: f64,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The points' work can't be counted.
    #[error("the model can't be applied: {0}")]
    Model(#[from] model::WorkError),
    /// There is nothing to report.
    #[error("no run of the scenario was measured; `murmur assess` with the same --out goes on")]
    Nothing,
    /// A file could not be written.
    #[error("{path}: {error}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

impl Report {
    /// What the runs of a scenario came to. The model is fitted to them and to `more` samples of the same machine, of other
    /// sweeps.
    ///
    /// # Errors
    /// If nothing was measured.
    pub fn of(scenario: &Scenario, recorded: &Recorded, more: &[Sample]) -> Result<Self, ReportError> {
        let summary = Summary::of(scenario, recorded);
        if summary.points.is_empty() {
            return Err(ReportError::Nothing);
        }
        let model = Model::fit(&model::samples(&summary), more, recorded.header.known);
        let elsewhere = model.as_ref().map(model::elsewhere).transpose()?.unwrap_or_default();
        let figures = drawn::drawn(scenario, &summary, model.as_ref());
        let tables = table::tables(scenario, &summary);
        let points = summary.points.iter().map(|point| PointMedians {
            parameters: point.parameters.clone(),
            medians: summary.at(&point.id).map(|(kind, median)| KindMedian { kind, median }).collect(),
        });
        Ok(Self {
            title: scenario.title.clone(),
            question: scenario.question.clone(),
            header: recorded.header.clone(),
            extent: extent(&summary, recorded),
            calibrations: recorded.calibrations.clone(),
            figures,
            points: points.collect(),
            ratios: ratios(scenario, &summary),
            model,
            elsewhere,
            failed: summary.failed.clone(),
            tables,
        })
    }

    /// Writes all of it into `folder`, each file whole or not at all.
    ///
    /// # Errors
    /// If a file can't be written.
    pub fn write(&self, folder: &Path, recorded: &Recorded) -> Result<(), ReportError> {
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        let contents = [tidy::csv(recorded), json, html::page(self), markdown::text(self)];
        for (name, content) in FILES.into_iter().zip(contents) {
            let path = folder.join(name);
            let unfinished = folder.join(format!("{name}.part"));
            std::fs::write(&unfinished, content)
                .and_then(|()| std::fs::rename(&unfinished, &path))
                .map_err(|error| ReportError::Write { path, error })?;
        }
        Ok(())
    }
}

/// Of what was measured, which may be less than the scenario asks for: somebody may have asked for a shorter sweep.
fn extent(summary: &Summary, recorded: &Recorded) -> Extent {
    let in_grid = |entry: &&Entry| summary.points.iter().any(|point| point.id == entry.point);
    let runs: Vec<&Run> =
        measured(recorded).map(|(entry, _)| entry).filter(in_grid).map(|entry| &entry.run).collect();
    let most = |of: fn(&Run) -> u32| runs.iter().map(|run| of(run)).max().unwrap_or(0);
    Extent {
        points: summary.points.len(),
        runs: runs.len(),
        repetitions: most(|run| run.repetition + 1),
        windows: most(|run| run.windows),
        warm_up: most(|run| run.warm_up),
        period_ms: runs.iter().map(|run| run.period.as_millis() as u64).max().unwrap_or(0),
    }
}

/// Time, CPU of a peer and of the broker, and bytes of a peer, over those of each baseline.
fn ratios(scenario: &Scenario, summary: &Summary) -> Vec<Ratio> {
    use crate::observation::{Measure, Phase, Role};
    let kinds = [
        (Role::Site, Measure::WallMs),
        (Role::Agents, Measure::CpuMs),
        (Role::Broker, Measure::CpuMs),
        (Role::Peer, Measure::CpuMs),
        (Role::Peer, Measure::RssPeakBytes),
        (Role::Peer, Measure::WireSentBytes),
    ];
    let mut ratios = Vec::new();
    for point in &summary.points {
        for &subject in &scenario.baselines {
            for (role, measure) in kinds {
                let kind = Kind { subject, role, phase: Phase::Whole, measure };
                if let Some(times) = summary.ratio(&point.id, kind, subject) {
                    ratios.push(Ratio { parameters: point.parameters.clone(), kind, times });
                }
            }
        }
    }
    ratios
}

/// What stands under each figure.
const INTERVALS: &str = "Dots are medians over all windows and repetitions, bars their 95 % intervals by order statistics; with \
                         fewer than six samples the bars are all of them.";
/// Where a model would be.
const NO_MODEL: &str = "Too few points to fit a model: it takes three.";

impl Report {
    /// The keys that differ between points.
    fn varied(&self) -> Vec<String> {
        let differs = |key: &&str| {
            let mut values = self.points.iter().map(|point| value_of(&point.parameters, key));
            let first = values.next();
            values.any(|value| Some(value) != first)
        };
        KEYS.into_iter().filter(differs).map(str::to_owned).collect()
    }
}

fn extent_in_words(report: &Report) -> String {
    let Extent { points, runs, repetitions, windows, warm_up, period_ms } = report.extent;
    format!(
        "{points} points, {runs} runs; each point {repetitions} times with {windows} windows of {period_ms} ms after {warm_up} \
         that do not count, in a random order."
    )
}

fn heading(drawn: &Drawn) -> String {
    let (name, _) = words::key(&drawn.figure.x);
    let mut heading = format!("{} by {name}", drawn.title());
    if let Some(first) = heading.get(..1).map(str::to_uppercase) {
        heading.replace_range(..1, &first);
    }
    match drawn.where_.as_str() {
        "" => heading,
        where_ => format!("{heading}, with {where_}"),
    }
}

fn failures(report: &Report) -> Vec<String> {
    let varied = report.varied();
    let told = |failed: &Failed| {
        let at = Point::new(failed.parameters.clone()).differs(&varied);
        let subject = words::subject(failed.subject);
        format!("{subject}, {at}, repetition {}: {}", failed.repetition + 1, failed.reason)
    };
    report.failed.iter().map(told).collect()
}
