//! Where readings come from. A source runs in a task of its own and tells what happened through a channel; it
//! waits while the channel is full and ends when the receiver is dropped.

pub mod command;
pub mod csv;
pub mod http;
mod interval;
mod kinds;
pub mod mqtt;
mod pick;
mod reading;
mod sensor;
pub mod serial;
pub mod simulated;
pub mod sysfs;
mod teller;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use smc_core::agent::GapReason;
use smc_core::name::{NodeName, StreamName};
use smc_core::quantity::Quantity;
use smc_core::time::Timestamp;
use smc_mqtt::clock::Clock;
use smc_mqtt::connection::ConnectionSettings;
use tokio::task::JoinHandle;

pub use self::interval::{Interval, IntervalError};
pub use self::kinds::SourceConfig;
pub use self::pick::{Drawn, JsonPointer, JsonPointerError, Pick};
pub use self::reading::Reading;
pub use self::sensor::{Bytes, BytesError, SensorError, Timeout, TimeoutError};
use self::sysfs::UnknownConversion;

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
    /// A sensor that could not be read can be again.
    Found {
        /// What it feeds.
        streams: Vec<StreamName>,
        /// Since when it could not.
        since: Timestamp,
        /// How often that was found.
        failures: u64,
    },
    /// A sensor can't be read; it is tried again. Its last reading stands for as long as it is fresh.
    Lost {
        /// What it feeds.
        streams: Vec<StreamName>,
        /// Why.
        error: SensorError,
    },
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
    /// Two sources feed one stream.
    #[error("two sources feed the stream {stream}: give one of them a stream of its own in the site file")]
    FedTwice {
        /// The stream.
        stream: StreamName,
    },
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
    /// An mqtt source listens at a broker that is not known.
    #[error(
        "an mqtt source without [source.broker] listens at the agent's own broker, which is not asked here: \
         mosquitto_sub shows what comes on its topics"
    )]
    NoBroker,
    /// A simulated room has no such property.
    #[error(transparent)]
    Property(#[from] simulated::UnknownProperty),
    /// A simulated room's settings make no sense.
    #[error(transparent)]
    Room(#[from] simulated::RoomSettingsError),
    /// A stream is looked for in two ways at once.
    #[error("stream {stream}: `pointer` looks into JSON, `prefix` into plain text: leave one of them out")]
    TwoPlaces {
        /// The stream.
        stream: StreamName,
    },
    /// What a driver says can't be turned into the stream's quantity.
    #[error("stream {stream}: {error}")]
    Unit {
        /// The stream.
        stream: StreamName,
        /// Why.
        error: UnknownConversion,
    },
}

/// What a source is told about the agent that it feeds.
#[derive(Debug, Clone)]
pub struct Context {
    /// The agent's name; a simulated room is called the same.
    pub agent: NodeName,
    /// Tells what time it is.
    pub clock: Clock,
    /// How an mqtt source connects that names no broker of its own; its client id must not be in use. Without it, there
    /// can be no such source.
    pub connection: Option<ConnectionSettings>,
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
