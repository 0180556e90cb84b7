//! What topics.md shows of each topic, held against what is published.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::support::mosquitto::Message;

const PAGE: &str = include_str!("../../../../topics.md");

/// The sections of topics.md that show payloads.
pub(crate) struct Page(Vec<Section>);

/// A topic and what is said about it.
struct Section {
    topic: &'static str,
    text: &'static str,
    /// The examples as they stand there.
    payloads: Vec<&'static str>,
    examples: Vec<Json>,
}

/// A document with its keys in the order in which they were written.
enum Json {
    Leaf,
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// A value and nothing else, which is for programs that take no JSON apart.
const BARE_VALUE: &str = "murmur/<site>/result/<query>/state";
/// How the section begins that shows an envelope.
const BETWEEN_PEERS: &str = "\n## `murmur/<site>/peer/<to>/<from>`\n";

/// The payloads that a section shows.
fn payloads(text: &'static str) -> Vec<&'static str> {
    let text = text.split_once("\n## ").map_or(text, |(section, _)| section);
    text.split("```json\n").skip(1).map(|after| after.split_once("\n```").unwrap().0).collect()
}

impl Page {
    pub(crate) fn read() -> Self {
        let section = |part: &'static str| {
            let (topic, text) = part.strip_prefix('`')?.split_once("`\n")?;
            let mut payloads = payloads(text);
            if payloads.is_empty() && text.contains("The envelope is that of a message between peers") {
                payloads = self::payloads(PAGE.split_once(BETWEEN_PEERS).unwrap().1);
            }
            let examples: Vec<_> = payloads.iter().map(|text| Json::read(text.as_bytes()).unwrap()).collect();
            Some(Section { topic, text, payloads, examples })
        };
        Self(PAGE.split("\n## ").filter_map(section).collect())
    }

    /// All topics of which it shows a payload.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|section| !section.examples.is_empty()).map(|section| section.topic)
    }

    /// Every example on one line, on the topic that it is for.
    pub(crate) fn filled(&self) -> impl Iterator<Item = (String, String)> {
        let of = |section: &Section| {
            let topic = section.topic;
            let payloads = section.payloads.iter().map(|payload| payload.replace('\n', ""));
            payloads.map(|payload| (filled(topic, &payload), payload)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of)
    }

    /// Holds a message against the page, and says of which topic it is.
    ///
    /// # Panics
    /// If it is on no topic of the page, more than one line, no JSON, or has its keys in another order than the examples.
    pub(crate) fn check(&self, message: &Message) -> &'static str {
        let about = self.0.iter().filter(|section| section.is_about(&message.topic));
        // The one that says most about it.
        let section = about.max_by_key(|section| section.literal());
        let section = section.unwrap_or_else(|| panic!("no section about {message:?}"));
        if message.payload.is_empty() {
            return section.topic;
        }
        assert!(!message.text().contains(char::is_control), "more than one line: {message:?}");
        if section.topic == BARE_VALUE {
            return section.topic;
        }
        let said = Json::read(&message.payload).unwrap_or_else(|error| panic!("{error}: {message:?}"));
        let Json::Object(fields) = &said else { panic!("no object: {message:?}") };
        for (key, _) in fields {
            // Discovery speaks Home Assistant's language.
            let shown = section.examples.iter().any(|example| example.has(key));
            let explained =
                shown || section.examples.is_empty() || section.text.contains(&format!("`{key}`"));
            assert!(explained, "topics.md does not explain `{key}`: {message:?}");
        }
        for example in &section.examples {
            if let Some(key) = said.disorder(example) {
                panic!("`{key}` comes earlier in topics.md: {message:?}");
            }
        }
        section.topic
    }
}

impl Section {
    /// Whether it tells of this topic: placeholders stand for names, which never begin with `_`.
    fn is_about(&self, topic: &str) -> bool {
        let fits = |(pattern, level): (&str, &str)| match pattern.split_once('<') {
            None => pattern == level,
            Some((before, _)) => level.strip_prefix(before).is_some_and(|name| !name.starts_with('_')),
        };
        let same_length = self.topic.split('/').count() == topic.split('/').count();
        same_length && self.topic.split('/').zip(topic.split('/')).all(fits)
    }

    /// How much of its topic is no placeholder.
    fn literal(&self) -> usize {
        self.topic.split('<').map(|part| part.split_once('>').map_or(part, |(_, after)| after).len()).sum()
    }
}

/// A topic with the names that its payload has.
fn filled(topic: &str, payload: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(payload).unwrap();
    let level = |level: &str| {
        let keys: &[&str] = match level {
            "<site>" => return "demo".to_owned(),
            "murmur_<site>" => return "murmur_demo".to_owned(),
            "<component>" => return "sensor".to_owned(),
            "<member>" => return "peer-1".to_owned(),
            "<peer>" => &["/peer", "/to"],
            "<agent>" => &["/agent", "/from"],
            "<query>" => &["/query/name", "/query", "/cancel", "/name"],
            "<part>" => return json["part"].to_string(),
            placeholder if placeholder.starts_with('<') => &[&placeholder.replace('<', "/").replace('>', "")],
            plain => return plain.to_owned(),
        };
        let named = keys.iter().find_map(|key| json.pointer(key)?.as_str());
        named.unwrap_or("peer-1").to_owned()
    };
    topic.split('/').map(level).collect::<Vec<_>>().join("/")
}

impl Json {
    fn read(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }

    fn has(&self, key: &str) -> bool {
        matches!(self, Self::Object(fields) if fields.iter().any(|(known, _)| known == key))
    }

    /// A key that comes later than in `example`, of those that both have, at any depth.
    fn disorder(&self, example: &Self) -> Option<&str> {
        match (self, example) {
            (Self::Object(fields), Self::Object(shown)) => {
                let place = |key: &str| shown.iter().position(|(known, _)| known == key);
                let mut last = 0;
                for (key, value) in fields {
                    let Some(at) = place(key) else { continue };
                    if at < last {
                        return Some(key);
                    }
                    last = at;
                    if let Some(key) = value.disorder(&shown[at].1) {
                        return Some(key);
                    }
                }
                None
            }
            (Self::List(elements), Self::List(shown)) => {
                let first = shown.first()?;
                elements.iter().find_map(|element| element.disorder(first))
            }
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Json::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Json::List(elements))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Json, E> {
        Ok(Json::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Leaf)
    }
}

fn message(topic: &str, payload: &str) -> Message {
    Message { retained: false, topic: topic.to_owned(), payload: payload.as_bytes().to_vec() }
}

#[test]
fn payloads_in_another_form_are_noticed() {
    let page = Page::read();
    assert_eq!(
        page.check(&message("murmur/hq/status/a", "{\"v\":1,\"node\":\"a\"}")),
        "murmur/<site>/status/<node>"
    );
    for (topic, payload) in [
        ("murmur/hq/status/a", "{\"node\":\"a\",\"v\":1}"),
        ("murmur/hq/status/a", "{\"v\":1,\n\"node\":\"a\"}"),
        ("murmur/hq/status/a", "{\"v\":1,\"surprise\":0}"),
        ("murmur/hq/status/a", "[]"),
        ("murmur/hq/result/a", "{\"v\":1,\"window\":{\"start\":\"\",\"index\":1}}"),
        ("murmur/hq/charter", "{\"v\":1,\"charters\":[{\"revision\":1,\"v\":1}]}"),
        ("murmur/hq/gossip/a", "{}"),
    ] {
        let checked = std::panic::catch_unwind(|| Page::read().check(&message(topic, payload)));
        assert!(checked.is_err(), "{topic} {payload}");
    }
}
