//! What devices publish, and where in it an agent looks for readings.

use sensor_agent::source::mqtt::{Drawn, MqttConfig, Taps};

/// The largest payload that is looked into.
const MAX_PAYLOAD: usize = 1 << 10;

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
