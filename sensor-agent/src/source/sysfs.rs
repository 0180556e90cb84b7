//! Sensors that Linux has drivers for, read from the files of its sysfs.
//!
//! Devices are looked up by what they are called whenever they are read, since their numbers change with every restart
//! and whenever one is plugged in. A driver that does not answer holds up a thread, never the agent.

mod files;
mod hwmon;
mod iio;
mod lookup;
mod one_wire;
mod thermal;
mod units;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use smc_core::name::StreamName;
use smc_core::quantity::Quantity;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

pub use self::files::SysfsError;
pub use self::hwmon::HwmonSensor;
pub use self::iio::IioSensor;
pub use self::one_wire::OneWireSensor;
pub use self::thermal::ThermalSensor;
use self::units::Linear;
pub use self::units::{Unit, UnknownConversion};
use super::interval::Interval;
use super::pick::Drawn;
use super::sensor::{Answer, Sensor};
use super::{Reading, SourceError};

/// How long a driver is waited for. A 1-wire thermometer takes 0.75 s.
const PATIENCE: Duration = Duration::from_secs(20);

/// An iio, hwmon, one-wire or thermal source, as configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SysfsConfig<P> {
    /// Where sysfs is.
    #[serde(default = "sys")]
    pub root: PathBuf,
    /// Seconds between readings, 0.1 to 3600.
    #[serde(default)]
    pub interval_s: Interval,
    /// Where each stream is read.
    pub sensors: BTreeMap<StreamName, P>,
}

fn sys() -> PathBuf {
    PathBuf::from("/sys")
}

/// One place where a number can be read.
pub trait Place: Debug + Clone + Send + Sync + 'static {
    /// The number there, in the kernel's unit.
    ///
    /// # Errors
    /// If the sensor isn't there, or says nothing usable.
    fn read(&self, root: &Path) -> Result<f64, SysfsError>;

    /// The kernel's unit; none if it is not known here.
    fn unit(&self) -> Option<Unit>;

    /// What to multiply by, and what to add, once the number is in the quantity's unit.
    fn correction(&self) -> (Option<f64>, f64);
}

/// The running source.
#[derive(Debug)]
pub(super) struct SysfsSource<P> {
    root: PathBuf,
    places: Vec<(StreamName, P, Linear)>,
    /// A round of reading that goes on in a thread.
    round: Option<JoinHandle<Vec<Result<f64, SysfsError>>>>,
}

impl<P: Place> SysfsSource<P> {
    /// Reads what `config` says, in the units of `streams`.
    pub(super) fn new(
        config: SysfsConfig<P>,
        streams: &BTreeMap<StreamName, Quantity>,
    ) -> Result<Self, SourceError> {
        let place = |(stream, place): (StreamName, P)| {
            let unit = streams.get(&stream).map_or("", Quantity::unit);
            let linear = units::conversion(place.unit(), unit, place.correction());
            let linear = linear.map_err(|unit| SourceError::Unit { stream: stream.clone(), error: unit })?;
            Ok((stream, place, linear))
        };
        let places = config.sensors.into_iter().map(place).collect::<Result<_, SourceError>>()?;
        Ok(Self { root: config.root, places, round: None })
    }

    /// Reads all places in a thread: drivers talk to devices meanwhile.
    fn begin(&self) -> JoinHandle<Vec<Result<f64, SysfsError>>> {
        let (root, places) = (self.root.clone(), self.places.clone());
        spawn_blocking(move || places.iter().map(|(_, place, _)| place.read(&root)).collect())
    }

    fn answer(&self, read: Result<Vec<Result<f64, SysfsError>>, SysfsError>) -> Vec<Answer> {
        let read = read.unwrap_or_else(|error| self.places.iter().map(|_| Err(error.clone())).collect());
        let answer = |((stream, _, linear), read): (&(StreamName, P, Linear), Result<f64, SysfsError>)| {
            let drawn = read.map(|number| match Reading::new(linear.apply(number)) {
                Some(reading) => Drawn::Reading(reading),
                None => Drawn::Unusable(super::GapReason::NotANumber),
            });
            Answer { streams: vec![stream.clone()], said: drawn.map(|drawn| vec![drawn]).map_err(Into::into) }
        };
        self.places.iter().zip(read).map(answer).collect()
    }
}

impl<P: Place> Sensor for SysfsSource<P> {
    async fn ask(&mut self) -> Vec<Answer> {
        // Never two rounds at a time: a driver that hangs would take thread after thread.
        let mut round = self.round.take().unwrap_or_else(|| self.begin());
        let read = match timeout(PATIENCE, &mut round).await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(_)) => Err(SysfsError::Hangs { root: self.root.clone() }),
            Err(_) => {
                self.round = Some(round);
                Err(SysfsError::Hangs { root: self.root.clone() })
            }
        };
        self.answer(read)
    }
}
