//! From what a device says to a reading: plain text, the number behind some words, or a place in a JSON document,
//! scaled; a vector is an array there.

use serde::Deserialize;
use serde_json::Value;

use super::text::Words;
use super::{GapReason, Reading};

/// Where in what a device says a stream's readings are, and what makes them the quantity's unit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pick {
    /// The place in a JSON document (RFC 6901, as in `/SCD40/CarbonDioxide`); plain text if left out.
    #[serde(default)]
    pub pointer: Option<JsonPointer>,
    /// In plain text: what stands before the number, as in `CO2=`; the text is all of the reading if left out.
    #[serde(default)]
    pub prefix: Option<String>,
    /// What to multiply by.
    #[serde(default = "one")]
    pub scale: f64,
    /// What to add after that.
    #[serde(default)]
    pub offset: f64,
    /// Words that stand for 1; `on` and `true` if left out. Case does not matter.
    #[serde(default)]
    pub on: Option<Vec<String>>,
    /// Words that stand for 0; `off` and `false` if left out.
    #[serde(default)]
    pub off: Option<Vec<String>>,
}

fn one() -> f64 {
    1.0
}

/// A JSON pointer: empty, or beginning with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct JsonPointer(String);

/// Why a text is not a JSON pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a JSON pointer begins with `/`, as in `/temperature` or `/SCD40/CarbonDioxide`")]
pub struct JsonPointerError;

impl TryFrom<String> for JsonPointer {
    type Error = JsonPointerError;
    fn try_from(text: String) -> Result<Self, JsonPointerError> {
        if text.is_empty() || text.starts_with('/') { Ok(Self(text)) } else { Err(JsonPointerError) }
    }
}

/// What a device's words bring for a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawn {
    /// Nothing: they are about something else, or of unknown age.
    Ignored,
    /// A reading.
    Reading(Reading),
    /// Something that should have been one.
    Unusable(GapReason),
}

impl Pick {
    /// Whether it looks both into JSON and into plain text.
    pub(super) fn looks_twice(&self) -> bool {
        self.pointer.is_some() && self.prefix.is_some()
    }

    /// What `said`, looked into up to `max` bytes, brings.
    pub fn draw(&self, said: &[u8], max: usize) -> Drawn {
        if said.len() > max {
            return Drawn::Unusable(GapReason::TooLarge);
        }
        if said.is_empty() {
            return Drawn::Unusable(GapReason::Missing);
        }
        let drawn = match &self.pointer {
            Some(pointer) => self.in_json(said, pointer),
            None => self.in_text(said),
        };
        match drawn {
            Ok(Some(reading)) => Drawn::Reading(reading),
            Ok(None) => Drawn::Ignored,
            Err(reason) => Drawn::Unusable(reason),
        }
    }

    fn in_json(&self, said: &[u8], pointer: &JsonPointer) -> Result<Option<Reading>, GapReason> {
        let document: Value = serde_json::from_slice(said).map_err(|_| GapReason::Unparsable)?;
        match document.pointer(&pointer.0) {
            Some(Value::Array(elements)) => {
                Reading::vector(elements.iter().map(|element| self.scaled(self.read_json(element)?)))
                    .map(Some)
            }
            Some(value) => self.read_json(value).and_then(|number| self.reading(number)).map(Some),
            None => Ok(None),
        }
    }

    fn in_text(&self, said: &[u8]) -> Result<Option<Reading>, GapReason> {
        let text = std::str::from_utf8(said).map_err(|_| GapReason::Unparsable)?;
        let Some(prefix) = &self.prefix else {
            return self.reading(self.words().number(text)?).map(Some);
        };
        match text.split_once(prefix.as_str()) {
            Some((_, rest)) => self.reading(self.behind(rest)?).map(Some),
            None => Ok(None),
        }
    }

    /// The word or number that `text` begins with, with or without a unit.
    fn behind(&self, text: &str) -> Result<f64, GapReason> {
        let ends = |character: char| character.is_whitespace() || matches!(character, ',' | ';');
        let word = text.trim_start().split(ends).next().unwrap_or_default();
        let bare = word.trim_end_matches(|character: char| !character.is_ascii_digit());
        match self.words().number(word) {
            Err(GapReason::Unparsable) if !bare.is_empty() => self.words().number(bare),
            number => number,
        }
    }

    fn reading(&self, number: f64) -> Result<Reading, GapReason> {
        Reading::new(self.scaled(number)?).ok_or(GapReason::NotANumber)
    }

    fn scaled(&self, number: f64) -> Result<f64, GapReason> {
        let scaled = number * self.scale + self.offset;
        if scaled.is_finite() { Ok(scaled) } else { Err(GapReason::NotANumber) }
    }

    fn read_json(&self, value: &Value) -> Result<f64, GapReason> {
        match value {
            Value::Null => Err(GapReason::Missing),
            // The words may swap the two.
            Value::Bool(truth) => {
                let word = self.words().number(if *truth { "true" } else { "false" });
                Ok(word.unwrap_or(f64::from(u8::from(*truth))))
            }
            Value::Number(number) => number.as_f64().ok_or(GapReason::NotANumber),
            Value::String(text) => self.words().number(text),
            Value::Array(_) | Value::Object(_) => Err(GapReason::WrongType),
        }
    }

    fn words(&self) -> Words<'_> {
        Words { on: self.on.as_deref(), off: self.off.as_deref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: usize = 64 << 10;

    fn pick(config: &str) -> Pick {
        toml::from_str(config).unwrap()
    }

    fn draw(config: &str, payload: &str) -> Result<f64, Option<GapReason>> {
        match pick(config).draw(payload.as_bytes(), MAX) {
            Drawn::Ignored => Err(None),
            Drawn::Reading(reading) => Ok(reading.reveal()[0]),
            Drawn::Unusable(reason) => Err(Some(reason)),
        }
    }

    #[test]
    fn payloads_of_the_usual_devices_are_read() {
        let tasmota = r#"{"Time":"2024-01-01T10:31:09","SCD40":{"CarbonDioxide":1204,"Temperature":28.8,"Humidity":47.5},"TempUnit":"C"}"#;
        let zigbee2mqtt = r#"{"temperature":27.34,"humidity":44.72,"linkquality":120}"#;
        let gateway = r#"{"id":"A4:C1:38:6E:4A:E8","model":"LYWSD03MMC","tempc":14.2,"hum":56,"batt":75}"#;
        for (config, payload, value) in [
            ("pointer = '/temperature'", zigbee2mqtt, 27.34),
            ("pointer = '/humidity'", zigbee2mqtt, 44.72),
            ("pointer = '/occupancy'", r#"{"occupancy":true}"#, 1.0),
            ("pointer = '/contact'\nscale = -1\noffset = 1", r#"{"contact":true}"#, 0.0),
            ("pointer = '/contact'\non = ['false']\noff = ['true']", r#"{"contact":true}"#, 0.0),
            ("pointer = '/state'", r#"{"state":"ON"}"#, 1.0),
            ("pointer = '/SCD40/CarbonDioxide'", tasmota, 1204.0),
            ("pointer = '/SCD40/Temperature'", tasmota, 28.8),
            ("", "21.3", 21.3),
            ("", "OFF", 0.0),
            ("scale = 0.001", "21370", 21.37),
            ("pointer = '/tC'", r#"{"id":0,"tC":19.8,"tF":67.6}"#, 19.8),
            (
                "pointer = '/params/temperature:0/tC'",
                r#"{"method":"NotifyStatus","params":{"temperature:0":{"tC":20.1}}}"#,
                20.1,
            ),
            ("pointer = '/hum'", gateway, 56.0),
            ("pointer = ''", "612", 612.0),
        ] {
            assert_eq!(draw(config, payload), Ok(value), "{config} of {payload}");
        }
    }

    #[test]
    fn a_number_is_found_behind_its_prefix() {
        let line = "ppm: CO2=612ppm T= 21.5\u{b0}C, H=44 % door=ON; x=-.5e1";
        for (prefix, value) in
            [("CO2=", 612.0), ("T=", 21.5), ("H=", 44.0), ("door=", 1.0), ("x=", -5.0), ("T= ", 21.5)]
        {
            assert_eq!(draw(&format!("prefix = '{prefix}'"), line), Ok(value), "{prefix}");
        }
        for (prefix, reason) in [
            ("co2=", None),
            ("ppm:", Some(GapReason::Unparsable)),
            ("x=-.5e1", Some(GapReason::Missing)),
            ("CO2", Some(GapReason::Unparsable)),
        ] {
            assert_eq!(draw(&format!("prefix = '{prefix}'"), line), Err(reason), "{prefix}");
        }
        assert_eq!(draw("prefix = 'T='", "T=nan"), Err(Some(GapReason::NotANumber)));
    }

    #[test]
    fn arrays_are_vectors() {
        for (config, payload, vector) in [
            ("pointer = '/gradient'", r#"{"round":3,"gradient":[0.5,-1,2e-1]}"#, &[0.5, -1.0, 0.2][..]),
            ("pointer = ''", "[1,2,3]", &[1.0, 2.0, 3.0]),
            ("pointer = '/0'", "[[1,0],[0,1]]", &[1.0, 0.0]),
            ("pointer = '/v'\nscale = 10\noffset = 1", r#"{"v":[0,"1",true]}"#, &[1.0, 11.0, 11.0]),
            ("pointer = '/v'", r#"{"v":[612]}"#, &[612.0]),
            ("pointer = '/v'", r#"{"v":[]}"#, &[]),
        ] {
            let Drawn::Reading(reading) = pick(config).draw(payload.as_bytes(), MAX) else {
                panic!("{config} of {payload}")
            };
            assert_eq!((reading.is_vector(), reading.reveal()), (true, vector), "{config} of {payload}");
        }
    }

    #[test]
    fn what_is_no_reading_has_its_reason() {
        let deep = "[".repeat(10_000);
        for (config, payload, reason) in [
            ("pointer = '/co2'", r#"{"temperature":27.34}"#, None),
            ("pointer = '/co2/x'", r#"{"co2":400}"#, None),
            ("pointer = '/co2'", r#"{"co2":null}"#, Some(GapReason::Missing)),
            ("pointer = '/co2'", r#"{"co2":""}"#, Some(GapReason::Missing)),
            ("", "", Some(GapReason::Missing)),
            ("", "nan", Some(GapReason::NotANumber)),
            ("pointer = '/co2'", r#"{"co2":"nan"}"#, Some(GapReason::NotANumber)),
            ("scale = 1e308", "1e308", Some(GapReason::NotANumber)),
            ("pointer = '/co2'", r#"{"co2":{"value":1}}"#, Some(GapReason::WrongType)),
            ("pointer = '/v'", r#"{"v":[1,[2]]}"#, Some(GapReason::WrongType)),
            ("pointer = '/v'", r#"{"v":[1,{}]}"#, Some(GapReason::WrongType)),
            ("pointer = '/v'", r#"{"v":[1,null,"x"]}"#, Some(GapReason::Missing)),
            ("pointer = '/v'", r#"{"v":[1,"x"]}"#, Some(GapReason::Unparsable)),
            ("pointer = '/v'", r#"{"v":[1,"nan"]}"#, Some(GapReason::NotANumber)),
            ("pointer = '/v'\nscale = 1e308", r#"{"v":[1,1e308]}"#, Some(GapReason::NotANumber)),
            ("", "[1,2]", Some(GapReason::Unparsable)),
            ("pointer = '/co2'", r#"{"co2":"high"}"#, Some(GapReason::Unparsable)),
            ("pointer = '/co2'", r#"{"co2":1"#, Some(GapReason::Unparsable)),
            ("pointer = '/co2'", "612", None),
            ("", r#"{"co2":612}"#, Some(GapReason::Unparsable)),
            ("pointer = '/co2'", &deep, Some(GapReason::Unparsable)),
        ] {
            assert_eq!(draw(config, payload), Err(reason), "{config} of {payload:.60}");
        }
        let large = pick("").draw("1".repeat(MAX + 1).as_bytes(), MAX);
        assert_eq!(large, Drawn::Unusable(GapReason::TooLarge));
        assert_eq!(pick("").draw(&[0xff, b'1'], MAX), Drawn::Unusable(GapReason::Unparsable));
    }

    proptest! {
        #[test]
        fn any_payload_is_survived(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = pick("").draw(&payload, MAX);
            let _ = pick("pointer = '/a'").draw(&payload, MAX);
        }

        #[test]
        fn numbers_are_found_wherever_they_stand(value in -1e6..1e6_f64, depth in 0_usize..100) {
            let (mut payload, mut pointer) = (value.to_string(), String::new());
            for _ in 0..depth {
                payload = format!(r#"{{"x":0,"a/b":{payload}}}"#);
                pointer += "/a~1b";
            }
            prop_assert_eq!(draw(&format!("pointer = '{pointer}'"), &payload), Ok(value));
        }
    }
}
