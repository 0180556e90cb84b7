//! What devices publish or write to a serial line, where in it an agent looks for readings, and what becomes of them.

use std::time::Duration;

use sensor_agent::screen::{Screens, StreamRules};
use sensor_agent::source::mqtt::{Drawn, MqttConfig, Taps};
use sensor_agent::source::serial::{Line, Lines};
use sensor_agent::source::{Pick, Reading};
use smc_core::name::StreamName;
use smc_core::quantity::Quantity;
use smc_core::time::{Period, Timestamp};

/// The largest payload that is looked into.
const MAX_PAYLOAD: usize = 1 << 10;
/// The longest line.
const MAX_LINE: usize = 40;
/// What is plausible.
const PLAUSIBLE: [f64; 2] = [-20.0, 60.0];

/// Two lines and the rest: where a reading is in JSON, the words for 1 and 0, and what a device published.
pub fn run(bytes: &[u8]) {
    let mut lines = bytes.splitn(3, |&byte| byte == b'\n');
    let (Some(pointer), Some(words), Some(payload)) = (lines.next(), lines.next(), lines.next()) else {
        return;
    };
    let (Ok(pointer), Ok(words)) = (std::str::from_utf8(pointer), std::str::from_utf8(words)) else { return };
    let Some(taps) = taps(pointer, words) else { return };
    for (stream, drawn) in taps.draw("zigbee2mqtt/office", payload, false) {
        if payload.len() > MAX_PAYLOAD || payload.is_empty() {
            assert!(matches!(drawn, Drawn::Unusable(_)), "{stream} reads what it must not");
        }
        let Drawn::Reading(reading) = drawn else { continue };
        assert!(reading.reveal().iter().all(|number| number.is_finite()));
        assert!(reading.reveal().len() <= payload.len(), "more numbers than bytes");
        assert_eq!(format!("{reading:?}"), "<redacted>");
    }
    assert!(taps.draw("zigbee2mqtt/office", payload, true).iter().all(|(_, drawn)| *drawn == Drawn::Ignored));
    assert!(taps.draw("zigbee2mqtt", payload, false).is_empty());
    screened(&line(pointer, payload));
}

/// What a serial line brings that says `payload`, and then once more; each number stands behind `prefix`.
fn line(prefix: &str, payload: &[u8]) -> Vec<f64> {
    let pick: Pick = serde_json::from_value(serde_json::json!({ "prefix": prefix })).unwrap();
    let mut lines = Lines::new(MAX_LINE);
    let said = [payload, b"\n", payload, b"\r\n"].concat();
    let mut heard = Vec::new();
    // In pieces, as a line delivers them.
    for piece in said.chunks(7) {
        heard.extend(lines.push(piece));
    }
    assert_eq!(heard, Lines::new(MAX_LINE).push(&said), "it matters how the line is cut");
    let draw = |line: &Line| match line {
        Line::TooLong => None,
        Line::Whole(line) => {
            assert!((1..=MAX_LINE).contains(&line.len()));
            match pick.draw(line, line.len()) {
                Drawn::Reading(reading) => Some(reading.reveal()[0]),
                Drawn::Ignored | Drawn::Unusable(_) => None,
            }
        }
    };
    heard.iter().filter_map(draw).collect()
}

/// Nothing implausible gets through, and a mean or maximum of what does lies among it.
fn screened(numbers: &[f64]) {
    let (stream, minute): (StreamName, _) = ("t".parse().unwrap(), Period::from_millis(60_000).unwrap());
    let streams = [(stream.clone(), Quantity::known("temperature", minute).unwrap())].into();
    for window in ["last", "mean", "max", "count"] {
        let rules: StreamRules = serde_json::from_value(serde_json::json!({
            "window": window, "minimum": PLAUSIBLE[0], "maximum": PLAUSIBLE[1],
            "change_per_minute": 30.0, "stuck_after": "2m",
        }))
        .unwrap();
        let rules = [(stream.clone(), rules)].into();
        let mut screens = Screens::new(&rules, &streams, &"room-101".parse().unwrap(), None).unwrap();
        let mut now = Timestamp::from_secs(1_000_000);
        for &number in numbers {
            // How much later it is, the number says.
            now = now + Duration::from_millis((number.abs() * 1000.0) as u64 % 200_000);
            let taken = screens.take(&stream, now, Ok(Reading::new(number).unwrap()));
            let settled = screens.settle(now).into_iter().map(|settled| settled.says);
            for says in taken.says.into_iter().chain(settled).flatten() {
                let [says] = says.reveal() else { panic!("a number became another thing") };
                let counted = window == "count" && *says >= 0.0 && *says <= numbers.len() as f64;
                assert!(counted || (PLAUSIBLE[0]..=PLAUSIBLE[1]).contains(says), "{window}: {says}");
            }
        }
    }
}

/// One stream finds its reading at `pointer`, one in plain text; none if that is no pointer.
fn taps(pointer: &str, words: &str) -> Option<Taps> {
    let (on, off) = words.split_once(' ').unwrap_or((words, ""));
    let config = serde_json::json!({
        "max_payload": MAX_PAYLOAD,
        "topics": {
            "co2": { "topic": "zigbee2mqtt/+", "pointer": pointer, "scale": 1e300, "offset": -1e300 },
            "motion": { "topic": "zigbee2mqtt/office", "on": [on], "off": [off] },
            "plain": { "topic": "zigbee2mqtt/office" },
        }
    });
    // Only a pointer can be wrong here.
    serde_json::from_value::<MqttConfig>(config).ok().map(|config| Taps::new(&config))
}
