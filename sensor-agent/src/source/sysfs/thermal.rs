//! Thermal zones: how warm processors and boards are.

use std::path::Path;

use serde::Deserialize;

use super::Place;
use super::files::{SysfsError, number};
use super::lookup::Wanted;
use super::units::Unit;

/// A thermal zone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThermalSensor {
    /// What its file `type` says, as in `cpu-thermal`.
    pub zone: String,
    /// A part of its path behind all links, as in `thermal_zone1`, where several zones have one type.
    #[serde(default)]
    pub path: Option<String>,
    /// What to multiply by, once it is in the quantity's unit.
    #[serde(default)]
    pub scale: Option<f64>,
    /// What to add after that.
    #[serde(default)]
    pub offset: f64,
}

impl Place for ThermalSensor {
    fn read(&self, root: &Path) -> Result<f64, SysfsError> {
        let wanted = Wanted {
            what: "zone",
            begins: "thermal_zone",
            file: "type",
            name: &self.zone,
            label: None,
            path: self.path.as_deref(),
        };
        number(&wanted.find(&root.join("class/thermal"))?.join("temp"))
    }

    fn unit(&self) -> Option<Unit> {
        Some(Unit::Millicelsius)
    }

    fn correction(&self) -> (Option<f64>, f64) {
        (self.scale, self.offset)
    }
}
