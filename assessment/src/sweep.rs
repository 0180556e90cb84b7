//! A sweep: every run of every point, in a random order, each kept as soon as it is done.

mod order;
mod progress;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use smc_core::time::Timestamp;

pub use self::order::{Unit, units};
pub use self::progress::Progress;
use crate::ground::Ground;
use crate::journal::{Entry, Header, Journal, JournalError, Outcome, Recorded};
use crate::lab::{Impairment, Verdict};
use crate::scenario::{Point, Scenario};
use crate::stage::{PlayError, Run, Stage};

/// How often a run is tried: once more, at the end, if it failed.
const ATTEMPTS: usize = 2;

/// How often links are measured until they hold: a machine may be busy for a moment with something else. All of it is in the
/// journal, and the last one in the report.
const CALIBRATIONS: usize = 3;

/// How a sweep ended that could do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    /// How many runs are measured now, those of earlier sweeps included.
    pub measured: usize,
    /// How many are left out, since they failed.
    pub failed: usize,
    /// How many are left to do: somebody has interrupted it.
    pub left: usize,
}

/// Why a sweep ended early. Finished runs stay.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The links are not what was asked for.
    #[error("the links are not what the scenario asks for, so nothing is measured: {0}")]
    Calibration(String),
    /// Samples can't be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The links could not be impaired or measured.
    #[error("the links can't be measured: {0}")]
    Links(PlayError),
}

/// What a sweep is about.
#[derive(Debug)]
pub struct Sweep {
    /// The scenario, without points that this machine can't play.
    pub scenario: Scenario,
    /// Its file, which is kept beside the journal: reports are made from both.
    pub text: String,
    /// Where its journal is.
    pub folder: PathBuf,
    /// What its journal begins with.
    pub header: Header,
}

impl Sweep {
    /// Plays what is not played yet, until it is done or `stop` resolves; then the run that was on is given up.
    ///
    /// # Errors
    /// If the links are not what was asked for, or samples can't be kept.
    pub async fn run<G: Ground, S: Stage<G>>(
        self,
        ground: &mut G,
        stage: &mut S,
        clock: impl Fn() -> Timestamp,
        progress: &mut Progress,
        stop: impl Future<Output = ()>,
    ) -> Result<Swept, SweepError> {
        let mut header = self.header;
        (header.links, header.began) = (ground.kind(), clock().to_string());
        header.notes.extend(ground.notes());
        let (mut journal, recorded) = Journal::open(&self.folder, header)?;
        journal.keep_scenario(&self.text)?;
        if recorded.torn {
            progress.tell("the last sample was not written to its end; it is measured again");
        }
        let seed = recorded.header.seed;
        let units = units(&self.scenario, seed);
        let mut state = State { units, entries: recorded.entries };
        let mut stop = std::pin::pin!(stop);
        progress.begin(state.units.len(), state.done());
        if state.next().is_some() {
            let measured = calibrate(ground, &self.scenario.points, &mut journal);
            tokio::select! {
                biased;
                () = &mut stop => return Ok(state.swept()),
                measured = measured => measured?,
            }
        }
        while let Some(unit) = state.next() {
            let run = unit.run(&self.scenario, seed);
            progress.playing(&unit.point.differs(&self.scenario.varied), &run);
            let began = Instant::now();
            let played = tokio::select! {
                biased;
                () = &mut stop => break,
                played = play(ground, stage, &unit.point, &run) => played,
            };
            let outcome = outcome(played);
            if let Outcome::Failed { reason, .. } = &outcome {
                progress.tell(&format!("{} failed: {reason}", unit.point.differs(&self.scenario.varied)));
            }
            let entry = Entry {
                point: unit.point.id.clone(),
                parameters: unit.point.parameters.clone(),
                run,
                outcome,
                at: clock().to_string(),
                took_s: began.elapsed().as_secs_f64(),
            };
            journal.keep(entry.clone())?;
            state.entries.push(entry);
            progress.done(began.elapsed(), state.done());
        }
        progress.end();
        Ok(state.swept())
    }
}

/// Measures the links of all points, each kind once.
async fn calibrate<G: Ground>(
    ground: &mut G,
    points: &[Point],
    journal: &mut Journal,
) -> Result<(), SweepError> {
    let mut seen: Vec<Impairment> = Vec::new();
    for point in points {
        let links = Impairment::from(&point.parameters);
        if seen.contains(&links) {
            continue;
        }
        seen.push(links);
        for left in (0..CALIBRATIONS).rev() {
            let calibration = ground.calibrate(&links).await.map_err(SweepError::Links)?;
            let verdict = calibration.verdict.clone();
            journal.calibrated(calibration)?;
            match verdict {
                Verdict::Holds => break,
                Verdict::Off(_) if left > 0 => {}
                Verdict::Off(reasons) => return Err(SweepError::Calibration(reasons.join("; "))),
            }
        }
    }
    Ok(())
}

/// Longer than this, beside its windows, no site takes to come up and go down.
const SETTING_UP: Duration = Duration::from_secs(120);

async fn play<G: Ground, S: Stage<G>>(
    ground: &mut G,
    stage: &mut S,
    point: &Point,
    run: &Run,
) -> Result<Vec<crate::Observation>, PlayError> {
    ground.impair(&point.parameters)?;
    // Windows may be lost, but most of them must not.
    let limit = SETTING_UP + run.period * (run.warm_up + 2 * run.windows);
    match tokio::time::timeout(limit, stage.play(ground, &point.parameters, run)).await {
        Ok(played) => played,
        Err(_) => Err(PlayError::Stalled { have: 0, wanted: run.windows, seconds: limit.as_secs() }),
    }
}

fn outcome(played: Result<Vec<crate::Observation>, PlayError>) -> Outcome {
    match played {
        Ok(observations) if observations.is_empty() => {
            Outcome::Failed { reason: "nothing was measured".to_owned(), hopeless: false }
        }
        Ok(observations) => Outcome::Measured(observations),
        Err(error) => {
            let hopeless = matches!(error, PlayError::Impossible(_));
            Outcome::Failed { reason: error.to_string(), hopeless }
        }
    }
}

/// What is to be played, and what was.
struct State {
    units: Vec<Unit>,
    entries: Vec<Entry>,
}

/// How a unit stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Failed,
    Measured,
    Open { attempts: usize },
}

impl State {
    fn standing(&self, unit: &Unit) -> Standing {
        let mut attempts = 0;
        for entry in self.entries.iter().filter(|entry| unit.is(entry)) {
            match &entry.outcome {
                Outcome::Measured(_) => return Standing::Measured,
                Outcome::Failed { hopeless: true, .. } => return Standing::Failed,
                Outcome::Failed { hopeless: false, .. } => attempts += 1,
            }
        }
        if attempts < ATTEMPTS { Standing::Open { attempts } } else { Standing::Failed }
    }

    /// What was tried least often, in the order that the seed gave.
    fn next(&self) -> Option<Unit> {
        let open = self.units.iter().filter_map(|unit| match self.standing(unit) {
            Standing::Open { attempts } => Some((attempts, unit)),
            Standing::Failed | Standing::Measured => None,
        });
        // Of several with as few attempts it is the first.
        open.min_by_key(|(attempts, _)| *attempts).map(|(_, unit)| unit.clone())
    }

    fn count(&self, of: impl Fn(Standing) -> bool) -> usize {
        self.units.iter().filter(|unit| of(self.standing(unit))).count()
    }

    fn done(&self) -> usize {
        self.count(|standing| !matches!(standing, Standing::Open { .. }))
    }

    fn swept(&self) -> Swept {
        Swept {
            measured: self.count(|standing| standing == Standing::Measured),
            failed: self.count(|standing| standing == Standing::Failed),
            left: self.count(|standing| matches!(standing, Standing::Open { .. })),
        }
    }
}

/// The runs of a journal that count: the measured ones of this scenario's points.
pub fn measured(recorded: &Recorded) -> impl Iterator<Item = (&Entry, &[crate::Observation])> {
    recorded.entries.iter().filter_map(|entry| match &entry.outcome {
        Outcome::Measured(observations) => Some((entry, observations.as_slice())),
        Outcome::Failed { .. } => None,
    })
}
