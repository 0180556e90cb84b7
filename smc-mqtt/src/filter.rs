//! Topic filters: which topics a subscription covers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A topic filter as MQTT 3.1.1 defines it: `+` stands for one level, a final `#` for all that follow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicFilter(String);

/// Why a text is not a topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a topic filter has 1 to 65535 bytes; `+` fills a whole level, `#` the last one (as in `zigbee2mqtt/+` or `tele/#`)"
)]
pub struct TopicFilterError;

impl TopicFilter {
    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a message on `topic` is covered. As MQTT demands, a leading wildcard leaves out topics that begin
    /// with `$`, and `a/#` covers `a` too.
    pub fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && !self.0.starts_with('$') {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in self.0.split('/') {
            match (wanted, levels.next()) {
                ("#", _) => return true,
                ("+", Some(_)) => {}
                (wanted, Some(level)) if wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

impl FromStr for TopicFilter {
    type Err = TopicFilterError;

    fn from_str(text: &str) -> Result<Self, TopicFilterError> {
        if text.is_empty() || text.len() > usize::from(u16::MAX) || text.contains('\0') {
            return Err(TopicFilterError);
        }
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            let plain = !level.contains(['+', '#']);
            if !(plain || level == "+" || (level == "#" && levels.peek().is_none())) {
                return Err(TopicFilterError);
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for TopicFilter {
    type Error = TopicFilterError;
    fn try_from(text: String) -> Result<Self, TopicFilterError> {
        text.parse()
    }
}

impl From<TopicFilter> for String {
    fn from(filter: TopicFilter) -> String {
        filter.0
    }
}

impl fmt::Display for TopicFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_cover_what_the_standard_says() {
        for (filter, topic, covered) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/b/c", "a/b", false),
            ("a/+", "a/b", true),
            ("a/+", "a/", true),
            ("a/+", "a", false),
            ("+", "/a", false),
            ("/+", "/a", true),
            ("+/+", "/a", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "a/b", true),
            ("#", "$SYS/uptime", false),
            ("+/uptime", "$SYS/uptime", false),
            ("$SYS/#", "$SYS/uptime", true),
            ("zigbee2mqtt/+/+", "zigbee2mqtt/floor 1/k\u{fc}che", true),
            ("\u{e9}/+", "\u{e9}/a", true),
        ] {
            assert_eq!(filter.parse::<TopicFilter>().unwrap().matches(topic), covered, "{filter} {topic}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for text in ["", "a#", "#/a", "a/#/b", "a+", "+a/b", "a\0"] {
            assert_eq!(text.parse::<TopicFilter>(), Err(TopicFilterError), "{text:?}");
        }
    }
}
