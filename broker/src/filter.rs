//! Topic filters, and which of them say at least as much as others.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The longest filter, in bytes.
pub const MAX_FILTER: usize = 512;

/// A valid topic filter of printable ASCII that does not begin with `$`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filter(Arc<str>);

/// Why a text is not a filter that the broker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A character outside printable ASCII.
    #[error("a filter consists of printable ASCII characters")]
    Characters,
    /// Nothing was given.
    #[error("a filter must not be empty")]
    Empty,
    /// It begins with `$`: the broker has no system topics and no shared subscriptions.
    #[error("a filter must not begin with `$`")]
    Reserved,
    /// The text is longer than [`MAX_FILTER`].
    #[error("a filter has at most {MAX_FILTER} characters")]
    TooLong,
    /// `+` beside other characters of its level, or `#` anywhere but alone in the last one.
    #[error("`+` stands alone in its level and `#` alone in the last one")]
    Wildcard,
}

impl Filter {
    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a message on `topic` is meant. A topic that begins with `$` never is.
    pub fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') {
            return false;
        }
        let mut levels = topic.split('/');
        for filter in self.0.split('/') {
            match (filter, levels.next()) {
                ("#", _) => return true,
                (_, None) => return false,
                ("+", Some(_)) => {}
                (filter, Some(level)) if filter == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }

    /// Whether every topic that `other` matches is matched by this filter too. May err on the side of no
    /// (`+/#` for `#`), never on that of yes.
    pub fn covers(&self, other: &Self) -> bool {
        let mut others = other.0.split('/');
        for own in self.0.split('/') {
            match (own, others.next()) {
                ("#", _) => return true,
                (_, None | Some("#")) => return false,
                ("+", Some(_)) => {}
                (own, Some(level)) if own == level => {}
                _ => return false,
            }
        }
        others.next().is_none()
    }
}

impl FromStr for Filter {
    type Err = FilterError;
    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Err(FilterError::Empty);
        }
        if text.len() > MAX_FILTER {
            return Err(FilterError::TooLong);
        }
        if !is_printable(text) {
            return Err(FilterError::Characters);
        }
        if text.starts_with('$') {
            return Err(FilterError::Reserved);
        }
        let levels = text.split('/').count();
        for (index, level) in text.split('/').enumerate() {
            let last = index + 1 == levels;
            let well_placed = level == "+" || (level == "#" && last) || !level.contains(['+', '#']);
            if !well_placed {
                return Err(FilterError::Wildcard);
            }
        }
        Ok(Self(text.into()))
    }
}

/// Whether `topic` can be published to: printable ASCII without wildcards that does not begin with `$`.
pub(crate) fn is_topic(topic: &str, max: usize) -> bool {
    let plain = |b: u8| matches!(b, 0x20..=0x7e) && !matches!(b, b'+' | b'#');
    !topic.is_empty() && topic.len() <= max && !topic.starts_with('$') && topic.bytes().all(plain)
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, 0x20..=0x7e))
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(text: &str) -> Filter {
        text.parse().unwrap()
    }

    #[test]
    fn filters_match_as_the_standard_says() {
        for (text, topic, matched) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("+/+", "/a", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("#", "a/b", true),
            ("#", "$SYS/a", false),
            ("+/a", "$SYS/a", false),
        ] {
            assert_eq!(filter(text).matches(topic), matched, "{text} {topic}");
        }
    }

    #[test]
    fn only_filters_are_filters() {
        for (text, error) in [
            ("", FilterError::Empty),
            ("a/#/b", FilterError::Wildcard),
            ("a#", FilterError::Wildcard),
            ("a+/b", FilterError::Wildcard),
            ("$share/g/a", FilterError::Reserved),
            ("$SYS/#", FilterError::Reserved),
            ("\u{e9}/b", FilterError::Characters),
            ("a\nb", FilterError::Characters),
        ] {
            assert_eq!(text.parse::<Filter>(), Err(error), "{text:?}");
        }
        assert_eq!("a".repeat(513).parse::<Filter>(), Err(FilterError::TooLong));
    }

    #[test]
    fn covering_is_aware_of_wildcards() {
        for (wide, narrow, covered) in [
            ("#", "#", true),
            ("#", "a/+/b", true),
            ("a/#", "a", true),
            ("a/#", "a/#", true),
            ("a/#", "#", false),
            ("a/+", "a/b", true),
            ("a/+", "a/#", false),
            ("a/+", "a/+/c", false),
            ("a/b", "a/+", false),
            ("a/+/c", "a/b/c", true),
            ("a/+/#", "a/b/#", true),
        ] {
            assert_eq!(filter(wide).covers(&filter(narrow)), covered, "{wide} {narrow}");
        }
    }

    fn level() -> impl Strategy<Value = &'static str> {
        prop_oneof![Just("a"), Just("b"), Just(""), Just("+")]
    }

    fn any_filter() -> impl Strategy<Value = Filter> {
        (prop::collection::vec(level(), 1..4), any::<bool>()).prop_filter_map("empty", |(levels, open)| {
            let text = levels.join("/") + if open { "/#" } else { "" };
            text.parse().ok()
        })
    }

    proptest! {
        #[test]
        fn what_a_covered_filter_matches_its_cover_matches(
            wide in any_filter(), narrow in any_filter(),
            topic in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c"), Just("")], 1..5)
        ) {
            let topic = topic.join("/");
            if wide.covers(&narrow) && narrow.matches(&topic) {
                prop_assert!(wide.matches(&topic), "{wide} {narrow} {topic}");
            }
        }

        #[test]
        fn a_topic_is_matched_exactly_if_its_own_filter_is_covered(wide in any_filter(), topic in any_filter()) {
            prop_assume!(is_topic(topic.as_str(), 100));
            prop_assert_eq!(wide.covers(&topic), wide.matches(topic.as_str()));
        }
    }
}
