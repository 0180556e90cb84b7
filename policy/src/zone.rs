//! Hours and weekdays as the people have them for whom a policy is written.

use std::fmt;

use jiff::tz::TimeZone;
use serde::Deserialize;
use smc_core::time::Timestamp;

/// A time zone, such as `Europe/Berlin`. UTC unless it is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Zone(TimeZone);

/// A text that names no zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no time zone that this machine knows; write for example `UTC` or `Europe/Berlin`, and see that the \
     package tzdata is installed"
)]
pub struct ZoneError(String);

/// The parts of an instant that policies speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// `monday` to `sunday`.
    pub weekday: &'static str,
}

impl Zone {
    /// What clocks on the wall show at `at`.
    pub fn moment(&self, at: Timestamp) -> Moment {
        let micros = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
        // Beyond the year 9999 it is that year's last evening, as in `Timestamp`'s text.
        let instant = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
        let wall = self.0.to_datetime(instant);
        Moment {
            hour: wall.hour().unsigned_abs(),
            minute: wall.minute().unsigned_abs(),
            weekday: name(wall.weekday()),
        }
    }
}

fn name(day: jiff::civil::Weekday) -> &'static str {
    use jiff::civil::Weekday;
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl std::str::FromStr for Zone {
    type Err = ZoneError;
    fn from_str(text: &str) -> Result<Self, ZoneError> {
        if text == "UTC" {
            return Ok(Self::default());
        }
        TimeZone::get(text).map(Self).map_err(|_| ZoneError(text.chars().take(40).collect()))
    }
}

impl TryFrom<String> for Zone {
    type Error = ZoneError;
    fn try_from(text: String) -> Result<Self, ZoneError> {
        text.parse()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_clock_on_the_wall_in_berlin_is_ahead_of_utc_and_knows_summer() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let utc = Zone::default().moment(at("2026-07-03T22:30:00Z"));
        assert_eq!(utc, Moment { hour: 22, minute: 30, weekday: "friday" });
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let summer = berlin.moment(at("2026-07-03T22:30:00Z"));
        assert_eq!(summer, Moment { hour: 0, minute: 30, weekday: "saturday" });
        assert_eq!(berlin.moment(at("2026-01-02T22:30:00Z")).hour, 23);
    }

    #[test]
    fn a_zone_that_nobody_knows_is_refused() {
        let error = "Europe/Atlantis".parse::<Zone>().unwrap_err().to_string();
        assert!(error.contains("Europe/Atlantis") && error.contains("tzdata"), "{error}");
    }
}
