//! A recorded day: surveyed once for who is in it, then read again and handed to the agents in its own time.

use std::collections::{BTreeSet, HashMap};

use sensor_agent::Feed;
use sensor_agent::source::csv::{AgentColumn, Cell, Columns, CsvRows, Delimiter};
use sensor_agent::source::{Happened, Observation};
use smc_core::name::{NodeName, StreamName};
use smc_core::time::{Period, Timestamp};
use smc_mqtt::clock::Clock;
use tokio::sync::mpsc;
use tracing::warn;

use super::{DemoError, ReplayOptions};

/// How many readings of one agent may be ahead of their time.
const READINGS_AHEAD: usize = 64;

/// Who is in the file, and when.
#[derive(Debug)]
pub(super) struct Recording {
    /// The agents, in the order of names.
    pub(super) agents: Vec<NodeName>,
    /// The first row's time.
    pub(super) first: Timestamp,
    /// The last row's time.
    pub(super) last: Timestamp,
}

impl Recording {
    /// Reads the whole file once.
    pub(super) fn survey(replay: &ReplayOptions) -> Result<Self, DemoError> {
        let mut rows = open(replay)?;
        let mut agents = BTreeSet::new();
        let mut span: Option<(Timestamp, Timestamp)> = None;
        while let Some(row) = rows.next()? {
            let Some(agent) = row.agent() else { continue };
            if !agents.contains(agent) {
                let name = agent
                    .parse::<NodeName>()
                    .map_err(|error| DemoError::AgentName { agent: agent.to_owned(), error })?;
                agents.insert(name);
            }
            let first = span.map_or(row.at(), |(first, _)| first);
            span = Some((first, row.at()));
        }
        let (first, last) = span.ok_or(DemoError::EmptyRecording)?;
        Ok(Self { agents: agents.into_iter().collect(), first, last })
    }
}

/// A feed per agent; a task reads the file and stays two windows ahead of the clock, so that no agent waits for it.
pub(super) fn dispatch(
    recording: Recording,
    replay: &ReplayOptions,
    period: Period,
    clock: &Clock,
) -> Vec<(NodeName, Feed)> {
    let mut senders = HashMap::new();
    let mut feeds = Vec::new();
    for agent in recording.agents {
        let (sender, receiver) = mpsc::channel(READINGS_AHEAD);
        senders.insert(agent.clone(), sender);
        feeds.push((agent, Feed::Channel(receiver)));
    }
    let (replay, clock) = (replay.clone(), clock.clone());
    tokio::spawn(async move {
        if let Err(error) = feed(&replay, period, &clock, &senders).await {
            warn!(%error, "the recording ends early");
        }
    });
    feeds
}

async fn feed(
    replay: &ReplayOptions,
    period: Period,
    clock: &Clock,
    agents: &HashMap<NodeName, mpsc::Sender<Happened>>,
) -> Result<(), DemoError> {
    let stream = StreamName::from(&replay.quantity);
    let mut rows = open(replay)?;
    while let Some(row) = rows.next()? {
        let at = row.at();
        let Some(agent) = row.agent().and_then(|agent| agents.get(agent)) else { continue };
        let Some(cell) = row.cells().next() else { continue };
        let happened = match cell {
            Cell::Empty => continue,
            Cell::Reading(value) => Happened::Observed(Observation { stream: stream.clone(), at, value }),
            Cell::Unusable(reason) => Happened::Unusable { stream: stream.clone(), at, reason },
        };
        clock.sleep_until(at - 2 * period.as_duration()).await;
        if agent.send(happened).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn open(replay: &ReplayOptions) -> Result<CsvRows, DemoError> {
    let columns = Columns {
        time: replay.time_column.clone(),
        agent: Some(AgentColumn { column: replay.agent_column.clone(), only: None }),
        values: vec![replay.value_column.clone()],
        delimiter: Delimiter::default(),
    };
    Ok(CsvRows::open(&replay.path, columns)?)
}
