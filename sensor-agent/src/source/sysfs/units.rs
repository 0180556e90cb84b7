//! From the kernel's units to those of quantities.

/// A unit in which a driver says a number (Documentation/ABI/testing/sysfs-bus-iio and sysfs-class-hwmon of Linux).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// µg/m³
    MicrogramPerCubicMetre,
    /// µJ
    Microjoule,
    /// µW
    Microwatt,
    /// mA
    Milliampere,
    /// A thousandth of a degree Celsius.
    Millicelsius,
    /// A thousandth of a percent.
    Millipercent,
    /// mV
    Millivolt,
    /// mW
    Milliwatt,
    /// J
    Joule,
    /// kPa
    Kilopascal,
    /// lx
    Lux,
    /// Percent.
    Percent,
    /// Turns per minute.
    Turns,
}

impl Unit {
    /// What people call it.
    fn name(self) -> &'static str {
        match self {
            Self::MicrogramPerCubicMetre => "µg/m³",
            Self::Microjoule => "µJ",
            Self::Microwatt => "µW",
            Self::Milliampere => "mA",
            Self::Millicelsius => "m°C",
            Self::Millipercent => "m%",
            Self::Millivolt => "mV",
            Self::Milliwatt => "mW",
            Self::Joule => "J",
            Self::Kilopascal => "kPa",
            Self::Lux => "lx",
            Self::Percent => "%",
            Self::Turns => "rpm",
        }
    }

    /// Divisor or factor, and what to add, to come to a quantity's unit.
    fn to(self, unit: &str) -> Option<Linear> {
        use Step::{Divide, Multiply};
        let (step, offset) = match (self, unit) {
            (Self::MicrogramPerCubicMetre, "µg/m³") | (Self::Joule, "J") | (Self::Kilopascal, "kPa") => {
                (Multiply(1.0), 0.0)
            }
            (Self::Lux, "lx") | (Self::Percent, "%") | (Self::Turns, "rpm") => (Multiply(1.0), 0.0),
            (Self::Microjoule, "J") | (Self::Microwatt, "W") => (Divide(1e6), 0.0),
            (Self::Microjoule, "Wh") => (Divide(3.6e9), 0.0),
            (Self::Microjoule, "kWh") => (Divide(3.6e12), 0.0),
            (Self::Joule, "Wh") => (Divide(3.6e3), 0.0),
            (Self::Joule, "kWh") => (Divide(3.6e6), 0.0),
            (Self::Microwatt, "mW") => (Divide(1e3), 0.0),
            (Self::Microwatt, "kW") => (Divide(1e9), 0.0),
            (Self::Milliampere, "mA") | (Self::Millivolt, "mV") | (Self::Milliwatt, "mW") => {
                (Multiply(1.0), 0.0)
            }
            (Self::Milliampere, "A") | (Self::Millivolt, "V") | (Self::Milliwatt, "W") => (Divide(1e3), 0.0),
            (Self::Millicelsius, "°C") | (Self::Millipercent, "%") => (Divide(1e3), 0.0),
            (Self::Millicelsius, "K") => (Divide(1e3), 273.15),
            (Self::Millicelsius, "°F") => (Multiply(0.0018), 32.0),
            (Self::Kilopascal, "hPa" | "mbar") => (Multiply(10.0), 0.0),
            (Self::Kilopascal, "Pa") => (Multiply(1e3), 0.0),
            (Self::Kilopascal, "bar") => (Divide(100.0), 0.0),
            (Self::Percent, "ppm") => (Multiply(1e4), 0.0),
            (Self::Percent, "ppb") => (Multiply(1e7), 0.0),
            _ => return None,
        };
        Some(Linear { step, offset, scale: 1.0, then: 0.0 })
    }
}

/// A factor, or a divisor where that is a whole number: 27340 / 1000 is 27.34, 27340 * 0.001 is not.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Divide(f64),
    Multiply(f64),
}

/// From a number of the kernel's to a reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Linear {
    step: Step,
    offset: f64,
    /// What the owner corrects.
    scale: f64,
    then: f64,
}

impl Linear {
    pub(super) fn apply(self, number: f64) -> f64 {
        let converted = match self.step {
            Step::Divide(divisor) => number / divisor,
            Step::Multiply(factor) => number * factor,
        };
        (converted + self.offset) * self.scale + self.then
    }
}

/// No way is known from the kernel's unit to that of a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "Linux says it in {measured}, and how that becomes `{wanted}` is not known here: add `scale`, by which to multiply \
     what Linux says, or give the quantity a unit such as {example}"
)]
pub struct UnknownConversion {
    measured: &'static str,
    wanted: String,
    example: &'static str,
}

/// How a number in `measured` becomes one in `wanted`, with the owner's `scale` and `offset` after that. Where the way is
/// not known, `scale` alone has to do.
pub(super) fn conversion(
    measured: Option<Unit>,
    wanted: &str,
    (scale, offset): (Option<f64>, f64),
) -> Result<Linear, UnknownConversion> {
    let as_it_is = Linear { step: Step::Multiply(1.0), offset: 0.0, scale: 1.0, then: 0.0 };
    let known = measured.and_then(|unit| unit.to(wanted));
    let linear = match (known, scale) {
        (Some(linear), _) => linear,
        (None, Some(_)) => as_it_is,
        (None, None) => {
            let measured = measured.map_or("a unit of its own", Unit::name);
            let example = measured_example(measured);
            return Err(UnknownConversion { measured, wanted: wanted.to_owned(), example });
        }
    };
    Ok(Linear { scale: scale.unwrap_or(1.0), then: offset, ..linear })
}

/// A unit that what is `measured` can be turned into.
fn measured_example(measured: &str) -> &'static str {
    match measured {
        "m°C" => "°C",
        "m%" => "%",
        "kPa" => "hPa",
        "%" => "ppm",
        "µJ" | "J" => "kWh",
        "µW" | "mW" => "W",
        "mA" => "A",
        "mV" => "V",
        "lx" => "lx",
        "µg/m³" => "µg/m³",
        _ => "rpm",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(number: f64, unit: Unit, wanted: &str) -> f64 {
        conversion(Some(unit), wanted, (None, 0.0)).unwrap().apply(number)
    }

    #[test]
    fn what_the_kernel_says_becomes_what_the_quantity_wants() {
        for (number, unit, wanted, reading) in [
            (27_340.0, Unit::Millicelsius, "°C", 27.34),
            (20_000.0, Unit::Millicelsius, "°F", 68.0),
            (-40_000.0, Unit::Millicelsius, "K", 233.14999999999998),
            (44_720.0, Unit::Millipercent, "%", 44.72),
            (101.325, Unit::Kilopascal, "hPa", 1013.25),
            (101.325, Unit::Kilopascal, "kPa", 101.325),
            (0.0612, Unit::Percent, "ppm", 612.0),
            (3_300.0, Unit::Millivolt, "V", 3.3),
            (12_500_000.0, Unit::Microwatt, "W", 12.5),
            (7.2e12, Unit::Microjoule, "kWh", 2.0),
            (310.5, Unit::Lux, "lx", 310.5),
        ] {
            assert_eq!(convert(number, unit, wanted), reading, "{number} {unit:?} in {wanted}");
        }
    }

    #[test]
    fn an_owner_corrects_what_was_converted() {
        let linear = conversion(Some(Unit::Millicelsius), "°C", (None, -1.5)).unwrap();
        assert_eq!(linear.apply(21_500.0), 20.0);
        let linear = conversion(Some(Unit::Millicelsius), "°C", (Some(2.0), 1.0)).unwrap();
        assert_eq!(linear.apply(21_500.0), 44.0);
    }

    #[test]
    fn a_unit_that_is_not_known_needs_a_scale() {
        let error = conversion(Some(Unit::Kilopascal), "atm", (None, 0.0)).unwrap_err().to_string();
        assert!(["kPa", "`atm`", "`scale`", "hPa"].iter().all(|word| error.contains(word)), "{error}");
        assert_eq!(conversion(Some(Unit::Kilopascal), "atm", (Some(0.5), 0.0)).unwrap().apply(3.0), 1.5);
        assert!(conversion(None, "", (None, 0.0)).is_err());
        assert_eq!(conversion(None, "", (Some(1.0), 0.0)).unwrap().apply(3.0), 3.0);
    }
}
