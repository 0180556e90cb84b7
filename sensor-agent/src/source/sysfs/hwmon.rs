//! Hardware monitoring: what boards, disks and many small sensors report.

use std::path::Path;

use serde::Deserialize;

use super::Place;
use super::files::{SysfsError, number, number_if_there, text};
use super::lookup::{Wanted, entries, name};
use super::units::Unit;

/// A channel of a hwmon device.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HwmonSensor {
    /// What its file `name` says, as in `sht3x`.
    pub device: String,
    /// A part of its path behind all links, as in `1-0044`, where several devices have one name.
    #[serde(default)]
    pub path: Option<String>,
    /// The channel, as in `temp1` or `humidity1`; of a labelled one its kind alone, as in `temp`.
    pub channel: String,
    /// What the channel's `_label` file says, where numbers move.
    #[serde(default)]
    pub label: Option<String>,
    /// What to multiply by, once it is in the quantity's unit.
    #[serde(default)]
    pub scale: Option<f64>,
    /// What to add after that.
    #[serde(default)]
    pub offset: f64,
}

impl HwmonSensor {
    /// The channel that the label is of.
    fn labelled(&self, device: &Path, label: &str) -> Result<String, SysfsError> {
        let mut there = Vec::new();
        for path in entries(device, &self.channel)? {
            let Some(channel) = name(&path).and_then(|name| name.strip_suffix("_label")) else { continue };
            match text(&path)? {
                Some(said) if said == label => return Ok(channel.to_owned()),
                said => there.extend(said),
            }
        }
        let (what, folder) = ("channel", device.to_owned());
        let wanted = format!("`{}` with label `{label}`", self.channel);
        Err(SysfsError::Absent { what, wanted, folder, there })
    }
}

impl Place for HwmonSensor {
    fn read(&self, root: &Path) -> Result<f64, SysfsError> {
        let wanted = Wanted {
            what: "device",
            begins: "hwmon",
            file: "name",
            name: &self.device,
            label: None,
            path: self.path.as_deref(),
        };
        let device = wanted.find(&root.join("class/hwmon"))?;
        let channel = match &self.label {
            Some(label) => self.labelled(&device, label)?,
            None => self.channel.clone(),
        };
        let fault = device.join(format!("{channel}_fault"));
        if number_if_there(&fault)?.is_some_and(|fault| fault != 0.0) {
            return Err(SysfsError::Fault(fault));
        }
        number(&device.join(format!("{channel}_input")))
    }

    fn unit(&self) -> Option<Unit> {
        Some(match self.channel.trim_end_matches(|character: char| character.is_ascii_digit()) {
            "curr" => Unit::Milliampere,
            "energy" => Unit::Microjoule,
            "fan" => Unit::Turns,
            "humidity" => Unit::Millipercent,
            "in" => Unit::Millivolt,
            "power" => Unit::Microwatt,
            "temp" => Unit::Millicelsius,
            _ => return None,
        })
    }

    fn correction(&self) -> (Option<f64>, f64) {
        (self.scale, self.offset)
    }
}
