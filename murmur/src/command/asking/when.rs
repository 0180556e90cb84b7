//! Instants on the command line: a date, an instant, or a length of time from now on.

use std::str::FromStr;
use std::time::Duration;

use smc_core::roster::Span;
use smc_core::time::Timestamp;

const DAY: u64 = 86_400;

/// An instant as it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// This very one.
    At(Timestamp),
    /// So long from now on.
    In(Duration),
}

impl When {
    pub(super) fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(instant) => instant,
            Self::In(span) => now + span,
        }
    }

    /// So long before now, where what is meant lies in the past.
    pub(super) fn ago(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(instant) => instant,
            Self::In(span) => now - span,
        }
    }
}

/// A text that is no instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a date such as 2027-01-01 (in UTC), an instant such as 2027-01-01T12:00:00Z, or a span such as 7d or 90m"
)]
pub(super) struct WhenError;

impl FromStr for When {
    type Err = WhenError;
    fn from_str(text: &str) -> Result<Self, WhenError> {
        if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok()) {
            return Ok(Self::In(Duration::from_secs(days.saturating_mul(DAY))));
        }
        let is_date = text.len() == 10 && text.bytes().filter(|&byte| byte == b'-').count() == 2;
        let instant = if is_date { format!("{text}T00:00:00Z").parse() } else { text.parse() };
        match (instant, text.parse::<Span>()) {
            (Ok(instant), _) => Ok(Self::At(instant)),
            (_, Ok(span)) => Ok(Self::In(span.get())),
            _ => Err(WhenError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_said_as_a_date_an_instant_or_a_span() {
        let now = Timestamp::from_secs(1_767_225_600);
        for (text, meant) in [
            ("2027-01-01", "2027-01-01T00:00:00Z"),
            ("2026-06-01T12:00:00+02:00", "2026-06-01T10:00:00Z"),
            ("7d", "2026-01-08T00:00:00Z"),
            ("90m", "2026-01-01T01:30:00Z"),
        ] {
            assert_eq!(text.parse::<When>().unwrap().from(now).to_string(), meant, "{text}");
        }
        assert_eq!("1d".parse::<When>().unwrap().ago(now).to_string(), "2025-12-31T00:00:00Z");
        for text in ["", "tomorrow", "2027-13-01", "-1d", "d"] {
            assert_eq!(text.parse::<When>(), Err(WhenError), "{text}");
        }
    }
}
