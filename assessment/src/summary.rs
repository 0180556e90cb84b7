//! What the samples of each point come to.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::journal::{Entry, Outcome, Recorded};
use crate::observation::{Measure, Observation, Phase, Role, Subject};
use crate::parameters::Parameters;
use crate::scenario::{Point, PointId, Scenario};
use crate::statistics::Median;

/// What a number says of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Kind {
    /// Of which system.
    pub subject: Subject,
    /// Of which role; of several nodes of it the mean, of times and peaks the greatest.
    pub role: Role,
    /// In which phase.
    pub phase: Phase,
    /// What it says.
    pub measure: Measure,
}

impl Kind {
    /// The time of a whole window, which every subject has.
    pub const fn time(subject: Subject) -> Self {
        Self { subject, role: Role::Site, phase: Phase::Whole, measure: Measure::WallMs }
    }
}

/// Medians of a journal's points.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The points that have been measured, in the order of the scenario.
    pub points: Vec<Point>,
    /// Those that came to nothing, with what was last said about them.
    pub failed: Vec<Failed>,
    medians: BTreeMap<PointId, BTreeMap<Kind, Median>>,
}

/// A run that was not measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failed {
    /// Where.
    pub parameters: Parameters,
    /// What was played.
    pub subject: Subject,
    /// Which repetition, from 0.
    pub repetition: u32,
    /// Why it failed.
    pub reason: String,
}

impl Summary {
    /// Of the runs of this scenario's points.
    pub fn of(scenario: &Scenario, recorded: &Recorded) -> Self {
        let mut samples: BTreeMap<PointId, BTreeMap<Kind, Vec<f64>>> = BTreeMap::new();
        for entry in &recorded.entries {
            if let Outcome::Measured(observations) = &entry.outcome {
                let of = samples.entry(entry.point.clone()).or_default();
                for ((kind, _), value) in nodes_together(observations) {
                    of.entry(kind).or_default().push(value);
                }
            }
        }
        let points: Vec<Point> =
            scenario.points.iter().filter(|point| samples.contains_key(&point.id)).cloned().collect();
        let medians = samples
            .into_iter()
            .map(|(id, kinds)| {
                let of = kinds.iter().filter_map(|(kind, samples)| Some((*kind, Median::of(samples)?)));
                (id, of.collect())
            })
            .collect();
        Self { points, failed: failed(scenario, &recorded.entries), medians }
    }

    /// One median, if it was measured.
    pub fn get(&self, point: &PointId, kind: Kind) -> Option<Median> {
        self.medians.get(point)?.get(&kind).copied()
    }

    /// All that was measured at a point.
    pub fn at(&self, point: &PointId) -> impl Iterator<Item = (Kind, Median)> {
        self.medians.get(point).into_iter().flatten().map(|(kind, median)| (*kind, *median))
    }

    /// How many times as much as `baseline` this system takes at the point; none without both.
    pub fn ratio(&self, point: &PointId, kind: Kind, baseline: Subject) -> Option<f64> {
        let ours = self.get(point, Kind { subject: Subject::Murmuration, ..kind })?.median;
        let theirs = self.get(point, Kind { subject: baseline, ..kind })?.median;
        Some(ours / theirs).filter(|ratio| ratio.is_finite())
    }
}

/// One number per kind and window: of several nodes the greatest of times and peaks, since the slowest is waited for and the
/// largest must have room; the mean of everything else.
fn nodes_together(observations: &[Observation]) -> BTreeMap<(Kind, Option<u32>), f64> {
    let mut together: BTreeMap<(Kind, Option<u32>), (f64, u32)> = BTreeMap::new();
    for observation in observations {
        let Observation { subject, role, phase, measure, window, value, .. } = *observation;
        let kind = Kind { subject, role, phase, measure };
        let (sum, count) = together.entry((kind, window)).or_insert((0.0, 0));
        match measure {
            Measure::WallMs | Measure::RssPeakBytes | Measure::HeapPeakBytes | Measure::StackPeakBytes => {
                (*sum, *count) = (sum.max(value), 1)
            }
            _ => (*sum, *count) = (*sum + value, *count + 1),
        }
    }
    together.into_iter().map(|(key, (sum, count))| (key, sum / f64::from(count))).collect()
}

/// Runs whose every attempt failed, each with its last reason.
fn failed(scenario: &Scenario, entries: &[Entry]) -> Vec<Failed> {
    let mut open: BTreeMap<(&PointId, Subject, u32), Option<&Entry>> = BTreeMap::new();
    for entry in entries {
        let key = (&entry.point, entry.run.subject, entry.run.repetition);
        let failed = matches!(entry.outcome, Outcome::Failed { .. });
        open.insert(key, failed.then_some(entry));
    }
    let in_grid = |entry: &&Entry| scenario.points.iter().any(|point| point.id == entry.point);
    let told = |entry: &Entry| match &entry.outcome {
        Outcome::Failed { reason, .. } => Some(Failed {
            parameters: entry.parameters.clone(),
            subject: entry.run.subject,
            repetition: entry.run.repetition,
            reason: reason.clone(),
        }),
        Outcome::Measured(_) => None,
    };
    open.into_values().flatten().filter(in_grid).filter_map(told).collect()
}
