//! A node's presence: retained, and turned to `offline` by its last will.

mod heard;
mod worker;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smc_core::digest::Digest;
use smc_core::name::NodeName;
use smc_core::time::{Timestamp, WindowIndex};

pub use self::heard::{Accused, Heard};
pub use self::worker::{Worker, WorkerState};
use crate::settings::Will;
use crate::tally::Tally;
use crate::tls::Expiring;
use crate::topic::{Topic, Topics};

/// Whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It is connected and takes no part: nobody need wait for it.
    Idle,
    /// It left, or its connection broke.
    Offline,
    /// It is connected.
    Online,
}

/// What a peer tells of itself and of others; what there is nothing to tell of is absent. Agents tell nothing: their
/// reasons would tell gaps from readings.
#[derive(Debug, Default, Serialize)]
pub struct Report<'a> {
    /// The version of its program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<&'a str>,
    /// The newest window that it took part in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_window: Option<LastWindow>,
    /// What it lets appear in Home Assistant, in a digest; nothing if it shows nothing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announces: Option<Digest>,
    /// Why it can't write its votes down, which makes it idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<&'a str>,
    /// How the other peers fare.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub peers: BTreeMap<&'a NodeName, Fare>,
    /// The nodes whose clocks differ from its own, and by how many seconds they are ahead.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clocks: BTreeMap<&'a NodeName, f64>,
    /// How many seconds its own clock is ahead of most others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_clock: Option<f64>,
    /// How many seconds the machine's clock was set back and not yet caught up with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_back: Option<f64>,
    /// The certificates that end soon, or have ended, of its connection to the broker.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub certificates: &'a [Expiring],
    /// The connections by which its shares come, if there are several.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub workers: &'a [Worker],
    /// What it refused or dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<&'a Tally>,
    /// The agents that it leaves out because their inputs were not what they claimed to be.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub left_out: &'a [NodeName],
    /// Who did what an honest node doesn't.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blamed: Vec<Blamed<'a>>,
}

/// A window that a peer took part in, as far as anybody may know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWindow {
    /// The first instant after it.
    pub end: Timestamp,
    /// How many agents the largest cohort had of those that were agreed on.
    pub cohort: u32,
}

/// How a peer fares, as another one sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fare {
    /// It is not connected.
    Gone,
    /// It is connected and in time.
    Online,
    /// It is connected and late.
    Slow,
}

/// Who did what, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Blamed<'a> {
    /// Who.
    pub node: &'a NodeName,
    /// What, by the name of topics.md.
    pub reason: &'static str,
    /// How often.
    pub count: u64,
    /// In which window last, if it is about windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowIndex>,
}

/// What a node says of itself.
#[derive(Debug, Serialize)]
struct Status<'a> {
    v: u8,
    node: &'a NodeName,
    state: Presence,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(flatten)]
    report: &'a Report<'a>,
}

/// Only as much of a status as others act on.
#[derive(Deserialize)]
struct State {
    state: Presence,
    #[serde(default)]
    announces: Option<Digest>,
}

/// Tells of `node` that it is connected since `since`, and what it has to tell.
pub fn online(node: &NodeName, since: Timestamp, report: &Report<'_>) -> Bytes {
    let state = if report.disk.is_some() { Presence::Idle } else { Presence::Online };
    bytes(&Status { v: 1, node, state, since: Some(since.to_string()), report })
}

/// Tells of `node` that it is gone.
pub fn offline(node: &NodeName) -> Bytes {
    bytes(&Status { v: 1, node, state: Presence::Offline, since: None, report: &Report::default() })
}

/// The last will that does so.
pub fn will(topics: &Topics, node: &NodeName) -> Will {
    Will { topic: topics.spell(&Topic::Status { node: node.clone() }), payload: offline(node), retain: true }
}

/// The state that a status tells of; none if it is no status.
pub fn presence(json: &[u8]) -> Option<Presence> {
    serde_json::from_slice(json).ok().map(|State { state, .. }| state)
}

/// What a peer says in its status that it lets appear in Home Assistant.
pub fn announces(json: &[u8]) -> Option<Digest> {
    serde_json::from_slice(json).ok().and_then(|State { announces, .. }| announces)
}

/// A status always has a text form.
fn bytes(status: &Status<'_>) -> Bytes {
    serde_json::to_vec(status).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_back() {
        let node: NodeName = "peer-1".parse().unwrap();
        let mut refused = Tally::default();
        refused.count("late");
        let report = Report { refused: Some(&refused), ..Report::default() };
        let json = online(&node, Timestamp::from_secs(1_767_268_800), &report);
        assert_eq!(
            json,
            r#"{"v":1,"node":"peer-1","state":"online","since":"2026-01-01T12:00:00Z","refused":{"late":1}}"#
        );
        assert_eq!(presence(&json), Some(Presence::Online));
        let left_out = &["room-4".parse().unwrap()];
        let report = Report { disk: Some("full"), left_out, ..Report::default() };
        let json = online(&node, Timestamp::from_secs(0), &report);
        assert!(json.ends_with(br#","disk":"full","left_out":["room-4"]}"#), "{json:?}");
        assert_eq!(presence(&json), Some(Presence::Idle));
        let (digest, end) = (Digest([7; 32]), Timestamp::from_secs(1_767_268_800));
        let last_window = Some(LastWindow { end, cohort: 12 });
        let report = Report { last_window, announces: Some(digest), ..Report::default() };
        let json = online(&node, Timestamp::from_secs(0), &report);
        let told = br#","last_window":{"end":"2026-01-01T12:00:00Z","cohort":12},"announces":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}"#;
        assert!(json.ends_with(told), "{json:?}");
        assert_eq!((presence(&json), announces(&json)), (Some(Presence::Online), Some(digest)));
        assert_eq!(announces(&offline(&node)), None);
        let other = "peer-2".parse().unwrap();
        let window = Some(WindowIndex(7));
        let report = Report {
            peers: BTreeMap::from([(&other, Fare::Slow)]),
            clocks: BTreeMap::from([(&other, -180.5)]),
            blamed: vec![Blamed { node: &other, reason: "two_faced", count: 2, window }],
            certificates: &[Expiring {
                certificate: "broker".to_owned(),
                not_after: Timestamp::from_secs(0),
            }],
            ..Report::default()
        };
        let json = online(&node, Timestamp::from_secs(0), &report);
        let told = r#","peers":{"peer-2":"slow"},"clocks":{"peer-2":-180.5},"certificates":[{"certificate":"broker","not_after":"1970-01-01T00:00:00Z"}],"blamed":[{"node":"peer-2","reason":"two_faced","count":2,"window":7}]}"#;
        assert!(json.ends_with(told.as_bytes()), "{json:?}");
        assert_eq!(presence(&offline(&node)), Some(Presence::Offline));
        assert_eq!(presence(b"{}"), None);
        assert_eq!(presence(b""), None);
    }
}
