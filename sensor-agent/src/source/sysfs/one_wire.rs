//! Thermometers on a 1-wire bus, such as the DS18B20.

use std::path::Path;

use serde::Deserialize;

use super::Place;
use super::files::{SysfsError, number};
use super::lookup::{entries, name};
use super::units::Unit;

/// The families of thermometers: what their ids begin with.
const FAMILIES: [&str; 5] = ["10-", "22-", "28-", "3b-", "42-"];
/// What a thermometer says, in thousandths of a degree, before it has measured anything.
const POWER_UP: f64 = 85_000.0;

/// A 1-wire thermometer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneWireSensor {
    /// Its id, as in `28-0316a2797a4c`; may be left out if it is the only one.
    #[serde(default)]
    pub id: Option<String>,
    /// What to multiply by, once it is in the quantity's unit.
    #[serde(default)]
    pub scale: Option<f64>,
    /// What to add after that.
    #[serde(default)]
    pub offset: f64,
}

impl Place for OneWireSensor {
    fn read(&self, root: &Path) -> Result<f64, SysfsError> {
        let folder = root.join("bus/w1/devices");
        let mut there = Vec::new();
        let mut found = Vec::new();
        for device in entries(&folder, "")? {
            let Some(id) = name(&device).filter(|id| FAMILIES.iter().any(|family| id.starts_with(family)))
            else {
                continue;
            };
            there.push(id.to_owned());
            if self.id.as_deref().is_none_or(|wanted| wanted == id) {
                found.push(device);
            }
        }
        let (what, wanted) = ("thermometer", self.id.clone().unwrap_or_else(|| "of any id".to_owned()));
        match &found[..] {
            [device] => measured(&device.join("temperature")),
            [] => Err(SysfsError::Absent { what, wanted, folder, there }),
            _ => Err(SysfsError::Twins { key: "id", what, wanted, folder, there }),
        }
    }

    fn unit(&self) -> Option<Unit> {
        Some(Unit::Millicelsius)
    }

    fn correction(&self) -> (Option<f64>, f64) {
        (self.scale, self.offset)
    }
}

fn measured(file: &Path) -> Result<f64, SysfsError> {
    match number(file)? {
        POWER_UP => Err(SysfsError::PowerUp(file.to_owned())),
        number => Ok(number),
    }
}
