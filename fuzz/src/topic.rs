//! Topics and the filters that cover them, as text.

use broker::Filter;
use smc_mqtt::filter::TopicFilter;
use smc_mqtt::topic::Topics;

/// Three lines: a topic, and two filters.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.splitn(3, '\n');
    let (topic, one, other) =
        (lines.next().unwrap_or(""), lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    ours(topic);
    filters(topic, one, other);
}

/// What is a topic of the site is spelled in one way, and is among all that the site's filters cover.
fn ours(text: &str) {
    let topics = Topics::new("hq".parse().unwrap());
    let Ok(topic) = topics.parse(text) else { return };
    assert_eq!(topics.spell(&topic), text);
    let covers = |filter: String| filter.parse::<Filter>().unwrap().matches(text);
    assert!(covers(topics.everything()) || topics.discovery().any(covers), "{text} is under no filter");
}

/// Both kinds of filters say what the standard says, and one that covers another matches all that the other does.
fn filters(topic: &str, one: &str, other: &str) {
    let filter: Option<Filter> = one.parse().ok();
    let client: Option<TopicFilter> = one.parse().ok();
    if let Some(client) = &client {
        assert_eq!(client.as_str(), one);
        assert_eq!(client.matches(topic), standard(one, topic), "{one:?} {topic:?}");
    }
    let Some(filter) = filter else { return };
    assert_eq!(filter.as_str(), one);
    assert!(client.is_some(), "the broker takes {one:?}, and its clients don't");
    assert_eq!(filter.matches(topic), standard(one, topic), "{one:?} {topic:?}");
    assert!(filter.covers(&filter));
    let Ok(other) = other.parse::<Filter>() else { return };
    let covered = filter.covers(&other) && other.matches(topic);
    assert!(!covered || filter.matches(topic), "{filter} covers {other}, but not {topic:?}");
}

/// MQTT 3.1.1, 4.7, as it reads.
fn standard(filter: &str, topic: &str) -> bool {
    let (filter, topic): (Vec<_>, Vec<_>) = (filter.split('/').collect(), topic.split('/').collect());
    // 4.7.2: a wildcard at the beginning leaves topics out that begin with `$`.
    if topic[0].starts_with('$') && ["#", "+"].contains(&filter[0]) {
        return false;
    }
    let (levels, deep) = match filter.split_last() {
        Some((&"#", levels)) => (levels, true),
        _ => (&filter[..], false),
    };
    let long_enough = if deep { topic.len() >= levels.len() } else { topic.len() == levels.len() };
    long_enough && levels.iter().zip(&topic).all(|(&wanted, &level)| wanted == "+" || wanted == level)
}
