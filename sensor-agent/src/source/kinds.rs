//! All kinds of sources, as one type.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::Deserialize;
use smc_core::name::StreamName;
use smc_core::quantity::Quantity;
use smc_mqtt::config::{ConfigError, beside};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::command::{self, CommandConfig};
use super::csv::{self, CsvConfig};
use super::http::{self, HttpConfig};
use super::interval::Interval;
use super::mqtt::{self, MqttConfig};
use super::pick::Pick;
use super::sensor::{Sensor, ask_ever_again};
use super::serial::{self, SerialConfig};
use super::simulated::{self, SimulatedConfig};
use super::sysfs::{HwmonSensor, IioSensor, OneWireSensor, Place, SysfsConfig, SysfsSource, ThermalSensor};
use super::teller::Teller;
use super::{Context, Happened, Running, SourceError};

/// One source of an agent, as configured (`[[source]]`, told apart by `kind`).
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SourceConfig {
    /// `kind = "command"`: what a program prints.
    Command(CommandConfig),
    /// `kind = "csv"`: a table, plain or gzipped.
    Csv(CsvConfig),
    /// `kind = "http"`: what a device serves.
    Http(HttpConfig),
    /// `kind = "hwmon"`: Linux's hardware monitoring.
    Hwmon(SysfsConfig<HwmonSensor>),
    /// `kind = "iio"`: Linux's industrial I/O.
    Iio(SysfsConfig<IioSensor>),
    /// `kind = "mqtt"`: topics of other devices.
    Mqtt(MqttConfig),
    /// `kind = "one-wire"`: thermometers on a 1-wire bus.
    OneWire(SysfsConfig<OneWireSensor>),
    /// `kind = "serial"`: what a device writes to a serial line.
    Serial(SerialConfig),
    /// `kind = "simulated"`: a room with people in it.
    Simulated(SimulatedConfig),
    /// `kind = "thermal"`: Linux's thermal zones.
    Thermal(SysfsConfig<ThermalSensor>),
}

impl SourceConfig {
    /// What `kind` says.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Command(_) => "command",
            Self::Csv(_) => "csv",
            Self::Http(_) => "http",
            Self::Hwmon(_) => "hwmon",
            Self::Iio(_) => "iio",
            Self::Mqtt(_) => "mqtt",
            Self::OneWire(_) => "one-wire",
            Self::Serial(_) => "serial",
            Self::Simulated(_) => "simulated",
            Self::Thermal(_) => "thermal",
        }
    }

    /// The streams that this source feeds, out of all of the agent's `streams`.
    pub fn feeds(&self, streams: &BTreeMap<StreamName, Quantity>) -> Vec<StreamName> {
        match self {
            Self::Command(config) => config.readings.keys().cloned().collect(),
            Self::Csv(config) => config.columns.keys().cloned().collect(),
            Self::Http(config) => config.readings.keys().cloned().collect(),
            Self::Hwmon(config) => config.sensors.keys().cloned().collect(),
            Self::Iio(config) => config.sensors.keys().cloned().collect(),
            Self::Mqtt(config) => config.topics.keys().cloned().collect(),
            Self::OneWire(config) => config.sensors.keys().cloned().collect(),
            Self::Serial(config) => config.readings.keys().cloned().collect(),
            Self::Simulated(config) => {
                config.streams.clone().unwrap_or_else(|| streams.keys().cloned().collect())
            }
            Self::Thermal(config) => config.sensors.keys().cloned().collect(),
        }
    }

    /// Whether each stream has one source at most: two that take turns would be one sensor that jumps.
    pub(crate) fn check_together(
        sources: &[Self],
        streams: &BTreeMap<StreamName, Quantity>,
    ) -> Result<(), SourceError> {
        let mut fed = BTreeSet::new();
        let mut feeds = sources.iter().flat_map(|source| source.feeds(streams));
        match feeds.find(|stream| !fed.insert(stream.clone())) {
            Some(stream) => Err(SourceError::FedTwice { stream }),
            None => Ok(()),
        }
    }

    /// Reads paths as the file at `config` means them: beside itself.
    ///
    /// # Errors
    /// If the keys about another side's certificate don't go together.
    pub(crate) fn settle(&mut self, config: &Path) -> Result<(), ConfigError> {
        let path = match self {
            // A bare name is looked up among programs.
            Self::Command(command) if command.program.components().count() > 1 => &mut command.program,
            Self::Csv(csv) => &mut csv.path,
            Self::Hwmon(hwmon) => &mut hwmon.root,
            Self::Iio(iio) => &mut iio.root,
            Self::OneWire(one_wire) => &mut one_wire.root,
            Self::Serial(serial) => &mut serial.device,
            Self::Thermal(thermal) => &mut thermal.root,
            Self::Mqtt(mqtt) => return mqtt.broker.iter_mut().try_for_each(|broker| broker.trust(config)),
            Self::Http(http) => return http.settle(config),
            Self::Command(_) | Self::Simulated(_) => return Ok(()),
        };
        *path = beside(config, path);
        Ok(())
    }

    /// Starts the source. Within a tokio runtime.
    ///
    /// # Errors
    /// [`SourceError`] for what can be known at once: a missing file or column, a stream that isn't there.
    pub fn spawn(self, context: Context, sender: mpsc::Sender<Happened>) -> Result<Running, SourceError> {
        self.check(&context)?;
        let ignored = Arc::new(AtomicU64::new(0));
        let teller = Teller { clock: context.clock.clone(), sender, ignored: Arc::clone(&ignored) };
        let task = match self {
            Self::Command(config) => {
                ask(command::CommandSource::new(config.clone()), config.interval_s, teller)
            }
            Self::Csv(config) => {
                let source = csv::CsvSource::open(config)?;
                tokio::spawn(source.run(teller.clock, teller.sender))
            }
            Self::Http(config) => {
                let interval = config.interval_s;
                ask(http::HttpSource::new(config, context.clock), interval, teller)
            }
            Self::Hwmon(config) => look(config, &context, teller)?,
            Self::Iio(config) => look(config, &context, teller)?,
            Self::Mqtt(config) => {
                tokio::spawn(mqtt::MqttSource::new(config, context.connection)?.run(teller))
            }
            Self::OneWire(config) => look(config, &context, teller)?,
            Self::Serial(config) => tokio::spawn(serial::SerialSource::new(config).run(teller)),
            Self::Simulated(config) => {
                let source = simulated::SimulatedSource::new(config, &context)?;
                tokio::spawn(source.run(teller.clock, teller.sender))
            }
            Self::Thermal(config) => look(config, &context, teller)?,
        };
        Ok(Running { task, ignored })
    }

    pub(crate) fn check(&self, context: &Context) -> Result<(), SourceError> {
        let kind = self.kind();
        let feeds = self.feeds(&context.streams);
        if feeds.is_empty() {
            return Err(SourceError::Idle { kind });
        }
        if let Some((stream, _)) = self.picks().into_iter().find(|(_, pick)| pick.looks_twice()) {
            return Err(SourceError::TwoPlaces { stream: stream.clone() });
        }
        match feeds.into_iter().find(|stream| !context.streams.contains_key(stream)) {
            Some(stream) => Err(SourceError::ForeignStream { kind, stream }),
            None => Ok(()),
        }
    }

    /// Where it looks in what devices say.
    fn picks(&self) -> Vec<(&StreamName, &Pick)> {
        match self {
            Self::Command(CommandConfig { readings, .. })
            | Self::Http(HttpConfig { readings, .. })
            | Self::Serial(SerialConfig { readings, .. }) => readings.iter().collect(),
            Self::Mqtt(config) => config.topics.iter().map(|(stream, tap)| (stream, &tap.pick)).collect(),
            Self::Csv(_)
            | Self::Hwmon(_)
            | Self::Iio(_)
            | Self::OneWire(_)
            | Self::Simulated(_)
            | Self::Thermal(_) => Vec::new(),
        }
    }
}

/// Starts a source whose sensor is asked.
fn ask(sensor: impl Sensor + 'static, interval: Interval, teller: Teller) -> JoinHandle<()> {
    tokio::spawn(ask_ever_again(sensor, interval, teller))
}

/// Starts a source that looks into sysfs.
fn look<P: Place>(
    config: SysfsConfig<P>,
    context: &Context,
    teller: Teller,
) -> Result<JoinHandle<()>, SourceError> {
    let interval = config.interval_s;
    Ok(ask(SysfsSource::new(config, &context.streams)?, interval, teller))
}

#[cfg(test)]
mod tests {
    use super::*;

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
