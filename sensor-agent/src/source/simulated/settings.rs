//! What a simulated room is like, and what can be read in it.

use smc_core::name::QuantityName;

/// What a room is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoomSettings {
    /// Together with the room's name, decides everything that happens in it.
    pub seed: u64,
    /// Volume in m3, 5 to 100,000.
    pub volume_m3: f64,
    /// How many people may be in it, at most 1000.
    pub people_max: u32,
    /// How often an hour its air is replaced, 0.05 to 50.
    pub air_changes_per_hour: f64,
    /// CO2 outdoors in ppm, 200 to 2000.
    pub outdoor_co2_ppm: f64,
    /// The day's mean temperature outdoors in degrees Celsius, -40 to 50.
    pub outdoor_temperature_c: f64,
    /// Local time minus UTC in hours, -14 to 14.
    pub utc_offset_h: f64,
}

/// A number of a room's settings is out of range.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a simulated room's `{field}` is {value}: it must be from {least} to {most}")]
pub struct RoomSettingsError {
    field: &'static str,
    value: f64,
    least: f64,
    most: f64,
}

impl RoomSettings {
    pub(super) fn default_volume() -> f64 {
        60.0
    }
    pub(super) fn default_people() -> u32 {
        4
    }
    pub(super) fn default_air_changes() -> f64 {
        2.0
    }
    pub(super) fn default_outdoor_co2() -> f64 {
        425.0
    }
    pub(super) fn default_outdoor_temperature() -> f64 {
        10.0
    }

    /// An office of 60 m3 for four people.
    pub fn office(seed: u64) -> Self {
        Self {
            seed,
            volume_m3: Self::default_volume(),
            people_max: Self::default_people(),
            air_changes_per_hour: Self::default_air_changes(),
            outdoor_co2_ppm: Self::default_outdoor_co2(),
            outdoor_temperature_c: Self::default_outdoor_temperature(),
            utc_offset_h: 0.0,
        }
    }

    /// These settings, if every number is in its range.
    ///
    /// # Errors
    /// Names the first one that is not.
    pub fn checked(self) -> Result<Self, RoomSettingsError> {
        for (field, value, least, most) in [
            ("volume_m3", self.volume_m3, 5.0, 100_000.0),
            ("people_max", self.people_max.into(), 0.0, 1000.0),
            ("air_changes_per_hour", self.air_changes_per_hour, 0.05, 50.0),
            ("outdoor_co2_ppm", self.outdoor_co2_ppm, 200.0, 2000.0),
            ("outdoor_temperature_c", self.outdoor_temperature_c, -40.0, 50.0),
            ("utc_offset_h", self.utc_offset_h, -14.0, 14.0),
        ] {
            if !(least..=most).contains(&value) {
                return Err(RoomSettingsError { field, value, least, most });
            }
        }
        Ok(self)
    }
}

/// What can be read in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Property {
    /// ppm.
    Co2,
    /// Percent, relative.
    Humidity,
    /// lx.
    Illuminance,
    /// 0 or 1.
    Motion,
    /// People.
    Occupancy,
    /// W.
    Power,
    /// degrees Celsius.
    Temperature,
}

/// No room is simulated in that respect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a simulated room has no {quantity}: it has co2, humidity, illuminance, motion, occupancy, power and temperature"
)]
pub struct UnknownProperty {
    quantity: QuantityName,
}

impl Property {
    /// The property that a quantity of this name reads.
    ///
    /// # Errors
    /// When a room has no such property.
    pub fn of(quantity: &QuantityName) -> Result<Self, UnknownProperty> {
        Ok(match quantity.as_str() {
            "co2" => Self::Co2,
            "humidity" => Self::Humidity,
            "illuminance" => Self::Illuminance,
            "motion" => Self::Motion,
            "occupancy" => Self::Occupancy,
            "power" => Self::Power,
            "temperature" => Self::Temperature,
            _ => return Err(UnknownProperty { quantity: quantity.clone() }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_named() {
        let office = RoomSettings::office(1);
        assert!(office.checked().is_ok());
        for (wrong, field) in [
            (RoomSettings { volume_m3: f64::NAN, ..office }, "volume_m3"),
            (RoomSettings { people_max: 1001, ..office }, "people_max"),
            (RoomSettings { air_changes_per_hour: 0.0, ..office }, "air_changes_per_hour"),
        ] {
            assert!(wrong.checked().unwrap_err().to_string().contains(field));
        }
    }

    #[test]
    fn the_default_quantities_can_be_read_and_no_others() {
        for name in ["co2", "humidity", "illuminance", "motion", "occupancy", "power", "temperature"] {
            assert!(Property::of(&name.parse().unwrap()).is_ok(), "{name}");
        }
        assert!(Property::of(&"radon".parse().unwrap()).unwrap_err().to_string().contains("radon"));
    }
}
