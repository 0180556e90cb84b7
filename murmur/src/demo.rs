//! `murmur demo`: a whole site in one process over real MQTT, and what each side of it sees.

mod ask;
mod ledger;
mod output;
mod replay;
mod script;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use broker::Limits;
use smc_core::name::{NameError, NodeName, QuantityName};
use smc_core::roster::Span;
use smc_core::time::PeriodError;
use smc_mqtt::clock::{Clock, Speed};
use smc_mqtt::process;
use tokio::sync::mpsc;

pub(crate) use self::ask::{Ask, AskError};
pub(crate) use self::output::Form;
use self::output::Output;
use self::replay::Recording;
use self::script::Scene;
use self::watch::Watch;
use crate::stage::{Listen, Stage, StageError};

/// What the demonstration was asked to do.
#[derive(Debug, Clone)]
pub(crate) struct DemoOptions {
    /// n.
    pub(crate) peers: u8,
    /// t; the largest that n allows if none.
    pub(crate) threshold: Option<u8>,
    /// How many simulated rooms.
    pub(crate) rooms: usize,
    /// T; two seconds, or a minute in a replay, if none.
    pub(crate) period: Option<Span>,
    /// The fewest rooms that a result may cover.
    pub(crate) minimum_cohort: u32,
    /// After how many windows to end; never if none.
    pub(crate) windows: Option<u64>,
    /// Where the broker listens.
    pub(crate) listen: SocketAddr,
    /// What is asked of the first quantity; a choice of functions if empty.
    pub(crate) asked: Vec<Ask>,
    /// How to tell.
    pub(crate) form: Form,
    /// What to replay instead of simulating.
    pub(crate) replay: Option<ReplayOptions>,
}

/// A file of readings to be replayed.
#[derive(Debug, Clone)]
pub(crate) struct ReplayOptions {
    /// The CSV file, plain or gzip.
    pub(crate) path: PathBuf,
    /// The column with the time.
    pub(crate) time_column: String,
    /// The column with the agent's name.
    pub(crate) agent_column: String,
    /// The column with the reading.
    pub(crate) value_column: String,
    /// What the readings measure.
    pub(crate) quantity: QuantityName,
    /// How many seconds of the file pass in one.
    pub(crate) speed: Speed,
}

/// Why a demonstration can't run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("--ask: {0}")]
    Ask(#[from] AskError),
    #[error("the file has no row with a time and an agent")]
    EmptyRecording,
    #[error("{agent:?} in the agent column can't be a node's name: {error}")]
    AgentName { agent: String, error: NameError },
    #[error("a name could not be made: {0}")]
    Name(#[from] NameError),
    #[error("could not write the output: {0}")]
    Output(std::io::Error),
    #[error("--period: {0}")]
    Period(#[from] PeriodError),
    #[error(transparent)]
    Recording(#[from] sensor_agent::source::csv::CsvError),
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error("--quantity: `{quantity}` is unknown; known are {}", smc_core::quantity::Quantity::known_names().collect::<Vec<_>>().join(", "))]
    UnknownQuantity { quantity: QuantityName },
}

/// How a demonstration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// How many published values were held against the truth.
    pub(crate) compared: u64,
    /// How many of them differed.
    pub(crate) wrong: u64,
}

/// Port that MQTT clients expect; when another broker has it, any free one will do.
const MQTT_PORT: u16 = 1883;
/// How long starting takes at most on a slow machine.
const START: Duration = Duration::from_secs(1);
/// Observers that fall behind by so many events miss some.
const EVENTS_WAITING: usize = 1 << 16;

/// Runs the demonstration until its end or Ctrl-C.
pub(crate) async fn run(options: DemoOptions) -> Result<Verdict, DemoError> {
    let recording = match &options.replay {
        Some(replay) => Some(Recording::survey(replay)?),
        None => None,
    };
    let scene = Scene::new(&options, recording.as_ref())?;
    let (tap, tapped) = mpsc::channel(EVENTS_WAITING);
    let listen = Listen { address: options.listen, or_free_port: options.listen.port() == MQTT_PORT };
    let mut stage = Stage::open(&scene.script, listen, Limits::default(), Some(tap)).await?;
    let mut output = Output::new(options.form, &stage, listen.address, &scene).map_err(DemoError::Output)?;

    let clock = scene.clock();
    begin_with_a_window(&clock, &scene).await;
    let (observer, decided) = mpsc::channel(EVENTS_WAITING);
    let (witness, shared) = mpsc::channel(EVENTS_WAITING);
    stage.start_peers(&clock, &observer);
    let feeds = scene.feeds(&options, recording, &clock);
    stage.start_agents(&clock, feeds, &witness);

    let mut watch = Watch::start(&stage, decided, shared, tapped, scene.first());
    let verdict = tokio::select! {
        verdict = watch.until(options.windows, &mut output) => verdict.map_err(DemoError::Output)?,
        () = scene.over(&clock) => watch.verdict(),
        () = process::asked_to_end() => watch.verdict(),
        error = stage.failed() => return Err(error.into()),
    };
    watch.close().await;
    stage.close().await?;
    output.end(verdict).map_err(DemoError::Output)?;
    Ok(verdict)
}

/// Everybody takes part from the first whole window on; so start early in one.
async fn begin_with_a_window(clock: &Clock, scene: &Scene) {
    let next = scene.period.start(scene.period.window_at(clock.now()).next());
    if clock.wall(next.since(clock.now())) < START {
        clock.sleep_until(next).await;
    }
}

/// The names of rooms.
fn room_names(rooms: usize) -> Result<Vec<NodeName>, NameError> {
    crate::stage::numbered("room", rooms)
}
