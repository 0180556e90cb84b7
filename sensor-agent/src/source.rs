//! Where readings come from. A source runs in a task of its own and tells what happened through a channel; it
//! waits while the channel is full and ends when the receiver is dropped.

pub mod csv;
pub mod mqtt;
pub mod simulated;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Deserialize;
pub use smc_core::agent::GapReason;
use smc_core::name::{NodeName, StreamName};
use smc_core::quantity::{MAX_ELEMENTS, Quantity};
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::ConnectionSettings;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zeroize::{Zeroize, Zeroizing};

/// What one source measured: a finite number, or a vector of them, in the unit of the stream's quantity. Wiped when
/// dropped and never printed.
#[derive(Clone, PartialEq)]
pub struct Reading(Kind);

#[derive(Clone, PartialEq)]
enum Kind {
    Number(f64),
    Vector(Vec<f64>),
}

impl Reading {
    /// The reading `value`; `None` if it is infinite or not a number.
    pub fn new(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(Kind::Number(value)))
    }

    /// The reading of a vector stream.
    ///
    /// # Errors
    /// [`GapReason::WrongLength`] of more elements than any vector has; else the first reason why an element is
    /// missing.
    pub fn vector(elements: impl IntoIterator<Item = Result<f64, GapReason>>) -> Result<Self, GapReason> {
        let elements = elements.into_iter();
        // With room for all that are announced, so that few stay behind in memory that was outgrown.
        let room = elements.size_hint().0.min(MAX_ELEMENTS as usize);
        let mut vector = Zeroizing::new(Vec::with_capacity(room));
        for element in elements {
            if vector.len() == MAX_ELEMENTS as usize {
                return Err(GapReason::WrongLength);
            }
            vector.push(element?);
        }
        if vector.iter().all(|element: &f64| element.is_finite()) {
            Ok(Self(Kind::Vector(std::mem::take(&mut vector))))
        } else {
            Err(GapReason::NotANumber)
        }
    }

    /// Whether it is a vector, of however many elements.
    pub fn is_vector(&self) -> bool {
        matches!(self.0, Kind::Vector(_))
    }

    /// The number itself, or all elements of the vector. Never to be logged.
    pub fn reveal(&self) -> &[f64] {
        match &self.0 {
            Kind::Number(number) => std::slice::from_ref(number),
            Kind::Vector(elements) => elements,
        }
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        match &mut self.0 {
            Kind::Number(number) => number.zeroize(),
            Kind::Vector(elements) => elements.zeroize(),
        }
    }
}

/// One reading of one stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// What was read.
    pub stream: StreamName,
    /// When it held, by the agent's clock.
    pub at: Timestamp,
    /// What it was. Its range is not checked yet.
    pub value: Reading,
}

/// What a source tells.
#[derive(Debug)]
pub enum Happened {
    /// The source has no more to tell: a file is at its end. The last thing it tells.
    Ended,
    /// The source can't go on. The last thing it tells.
    Failed(SourceError),
    /// A reading.
    Observed(Observation),
    /// Something that should have been a reading.
    Unusable {
        /// Of which stream.
        stream: StreamName,
        /// When.
        at: Timestamp,
        /// Why not.
        reason: GapReason,
    },
}

/// Why a source can't start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A table can't be read.
    #[error(transparent)]
    Csv(#[from] csv::CsvError),
    /// A stream is fed that the agent does not have.
    #[error(
        "a {kind} source feeds the stream {stream}, which the agent does not have: add it or correct the name"
    )]
    ForeignStream {
        /// The source's kind.
        kind: &'static str,
        /// The stream.
        stream: StreamName,
    },
    /// A source without a stream.
    #[error("a {kind} source feeds no stream: name at least one")]
    Idle {
        /// The source's kind.
        kind: &'static str,
    },
    /// A simulated room has no such property.
    #[error(transparent)]
    Property(#[from] simulated::UnknownProperty),
    /// A simulated room's settings make no sense.
    #[error(transparent)]
    Room(#[from] simulated::RoomSettingsError),
}

/// One source of an agent, as configured (`[[source]]`, told apart by `kind`).
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SourceConfig {
    /// `kind = "csv"`: a table, plain or gzipped.
    Csv(csv::CsvConfig),
    /// `kind = "mqtt"`: topics of other devices.
    Mqtt(mqtt::MqttConfig),
    /// `kind = "simulated"`: a room with people in it.
    Simulated(simulated::SimulatedConfig),
}

/// What a source is told about the agent that it feeds.
#[derive(Debug, Clone)]
pub struct Context {
    /// The agent's name; a simulated room is called the same.
    pub agent: NodeName,
    /// Tells what time it is.
    pub clock: Clock,
    /// How an mqtt source connects that names no broker of its own; its client id must not be in use.
    pub connection: ConnectionSettings,
    /// All streams of the agent, and what they measure.
    pub streams: BTreeMap<StreamName, Quantity>,
}

/// A source at work. Dropping it does not end it: dropping the channel's receiver does.
#[derive(Debug)]
pub struct Running {
    /// Ends with the source.
    pub task: JoinHandle<()>,
    ignored: Arc<AtomicU64>,
}

impl Running {
    /// How many messages arrived that were none of a stream's readings: partial updates, retained ones.
    pub fn ignored(&self) -> u64 {
        self.ignored.load(Relaxed)
    }
}

impl SourceConfig {
    /// The streams that this source feeds, out of all of the agent's.
    pub fn feeds(&self, context: &Context) -> Vec<StreamName> {
        match self {
            Self::Csv(config) => config.columns.keys().cloned().collect(),
            Self::Mqtt(config) => config.topics.keys().cloned().collect(),
            Self::Simulated(config) => {
                config.streams.clone().unwrap_or_else(|| context.streams.keys().cloned().collect())
            }
        }
    }

    /// Starts the source. Within a tokio runtime.
    ///
    /// # Errors
    /// [`SourceError`] for what can be known at once: a missing file or column, a stream that isn't there.
    pub fn spawn(self, context: Context, sender: mpsc::Sender<Happened>) -> Result<Running, SourceError> {
        self.check(&context)?;
        let ignored = Arc::new(AtomicU64::new(0));
        let task = match self {
            Self::Csv(config) => {
                let source = csv::CsvSource::open(config)?;
                tokio::spawn(source.run(context.clock, sender))
            }
            Self::Mqtt(config) => {
                let source = mqtt::MqttSource::new(config, context.connection, ignored.clone());
                tokio::spawn(source.run(context.clock, sender))
            }
            Self::Simulated(config) => {
                let source = simulated::SimulatedSource::new(config, &context)?;
                tokio::spawn(source.run(context.clock, sender))
            }
        };
        Ok(Running { task, ignored })
    }

    pub(crate) fn check(&self, context: &Context) -> Result<(), SourceError> {
        let kind = match self {
            Self::Csv(_) => "csv",
            Self::Mqtt(_) => "mqtt",
            Self::Simulated(_) => "simulated",
        };
        let feeds = self.feeds(context);
        if feeds.is_empty() {
            return Err(SourceError::Idle { kind });
        }
        match feeds.into_iter().find(|stream| !context.streams.contains_key(stream)) {
            Some(stream) => Err(SourceError::ForeignStream { kind, stream }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_finite_and_never_printed() {
        assert_eq!(Reading::new(f64::NAN), None);
        assert_eq!(Reading::new(f64::NEG_INFINITY), None);
        let observation = Observation {
            stream: "co2".parse().unwrap(),
            at: Timestamp::from_secs(1),
            value: Reading::new(612.5).unwrap(),
        };
        assert!(!format!("{observation:?}").contains("612"));
        let vector = Reading::vector([Ok(612.0), Ok(613.0)]).unwrap();
        assert_eq!(format!("{vector:?}"), "<redacted>");
        assert_eq!((vector.is_vector(), vector.reveal()), (true, &[612.0, 613.0][..]));
    }

    #[test]
    fn a_vector_is_whole_and_bounded() {
        assert_eq!(Reading::vector([Ok(1.0), Err(GapReason::Missing)]), Err(GapReason::Missing));
        assert_eq!(Reading::vector([Ok(1.0), Ok(f64::INFINITY)]), Err(GapReason::NotANumber));
        let million = std::iter::repeat_n(Ok(0.0), MAX_ELEMENTS as usize);
        assert_eq!(Reading::vector(million.clone()).unwrap().reveal().len(), 1_000_000);
        assert_eq!(Reading::vector(million.chain([Ok(0.0)])), Err(GapReason::WrongLength));
    }

    #[test]
    fn every_kind_of_source_is_configured_in_toml() {
        #[derive(Deserialize)]
        struct File {
            source: Vec<SourceConfig>,
        }
        let file: File = toml::from_str(
            r#"
            [[source]]
            kind = "simulated"
            seed = 7
            people_max = 6

            [[source]]
            kind = "csv"
            path = "day.csv.gz"
            time_column = "minute"
            agent_column = "room"
            agent = "413"
            columns = { co2 = "co2" }

            [[source]]
            kind = "mqtt"
            broker = { address = "mqtt://localhost:1884", client_id = "reader" }
            topics.temperature = { topic = "zigbee2mqtt/office", pointer = "/temperature" }
            "#,
        )
        .unwrap();
        assert_eq!(file.source.len(), 3);
    }

    #[test]
    fn a_mistyped_key_is_named() {
        for (text, word) in [
            ("kind = 'simulated'\npeople = 3", "people"),
            ("kind = 'csv'\npath = 'a'\ntime_column = 'b'\ncolumns = {}\ncolum = 1", "colum"),
            ("kind = 'mqtt'\ntopics = { a = { topic = 't', pointr = '/a' } }", "pointr"),
            ("kind = 'mqtt'\ntopics = { a = { topic = 't/#/x' } }", "topic filter"),
            ("kind = 'mqtt'\ntopics = { a = { topic = 't', pointer = 'co2' } }", "pointer"),
            ("kind = 'moon'", "moon"),
        ] {
            let error = toml::from_str::<SourceConfig>(text).unwrap_err().to_string();
            assert!(error.contains(word), "{word} is not in: {error}");
        }
    }
}
