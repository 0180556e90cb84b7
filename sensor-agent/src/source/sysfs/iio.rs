//! Industrial I/O: scd30, scd4x, bme280 and many more.

use std::path::Path;

use serde::Deserialize;

use super::Place;
use super::files::{SysfsError, number, number_if_there};
use super::lookup::Wanted;
use super::units::Unit;

/// A channel of an IIO device.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IioSensor {
    /// What its file `name` says, as in `scd4x`.
    pub device: String,
    /// What its file `label` says, where several devices have one name.
    #[serde(default)]
    pub label: Option<String>,
    /// A part of its path behind all links, as in `1-0062`, where several devices have one name.
    #[serde(default)]
    pub path: Option<String>,
    /// What stands between `in_` and `_raw` or `_input` in the name of the channel's file, as in `concentration_co2`.
    pub channel: String,
    /// What to multiply by, once it is in the quantity's unit.
    #[serde(default)]
    pub scale: Option<f64>,
    /// What to add after that.
    #[serde(default)]
    pub offset: f64,
}

impl Place for IioSensor {
    fn read(&self, root: &Path) -> Result<f64, SysfsError> {
        let wanted = Wanted {
            what: "device",
            begins: "iio:device",
            file: "name",
            name: &self.device,
            label: self.label.as_deref(),
            path: self.path.as_deref(),
        };
        let device = wanted.find(&root.join("bus/iio/devices"))?;
        let file = |channel: &str, what: &str| device.join(format!("in_{channel}_{what}"));
        // What the driver has worked out already.
        if let Some(input) = number_if_there(&file(&self.channel, "input"))? {
            return Ok(input);
        }
        let raw = number(&file(&self.channel, "raw"))?;
        let constant = |what: &str| {
            let channels = sharing(&self.channel).into_iter();
            channels
                .map(|channel| number_if_there(&file(channel, what)))
                .find_map(Result::transpose)
                .transpose()
        };
        Ok((raw + constant("offset")?.unwrap_or(0.0)) * constant("scale")?.unwrap_or(1.0))
    }

    fn unit(&self) -> Option<Unit> {
        let kind = self.channel.split('_').next().unwrap_or_default();
        Some(match kind.trim_end_matches(|character: char| character.is_ascii_digit()) {
            "concentration" => Unit::Percent,
            "current" => Unit::Milliampere,
            "energy" => Unit::Joule,
            "humidityrelative" => Unit::Millipercent,
            "illuminance" => Unit::Lux,
            "massconcentration" => Unit::MicrogramPerCubicMetre,
            "power" => Unit::Milliwatt,
            "pressure" => Unit::Kilopascal,
            "temp" => Unit::Millicelsius,
            "voltage" => Unit::Millivolt,
            _ => return None,
        })
    }

    fn correction(&self) -> (Option<f64>, f64) {
        (self.scale, self.offset)
    }
}

/// Under which names a channel's scale and offset may be: its own, then those that it shares with its likes, as
/// `temp0_ambient` does with `temp0` and `temp`.
fn sharing(channel: &str) -> Vec<&str> {
    let bare = channel.split('_').next().unwrap_or(channel);
    let kind = bare.trim_end_matches(|character: char| character.is_ascii_digit());
    let mut names = vec![channel, bare, kind];
    names.dedup();
    names
}
