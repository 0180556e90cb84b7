//! What is played: who takes part, what is asked, what time it is.

use std::time::Duration;

use sensor_agent::Feed;
use sensor_agent::source::SourceConfig;
use sensor_agent::source::simulated::{Interval, SimulatedConfig};
use smc_core::name::{NodeName, QuantityName};
use smc_core::quantity::Quantity;
use smc_core::roster::document::{QueryTable, SiteTable, StreamTable};
use smc_core::roster::{Span, Tolerate};
use smc_core::time::{Period, Timestamp, WindowIndex};
use smc_mqtt::clock::{Clock, Speed};

use super::ask::Ask;
use super::replay::{Recording, dispatch};
use super::{DemoError, DemoOptions, room_names};
use crate::stage::{Script, numbered, site_name};

/// A site and its time.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) script: Script,
    pub(super) period: Period,
    time: Time,
}

#[derive(Debug, Clone, Copy)]
enum Time {
    /// Now.
    Live,
    /// A day gone by, from `first` until `last`.
    Replay { first: Timestamp, last: Timestamp, speed: Speed },
}

/// What simulated rooms measure.
const SIMULATED: [&str; 3] = ["co2", "temperature", "occupancy"];
/// On loopback, shares need no longer to arrive.
const GRACE: Duration = Duration::from_millis(200);
const STEP: Duration = Duration::from_secs(2);
/// How many windows a cohort stays frozen while one watches.
const EPOCH_WINDOWS: u32 = 10;
/// How long nodes have to find each other before a replay's first reading.
const LEAD: Duration = Duration::from_secs(2);
/// The hour at which a simulated office is busy.
const BUSY_HOUR: f64 = 10.5;

impl Scene {
    pub(super) fn new(options: &DemoOptions, recording: Option<&Recording>) -> Result<Self, DemoError> {
        let period = options.period.unwrap_or(Span::from_secs(if recording.is_some() { 60 } else { 2 }));
        let speed = options.replay.as_ref().map_or(Speed::REAL, |replay| replay.speed);
        let stretch = |wall: Duration| Span::new(wall.mul_f64(f64::from(speed)));
        let cohort_epoch = match recording {
            Some(_) => Span::from_secs(3600),
            None => Span::new(EPOCH_WINDOWS * period.get()),
        };
        let site = SiteTable {
            name: site_name("demo")?,
            threshold: options.threshold.unwrap_or((options.peers.max(1) - 1) / 2),
            consent: smc_core::roster::Consent::default(),
            tolerate: Tolerate::Crash,
            minimum_cohort: options.minimum_cohort,
            period,
            grace: stretch(GRACE),
            step: stretch(STEP),
            cohort_epoch,
            key_epoch: Span::from_secs(24 * 3600),
        };
        let (agents, quantities) = match (recording, &options.replay) {
            (Some(recording), Some(replay)) => (recording.agents.clone(), vec![replay.quantity.clone()]),
            _ => {
                (room_names(options.rooms)?, SIMULATED.map(str::parse).into_iter().collect::<Result<_, _>>()?)
            }
        };
        let script = Script {
            site,
            peers: numbered("peer", usize::from(options.peers))?,
            agents: cast(agents, &quantities),
            clients: Vec::new(),
            quantities: Vec::new(),
            queries: queries(&quantities, Period::try_from(period)?, &options.asked)?,
        };
        let time = match recording {
            Some(recording) => Time::Replay { first: recording.first, last: recording.last, speed },
            None => Time::Live,
        };
        Ok(Self { script, period: Period::try_from(period)?, time })
    }

    /// The first window worth telling: in a replay, that of the first reading.
    pub(super) fn first(&self) -> WindowIndex {
        match self.time {
            Time::Live => WindowIndex(0),
            Time::Replay { first, .. } => self.period.window_at(first),
        }
    }

    /// The clock that all nodes share, set a little before the first reading.
    pub(super) fn clock(&self) -> Clock {
        match self.time {
            Time::Live => Clock::system(),
            Time::Replay { first, speed, .. } => {
                let lead = LEAD.mul_f64(f64::from(speed)).max(3 * self.period.as_duration());
                Clock::replay(first - lead, speed)
            }
        }
    }

    /// Resolves when the last window of a replay must be done.
    pub(super) async fn over(&self, clock: &Clock) {
        match self.time {
            Time::Live => std::future::pending().await,
            Time::Replay { last, .. } => {
                let timing = &self.script.site;
                let end = self.period.end(self.period.window_at(last));
                clock.sleep_until(end + timing.grace.get() + timing.step.get()).await;
            }
        }
    }

    /// Where each agent's readings come from.
    pub(super) fn feeds(
        &self,
        options: &DemoOptions,
        recording: Option<Recording>,
        clock: &Clock,
    ) -> Vec<(NodeName, Feed)> {
        match (recording, &options.replay) {
            (Some(recording), Some(replay)) => dispatch(recording, replay, self.period, clock),
            _ => {
                let room = |(name, _): &(NodeName, _)| (name.clone(), Feed::Sources(vec![self.room(clock)]));
                self.script.agents.iter().map(room).collect()
            }
        }
    }

    /// An office in mid-morning, whatever the time is where this runs.
    fn room(&self, clock: &Clock) -> SourceConfig {
        let hour_utc = (clock.now().as_micros() / 1_000_000 % 86_400) as f64 / 3600.0;
        // From -12 to +12, as time zones are.
        let utc_offset_h = (BUSY_HOUR - hour_utc + 36.0) % 24.0 - 12.0;
        let interval = Interval::try_from(self.period.as_duration().as_secs_f64()).unwrap_or_default();
        SourceConfig::Simulated(SimulatedConfig::office(utc_offset_h, interval))
    }
}

fn cast(agents: Vec<NodeName>, quantities: &[QuantityName]) -> Vec<(NodeName, Vec<StreamTable>)> {
    let streams: Vec<_> = quantities.iter().cloned().map(StreamTable::Plain).collect();
    agents.into_iter().map(|agent| (agent, streams.clone())).collect()
}

/// What is asked of the first quantity, and more of CO2, whose thresholds everybody knows.
const ASKED: [&str; 5] = ["count", "max", "mean", "median", "sum"];
const ASKED_OF_CO2: [&str; 2] = ["any_above above = 1000", "histogram edges = [600, 800, 1000, 1400]"];

/// The functions in question on the first quantity, the mean or the sum of the others.
fn queries(quantities: &[QuantityName], period: Period, asked: &[Ask]) -> Result<Vec<QueryTable>, DemoError> {
    let mut queries = Vec::new();
    for (place, quantity) in quantities.iter().enumerate() {
        if Quantity::known(quantity.as_str(), period).is_none() {
            return Err(DemoError::UnknownQuantity { quantity: quantity.clone() });
        }
        let read = |texts: &[&str]| texts.iter().map(|text| text.parse()).collect::<Result<Vec<Ask>, _>>();
        let asked = match (place, quantity.as_str()) {
            (0, _) if !asked.is_empty() => asked.to_vec(),
            (0, "co2") => [read(&ASKED)?, read(&ASKED_OF_CO2)?].concat(),
            (0, _) => read(&ASKED)?,
            (_, "occupancy") => read(&["sum"])?,
            _ => read(&["mean"])?,
        };
        for (i, ask) in asked.iter().enumerate() {
            let number = asked.iter().take(i + 1).filter(|other| other.function() == ask.function()).count();
            queries.push(ask.of(ask.name(quantity, number)?, quantity.clone()));
        }
    }
    Ok(queries)
}
