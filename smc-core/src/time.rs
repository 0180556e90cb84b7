//! Instants, windows and the text forms of both. Nothing here reads a clock.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant: microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The instant `secs` seconds after the Unix epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(micros(span)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(micros(span)))
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// RFC 3339 in UTC, for example `2026-03-01T12:00:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.0).map(jiff::Timestamp::from_microsecond) {
            Ok(Ok(instant)) => write!(f, "{instant}"),
            _ => f.write_str("9999-12-31T23:59:59Z"),
        }
    }
}

/// In documents as in logs: RFC 3339.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Any RFC 3339 text of an instant since 1970; finer parts than microseconds are cut off.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A text that is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no instant since 1970; write for example `2027-01-01T00:00:00Z`")]
pub struct TimestampError(String);

impl FromStr for Timestamp {
    type Err = TimestampError;
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let refuse = || TimestampError(text.chars().take(40).collect());
        let instant: jiff::Timestamp = text.parse().map_err(|_| refuse())?;
        u64::try_from(instant.as_microsecond()).map(Self).map_err(|_| refuse())
    }
}

/// The length of a window: a whole number of milliseconds, 100 ms to one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Period(u64);

/// Why a length of time can't be a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a period lasts from 100 ms to 24 h")]
pub struct PeriodError;

impl Period {
    /// A period of `millis` milliseconds.
    ///
    /// # Errors
    /// Outside 100..=86,400,000.
    pub const fn from_millis(millis: u64) -> Result<Self, PeriodError> {
        if millis < 100 || millis > 86_400_000 { Err(PeriodError) } else { Ok(Self(millis)) }
    }

    /// Its length in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Its length.
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// The window that `at` falls into.
    pub const fn window_at(self, at: Timestamp) -> WindowIndex {
        WindowIndex(at.0 / (self.0 * 1000))
    }

    /// The first instant of window `w`.
    pub const fn start(self, w: WindowIndex) -> Timestamp {
        Timestamp(w.0.saturating_mul(self.0 * 1000))
    }

    /// The first instant after window `w`.
    pub const fn end(self, w: WindowIndex) -> Timestamp {
        Timestamp(w.0.saturating_add(1).saturating_mul(self.0 * 1000))
    }
}

impl TryFrom<u64> for Period {
    type Error = PeriodError;
    fn try_from(millis: u64) -> Result<Self, PeriodError> {
        Self::from_millis(millis)
    }
}

impl From<Period> for u64 {
    fn from(period: Period) -> u64 {
        period.0
    }
}

/// The index w of a window `[w*T, (w+1)*T)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WindowIndex(#[serde(deserialize_with = "exact")] pub u64);

/// Reads a whole number of at most 2^53 - 1. Larger ones have no form of their own in RFC 8785, where numbers are floats: a
/// signature of one document would also fit another.
pub(crate) fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    const MOST: u64 = (1 << 53) - 1;
    let number = u64::deserialize(deserializer)?;
    if number <= MOST { Ok(number) } else { Err(de::Error::custom("a number beyond 2^53 - 1")) }
}

impl WindowIndex {
    /// The window after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many windows lie between `earlier` and this one; none if `earlier` is later.
    pub const fn age_since(self, earlier: Self) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }
}

impl fmt::Display for WindowIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_half_open() {
        let minute = Period::from_millis(60_000).unwrap();
        let noon = Timestamp::from_secs(1_767_268_800);
        let w = minute.window_at(noon);
        assert_eq!(minute.start(w), noon);
        assert_eq!(minute.end(w), minute.start(w.next()));
        assert_eq!(minute.window_at(minute.end(w)), w.next());
        assert_eq!(minute.window_at(minute.end(w) - Duration::from_micros(1)), w);
    }

    #[test]
    fn instants_print_as_rfc_3339() {
        assert_eq!(Timestamp::from_secs(1_767_268_800).to_string(), "2026-01-01T12:00:00Z");
        assert_eq!(Timestamp::from_micros(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn a_period_is_bounded() {
        assert_eq!(Period::from_millis(99), Err(PeriodError));
        assert_eq!(Period::from_millis(86_400_001), Err(PeriodError));
        assert!(serde_json::from_str::<Period>("0").is_err());
    }

    #[test]
    fn a_window_whose_number_has_no_form_of_its_own_is_refused() {
        let read = |text: &str| serde_json::from_str::<WindowIndex>(text).ok();
        assert_eq!(read("9007199254740991"), Some(WindowIndex((1 << 53) - 1)));
        for text in ["9007199254740992", "9007199254740993", "18446744073709551615", "-1", "1.5"] {
            assert_eq!(read(text), None, "{text}");
        }
        // Why: signed, they would look the same.
        let form = |window| crate::document::canonical(&WindowIndex(window));
        assert_eq!(form(1 << 53), form((1 << 53) + 1));
    }
}
