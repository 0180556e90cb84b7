//! `murmur assess`

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use assessment::baseline::WithMpyc;
use assessment::journal::{Header, JournalError, Recorded, SCENARIO};
use assessment::lab::{Lab, LabError, LabOptions, Link, become_root_within};
use assessment::meter::Machine;
use assessment::model::{self, Known, WorkError};
use assessment::rehearsal::RehearsalFailure;
use assessment::report::{FILES, Report, ReportError};
use assessment::scenario::{Scenario, ScenarioError};
use assessment::summary::Summary;
use assessment::sweep::{Progress, Sweep, SweepError, Swept, units};
use clap::{Args, Subcommand, ValueEnum};
use rand_core::Rng;
use serde_json::json;
use smc_mqtt::clock::Clock;
use smc_mqtt::entropy::{self, NoEntropy};
use smc_mqtt::process;

use super::{Failure, Outcome, block_on};
use crate::assess::{Sites, mosquitto_program};

/// Prints a line, and does not mind if nobody takes it.
macro_rules! say {
    ($($told:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($told)*);
    }};
}

const EXAMPLES: &str = "\
Examples:
  murmur assess configs/scenarios/quick.toml --out quick
  murmur assess configs/scenarios/peers.toml --out peers --repetitions 5
  murmur assess check configs/scenarios/peers.toml
  murmur assess report peers
  murmur assess report peers --with functions --with agents

Every node is a process of its own on a host of its own; a relay between them delays, loses and slows down packets as the
scenario asks. That takes root, or user namespaces; without them delay and rate alone are emulated, which the report says.
Ctrl-C stops; the same command goes on. What is in the scenario's words: docs/assessment.md.

Exit codes: 0 all runs are measured, 1 some failed or nothing could be measured, 2 wrong usage, 4 it was stopped before the end.";

/// `murmur assess ...`
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Assess {
    #[command(subcommand)]
    action: Option<Action>,
    /// What to play: a scenario in TOML
    #[arg(required = true)]
    scenario: Option<PathBuf>,
    /// The folder for samples and reports; a sweep that is there already goes on
    #[arg(long, value_name = "DIR", required = true)]
    out: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say what a scenario would play and how long that takes, and play nothing
    Check {
        /// The scenario
        scenario: PathBuf,
        #[command(flatten)]
        shorter: Shorter,
    },
    /// Write the reports of a sweep once more
    Report {
        /// The folder that was its --out
        folder: PathBuf,
        /// Fit the model to another sweep of this machine, too
        #[arg(long, value_name = "DIR")]
        with: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Options {
    #[command(flatten)]
    shorter: Shorter,
    /// What joins the hosts
    #[arg(long, value_name = "KIND", default_value = "auto")]
    link: Joined,
    /// What the order of runs and all keys are drawn from; another one for each new sweep if left out
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Print what it came to as one JSON object
    #[arg(long)]
    json: bool,
}

/// What of a scenario is to be otherwise.
#[derive(Debug, Args)]
struct Shorter {
    /// How often each point is played
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    repetitions: Option<u32>,
    /// How many windows of each run are measured
    #[arg(long, value_name = "W", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    windows: Option<u32>,
    /// Each point once, with three windows: to see whether all of it can be played
    #[arg(long, conflicts_with_all = ["repetitions", "windows"])]
    quick: bool,
    /// Only the points that have this value; several times: all of these values
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    only: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write a key, = and a value: peers=3")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// What `--quick` is short for.
const QUICK_WINDOWS: u32 = 3;

/// What is to join the hosts.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Joined {
    /// The relay where namespaces can be made, otherwise proxies
    Auto,
    /// The kernel's own emulation, where it has one, or nothing
    Netem,
    /// Proxies on the loopback, which delay and slow down alone
    Proxy,
    /// The relay, or nothing
    Relay,
}

/// Why nothing could be assessed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssessFailure {
    #[error("--with {other}: it was measured on another machine, kernel or build than {folder}")]
    AnotherMachine { folder: PathBuf, other: PathBuf },
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("--only: {0}")]
    Only(String),
    #[error("what a point takes can't be counted: {0}")]
    Model(#[from] WorkError),
    #[error("the cost of arithmetic can't be measured: {0}")]
    Product(#[from] RehearsalFailure),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    #[error(transparent)]
    Sweep(#[from] SweepError),
}

impl Assess {
    pub(crate) fn run(self) -> Result<Outcome, Failure> {
        match (self.action, self.scenario.zip(self.out)) {
            (Some(Action::Check { scenario, shorter }), _) => {
                check(&shorter.of(Scenario::load(&scenario).map_err(AssessFailure::from)?)?)?;
                Ok(Outcome::Done)
            }
            (Some(Action::Report { folder, with }), _) => {
                let written = report(&folder, &with)?;
                say!("{}", told(&folder, &written));
                Ok(Outcome::Done)
            }
            (None, Some((scenario, out))) => {
                // Before the runtime's threads. Where the kernel does not let a user have it, the lab says what it lacks.
                let _ = become_root_within();
                Ok(block_on(self.options.sweep(&scenario, &out))??)
            }
            // The parser asks for one of them.
            (None, None) => Ok(Outcome::Refused),
        }
    }
}

impl Shorter {
    fn of(&self, mut scenario: Scenario) -> Result<Scenario, AssessFailure> {
        let (quick, windows) = if self.quick { (Some(1), Some(QUICK_WINDOWS)) } else { (None, None) };
        scenario.repetitions = self.repetitions.or(quick).unwrap_or(scenario.repetitions);
        scenario.windows = self.windows.or(windows).unwrap_or(scenario.windows);
        self.only.iter().try_fold(scenario, |scenario, (key, value)| {
            scenario.only(key, value).map_err(AssessFailure::Only)
        })
    }
}

impl From<Joined> for Link {
    fn from(joined: Joined) -> Self {
        match joined {
            Joined::Auto => Self::Auto,
            Joined::Netem => Self::Netem,
            Joined::Proxy => Self::Proxy,
            Joined::Relay => Self::Relay,
        }
    }
}

impl Options {
    async fn sweep(self, file: &Path, out: &Path) -> Result<Outcome, AssessFailure> {
        let text =
            fs::read_to_string(file).map_err(|error| ScenarioError::Read { path: file.to_owned(), error })?;
        let scenario = self.shorter.of(Scenario::parse(file, &text)?)?;
        let (scenario, left_out) = scenario.on_machine(&Machine::here());
        left_out.iter().for_each(|note| eprintln!("{note}"));
        too_long(&scenario)?.iter().for_each(|warning| eprintln!("{warning}"));
        eprintln!("{}", about(&scenario));
        let seed = self.seed.map_or_else(|| entropy::rng().map(|mut rng| rng.next_u64()), Ok)?;
        let mut lab = Lab::open(LabOptions { link: self.link.into(), seed, ..LabOptions::default() }).await?;
        let mut header = Header::new(scenario.digest(), scenario.title.clone(), seed, here());
        header.notes = left_out;
        header.known = Known::here()?;
        let sweep = Sweep { scenario, text, folder: out.to_owned(), header };
        let (mut stage, clock) = (WithMpyc::new(Sites::default(), out.join("mpyc")), Clock::system());
        let mut progress = Progress::here();
        let stop = process::asked_to_end();
        let swept = sweep.run(&mut lab, &mut stage, || clock.now(), &mut progress, stop).await;
        drop(stage);
        lab.close().await?;
        let swept = swept?;
        let written = report(out, &[]);
        self.tell(out, &swept, &written);
        Ok(match swept {
            Swept { left: 1.., .. } => Outcome::Unanswered,
            Swept { failed: 1.., .. } => Outcome::Refused,
            Swept { .. } => written.map(|_| Outcome::Done)?,
        })
    }

    fn tell(&self, out: &Path, swept: &Swept, written: &Result<Report, AssessFailure>) {
        let Swept { measured, failed, left } = swept;
        if self.json {
            let report = written.as_ref().ok();
            say!("{}", json!({ "measured": measured, "failed": failed, "left": left, "report": report }));
            return;
        }
        match written {
            Ok(report) => say!("{}", told(out, report)),
            Err(error) => eprintln!("{error}"),
        }
        say!("{measured} runs are measured, {failed} failed, {left} are left to do");
        if *left > 0 {
            say!("the same command goes on with them");
        }
    }
}

/// Writes the reports from the journal. The model is fitted to other sweeps, too, if they are of the same machine.
fn report(folder: &Path, with: &[PathBuf]) -> Result<Report, AssessFailure> {
    let read = |folder: &Path| -> Result<(Scenario, Recorded), AssessFailure> {
        Ok((Scenario::load(&folder.join(SCENARIO))?, Recorded::read(folder)?))
    };
    let (scenario, recorded) = read(folder)?;
    let mut more = Vec::new();
    for other in with {
        let (scenario, others) = read(other)?;
        if others.header.machine != recorded.header.machine {
            let (folder, other) = (folder.to_owned(), other.clone());
            return Err(AssessFailure::AnotherMachine { folder, other });
        }
        more.extend(model::samples(&Summary::of(&scenario, &others)));
    }
    let report = Report::of(&scenario, &recorded, &more)?;
    report.write(folder, &recorded)?;
    Ok(report)
}

/// Each figure's sentence, and where all of it is.
fn told(folder: &Path, report: &Report) -> String {
    let mut text = String::new();
    for figure in &report.figures {
        figure.sentences.iter().for_each(|sentence| {
            let _ = writeln!(text, "{sentence}");
        });
    }
    let files = FILES.map(|file| folder.join(file).display().to_string());
    let _ = write!(text, "{}", files.join("\n"));
    text
}

/// What it runs on, and which programs take part.
fn here() -> Machine {
    let mut here = Machine::here();
    here.programs.insert("murmur".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    here.note("python", Command::new("python3").arg("--version"));
    if let Some(mosquitto) = mosquitto_program() {
        here.note("mosquitto", Command::new(mosquitto).arg("-h"));
    }
    if let Ok(program) = std::env::current_exe() {
        here.note_commit(&program);
    }
    here
}

/// What a run takes beside its windows, as measured with few agents: processes start, find each other, and end.
const SETTING_UP: Duration = Duration::from_secs(6);

/// What would be played.
fn check(scenario: &Scenario) -> Result<(), AssessFailure> {
    say!("{}\n{}", scenario.title, scenario.question);
    for point in &scenario.points {
        say!("  {}", point.differs(&scenario.varied));
    }
    too_long(scenario)?.iter().for_each(|warning| say!("{warning}"));
    say!("{}", about(scenario));
    Ok(())
}

/// The points at which the network alone makes a window longer than the period: its results would come late, or never.
fn too_long(scenario: &Scenario) -> Result<Vec<String>, AssessFailure> {
    let mut warnings = Vec::new();
    for point in &scenario.points {
        let least = Duration::from_secs_f64(model::least_ms(&point.parameters)?.max(0.0) / 1e3);
        if least > scenario.period {
            let (which, period) = (point.differs(&scenario.varied), scenario.period.as_secs_f64());
            let least = least.as_secs_f64();
            warnings.push(format!(
                "{which}: on these links a window takes {least:.1} s at least, more than the period of {period} s; write a longer `period`"
            ));
        }
    }
    Ok(warnings)
}

/// How much there is to play, and how long that takes.
fn about(scenario: &Scenario) -> String {
    let runs = units(scenario, 0).len();
    let each = SETTING_UP + scenario.period * (scenario.warm_up + scenario.windows);
    let minutes = (each.as_secs_f64() * runs as f64 / 60.0).ceil();
    let time = match minutes {
        ..120.0 => format!("{minutes} minutes"),
        ..2_880.0 => format!("{:.0} hours", minutes / 60.0),
        _ => format!("{:.0} days", minutes / 1_440.0),
    };
    format!("{} points, {runs} runs, about {time}", scenario.points.len())
}
