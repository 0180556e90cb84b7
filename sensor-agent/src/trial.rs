//! A try: what an agent's sensors say now, without keys, peers or the site's broker, for whoever sets them up.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use smc_core::name::{NameError, NodeName, StreamName};
use smc_core::quantity::Quantity;
use smc_core::time::Period;
use smc_mqtt::clock::Clock;
use smc_mqtt::config::{ConfigError, beside, load, load_site};
use tokio::sync::mpsc;

use crate::run::streams;
use crate::screen::{RulesError, Screens, StreamRules};
use crate::source::{Context, GapReason, Happened, Observation, Reading, SourceConfig, SourceError};

/// How many readings may wait to be shown.
const WAITING: usize = 64;
/// What the agent is called whose file does not say so: one of the examples.
const NAMELESS: &str = "agent";

/// As much of an agent's file as a try needs.
#[derive(Debug, Deserialize)]
struct TrialConfig {
    #[serde(default)]
    node: Option<NodeName>,
    #[serde(default)]
    site: Option<PathBuf>,
    #[serde(default)]
    stream: BTreeMap<StreamName, StreamRules>,
    #[serde(default)]
    source: Vec<SourceConfig>,
}

/// What is tried.
#[derive(Debug)]
pub struct Trial {
    node: NodeName,
    streams: Streams,
    rules: BTreeMap<StreamName, StreamRules>,
    sources: Vec<SourceConfig>,
}

/// Where it is known from what the streams measure.
#[derive(Debug)]
enum Streams {
    /// From their names alone, for this reason.
    Guessed(String),
    Known(BTreeMap<StreamName, Quantity>),
}

/// Why nothing can be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The agent's file can't be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It can't be named.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It has no source.
    #[error("{}: there is no [[source]] to try", .0.display())]
    NoSource(PathBuf),
    /// What it says of a stream makes no sense.
    #[error(transparent)]
    Rules(#[from] RulesError),
    /// A source can't be used.
    #[error("[[source]]: {0}")]
    Source(#[from] SourceError),
}

/// What each stream said first. Shows readings: for their owner alone.
#[derive(Debug, Default)]
pub struct Findings {
    lines: BTreeMap<StreamName, Finding>,
    notes: Vec<String>,
}

#[derive(Debug)]
enum Finding {
    /// Nothing has been said yet.
    Awaited,
    Told {
        /// What the sensor says, if it says anything.
        said: Option<String>,
        /// What becomes of it: what is shared, or why nothing is.
        becomes: Result<String, String>,
    },
}

impl Trial {
    /// Reads the agent's file at `path`, and its site file if that is there.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn load(path: &Path) -> Result<Self, TrialError> {
        let config: TrialConfig = load(path, &[])?;
        let TrialConfig { node, site, stream: rules, source: mut sources } = config;
        if sources.is_empty() {
            return Err(TrialError::NoSource(path.to_owned()));
        }
        sources.iter_mut().try_for_each(|source| source.settle(path))?;
        let node = node.map_or_else(|| NAMELESS.parse(), Ok)?;
        let streams = match site.map(|site| load_site(&beside(path, &site))) {
            Some(Ok(roster)) if roster.agent_named(node.as_str()).is_some() => {
                Streams::Known(streams(&roster, &node))
            }
            Some(Ok(_)) => Streams::Guessed(format!("the site file names no agent `{node}`")),
            Some(Err(error)) => Streams::Guessed(error.to_string()),
            None => Streams::Guessed(format!("{}: no `site`", path.display())),
        };
        Ok(Self { node, streams, rules, sources })
    }

    /// Listens to all sensors until each stream has said something, for at most `span`.
    ///
    /// # Errors
    /// If a source can't be used as it is configured.
    pub async fn run(
        self,
        span: Duration,
        clock: Clock,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Findings, TrialError> {
        let Self { node, streams, rules, sources } = self;
        let mut findings = Findings::default();
        let streams = match streams {
            Streams::Known(streams) => streams,
            Streams::Guessed(why) => {
                findings.notes.push(format!("{why}; units and ranges are guessed from the streams' names"));
                guess(&sources)
            }
        };
        let mut screens = Screens::new(&rules, &streams, &node, None)?;
        let context = Context { agent: node, clock, connection: None, streams };
        let mut told = start(sources, &context, &mut findings)?;
        let (over, ended) = (tokio::time::sleep(span), shutdown);
        tokio::pin!(over, ended);
        while findings.lines.values().any(|finding| finding.is_awaited()) {
            let happened = tokio::select! {
                happened = told.recv() => happened,
                () = &mut over => None,
                () = &mut ended => None,
            };
            let Some(happened) = happened else { break };
            findings.take(happened, &context.streams, &mut screens);
        }
        Ok(findings)
    }
}

/// The quantities that the streams are called after; those of other names are left out.
fn guess(sources: &[SourceConfig]) -> BTreeMap<StreamName, Quantity> {
    let minute = Period::from_millis(60_000).ok();
    let known = |stream: &StreamName| Some((stream.clone(), Quantity::known(stream.as_str(), minute?)?));
    sources
        .iter()
        .flat_map(|source| source.feeds(&BTreeMap::new()))
        .filter_map(|stream| known(&stream))
        .collect()
}

/// Starts all sources that can be tried.
fn start(
    sources: Vec<SourceConfig>,
    context: &Context,
    findings: &mut Findings,
) -> Result<mpsc::Receiver<Happened>, TrialError> {
    SourceConfig::check_together(&sources, &context.streams)?;
    let (sender, told) = mpsc::channel(WAITING);
    for source in sources {
        let feeds = source.feeds(&context.streams);
        match source.spawn(context.clone(), sender.clone()) {
            Ok(_) => feeds.into_iter().for_each(|stream| findings.expect(stream)),
            Err(error @ SourceError::NoBroker) => findings.notes.push(error.to_string()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(told)
}

impl Finding {
    fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited)
    }
}

impl Findings {
    /// Whether every stream that was tried said something that is shared.
    pub fn is_good(&self) -> bool {
        self.lines.values().all(|finding| matches!(finding, Finding::Told { becomes: Ok(_), .. }))
    }

    fn expect(&mut self, stream: StreamName) {
        self.lines.insert(stream, Finding::Awaited);
    }

    fn take(&mut self, happened: Happened, streams: &BTreeMap<StreamName, Quantity>, screens: &mut Screens) {
        match happened {
            Happened::Ended => self.notes.push("a source has no more readings".to_owned()),
            Happened::Failed(error) => self.notes.push(error.to_string()),
            Happened::Found { .. } => {}
            Happened::Lost { streams, error } => {
                for stream in streams {
                    self.first(stream, None, Err(error.to_string()));
                }
            }
            Happened::Observed(Observation { stream, at, value }) => {
                let Some(quantity) = streams.get(&stream) else { return };
                let said = shown(&value, quantity);
                let becomes = match screens.take(&stream, at, Ok(value.clone())).flaw {
                    Some(flaw) => Err(format!("left out: {flaw}")),
                    None => shared(&value, quantity).map_err(|flaw| format!("left out: {flaw}")),
                };
                self.first(stream, Some(said), becomes);
            }
            Happened::Unusable { stream, reason, .. } => {
                self.first(stream, None, Err(format!("left out: {reason}")));
            }
        }
    }

    /// Only the first word of each counts.
    fn first(&mut self, stream: StreamName, said: Option<String>, becomes: Result<String, String>) {
        if let Some(finding) = self.lines.get_mut(&stream).filter(|finding| finding.is_awaited()) {
            *finding = Finding::Told { said, becomes };
        }
    }
}

fn shown(value: &Reading, quantity: &Quantity) -> String {
    match value.reveal() {
        [number] if !value.is_vector() => format!("{number} {}", quantity.unit()).trim_end().to_owned(),
        elements => format!("{} numbers", elements.len()),
    }
}

/// What the quantity makes of it.
fn shared(value: &Reading, quantity: &Quantity) -> Result<String, GapReason> {
    if value.is_vector() != quantity.is_vector() {
        return Err(GapReason::WrongType);
    }
    if value.reveal().len() != quantity.elements() as usize {
        return Err(GapReason::WrongLength);
    }
    let steps =
        value.reveal().iter().map(|&number| quantity.encode(number)).collect::<Result<Vec<_>, _>>()?;
    Ok(match &steps[..] {
        [step] => {
            format!("good: shared as {} {}", quantity.decode(*step), quantity.unit()).trim_end().to_owned()
        }
        _ => "good".to_owned(),
    })
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        let width = self.lines.keys().map(|stream| stream.as_str().len()).max().unwrap_or(0);
        for (stream, finding) in &self.lines {
            let (said, becomes) = match finding {
                Finding::Awaited => ("-", "said nothing in this time; try longer with --for"),
                Finding::Told { said, becomes: Ok(becomes) | Err(becomes) } => {
                    (said.as_deref().unwrap_or("-"), becomes.as_str())
                }
            };
            writeln!(f, "{:width$}  {said:16}  {becomes}", stream.as_str())?;
        }
        Ok(())
    }
}
