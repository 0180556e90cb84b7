//! Instants in documents: RFC 3339 in UTC, one text for each.

use serde::{Deserialize, Deserializer, Serializer, de};

use crate::time::Timestamp;

/// The instant that `text` is the one text of.
pub fn parse(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    let instant = Timestamp::from_micros(u64::try_from(instant.as_microsecond()).ok()?);
    (instant.to_string() == text).then_some(instant)
}

pub(super) fn serialize<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(instant)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text)
        .ok_or_else(|| de::Error::custom("no instant: RFC 3339 in UTC expected, with at most microseconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_one_text() {
        for micros in [0, 1, 1_767_268_800_000_000, 1_767_268_800_120_000, 1_767_268_800_000_007] {
            let instant = Timestamp::from_micros(micros);
            assert_eq!(parse(&instant.to_string()), Some(instant));
        }
        for other in [
            "2026-01-01T12:00:00.0Z",
            "2026-01-01T12:00:00.0000001Z",
            "2026-01-01T13:00:00+01:00",
            "2026-01-01 12:00:00Z",
            "1969-12-31T23:59:59Z",
            "noon",
            "",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
