//! A room with people in it, for demonstrations and load tests.

mod people;
mod room;
mod settings;

use serde::Deserialize;
use smc_core::name::StreamName;
use smc_core::quantity::Quantity;
use smc_mqtt::clock::Clock;
use tokio::sync::mpsc;

use super::{Context, Happened, Observation, Reading, SourceError};

pub use super::interval::{Interval, IntervalError};
pub use room::Room;
pub use settings::{Property, RoomSettings, RoomSettingsError, UnknownProperty};

/// A simulated source, as configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulatedConfig {
    /// The streams to feed; all of the agent's if left out. A stream's quantity says which property it reads; a vector
    /// of any quantity is drawn from its range.
    #[serde(default)]
    pub streams: Option<Vec<StreamName>>,
    /// Seconds between readings, 0.1 to 3600.
    #[serde(default)]
    pub interval_s: Interval,
    /// Together with the agent's name, decides everything that happens in the room.
    #[serde(default)]
    pub seed: u64,
    /// The room's volume in cubic metres.
    #[serde(default = "RoomSettings::default_volume")]
    pub volume_m3: f64,
    /// How many people may be in it.
    #[serde(default = "RoomSettings::default_people")]
    pub people_max: u32,
    /// How often an hour its air is replaced by outdoor air.
    #[serde(default = "RoomSettings::default_air_changes")]
    pub air_changes_per_hour: f64,
    /// CO2 outdoors, in ppm.
    #[serde(default = "RoomSettings::default_outdoor_co2")]
    pub outdoor_co2_ppm: f64,
    /// The day's mean temperature outdoors, in degrees Celsius.
    #[serde(default = "RoomSettings::default_outdoor_temperature")]
    pub outdoor_temperature_c: f64,
    /// The room's hours of the day ahead of UTC.
    #[serde(default)]
    pub utc_offset_h: f64,
}

impl SimulatedConfig {
    /// An office of the default size, `utc_offset_h` hours ahead of UTC, read at every `interval`.
    pub fn office(utc_offset_h: f64, interval: Interval) -> Self {
        let RoomSettings { seed, volume_m3, people_max, air_changes_per_hour, outdoor_co2_ppm, .. } =
            RoomSettings::office(0);
        let outdoor_temperature_c = RoomSettings::default_outdoor_temperature();
        Self {
            streams: None,
            interval_s: interval,
            seed,
            volume_m3,
            people_max,
            air_changes_per_hour,
            outdoor_co2_ppm,
            outdoor_temperature_c,
            utc_offset_h,
        }
    }

    /// What this says about the room.
    ///
    /// # Errors
    /// When a number is out of its range.
    pub fn room(&self) -> Result<RoomSettings, RoomSettingsError> {
        RoomSettings {
            seed: self.seed,
            volume_m3: self.volume_m3,
            people_max: self.people_max,
            air_changes_per_hour: self.air_changes_per_hour,
            outdoor_co2_ppm: self.outdoor_co2_ppm,
            outdoor_temperature_c: self.outdoor_temperature_c,
            utc_offset_h: self.utc_offset_h,
        }
        .checked()
    }
}

/// What a stream shows.
#[derive(Debug)]
enum Shown {
    Property(Property),
    /// Numbers drawn from the quantity's range: no room has a vector, whatever it is called.
    Vector(Box<Quantity>),
}

impl Shown {
    fn of(quantity: &Quantity) -> Result<Self, UnknownProperty> {
        if quantity.is_vector() {
            Ok(Self::Vector(Box::new(quantity.clone())))
        } else {
            Property::of(quantity.name()).map(Self::Property)
        }
    }
}

/// The running source.
#[derive(Debug)]
pub(super) struct SimulatedSource {
    room: Room,
    interval: Interval,
    streams: Vec<(StreamName, Shown)>,
}

impl SimulatedSource {
    pub(super) fn new(config: SimulatedConfig, context: &Context) -> Result<Self, SourceError> {
        let settings = config.room()?;
        let wanted = |stream: &StreamName| config.streams.as_ref().is_none_or(|named| named.contains(stream));
        let shown = |(stream, quantity): (&StreamName, &Quantity)| Ok((stream.clone(), Shown::of(quantity)?));
        let streams = context
            .streams
            .iter()
            .filter(|(stream, _)| wanted(stream))
            .map(shown)
            .collect::<Result<_, UnknownProperty>>()?;
        let room = Room::new(context.agent.as_str(), settings);
        Ok(Self { room, interval: config.interval_s, streams })
    }

    /// Reads the room at every whole multiple of the interval since 1970.
    pub(super) async fn run(mut self, clock: Clock, sender: mpsc::Sender<Happened>) {
        loop {
            let at = self.interval.next(clock.now());
            tokio::select! {
                () = clock.sleep_until(at) => {}
                () = sender.closed() => return,
            }
            self.room.advance(at);
            for (stream, shown) in &self.streams {
                let value = match shown {
                    Shown::Property(property) => Reading::new(self.room.read(*property)),
                    Shown::Vector(quantity) => {
                        Reading::vector(self.room.vector(stream.as_str(), quantity).map(Ok)).ok()
                    }
                };
                let Some(value) = value else { continue };
                let observation = Observation { stream: stream.clone(), at, value };
                if sender.send(Happened::Observed(observation)).await.is_err() {
                    return;
                }
            }
        }
    }
}
