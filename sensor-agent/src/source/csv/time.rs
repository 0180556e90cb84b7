//! Times as tables write them.

use smc_core::time::Timestamp;

/// Unix seconds, whole or with a fraction (cut to microseconds), or RFC 3339 with an offset. From 1970 on.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    unix_seconds(text).or_else(|| rfc_3339(text))
}

fn unix_seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let seconds: u64 = whole.parse().ok()?;
    let micros: u64 = format!("{fraction:0<6.6}").parse().ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(micros).map(Timestamp::from_micros)
}

fn rfc_3339(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(instant.as_microsecond()).ok().map(Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_as_written() {
        for (text, micros) in [
            ("0", 0),
            ("1377475200", 1_377_475_200_000_000),
            ("1377475200.", 1_377_475_200_000_000),
            ("1377475200.25", 1_377_475_200_250_000),
            ("1377475200.1234567", 1_377_475_200_123_456),
            ("2013-08-26T00:00:00Z", 1_377_475_200_000_000),
            ("2013-08-26 02:00:00.5+02:00", 1_377_475_200_500_000),
        ] {
            assert_eq!(parse_time(text), Some(Timestamp::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            ".",
            ".5",
            "-1",
            "+1",
            "1e9",
            "1 2",
            "99999999999999999999",
            "18446744073709551615",
            "2013-08-26T00:00:00",
            "2013-08-26",
            "1960-01-01T00:00:00Z",
            "noon",
            "\u{662}",
        ] {
            assert_eq!(parse_time(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_reads_back(micros in 0_u64..4_000_000_000_000_000) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(parse_time(&time.to_string()), Some(time));
            prop_assert_eq!(parse_time(&format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)), Some(time));
        }

        #[test]
        fn any_text_is_survived(text in ".{0,40}") {
            let _ = parse_time(&text);
        }
    }
}
