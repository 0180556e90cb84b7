//! A node's presence: retained, and turned to `offline` by its last will.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smc_core::name::NodeName;
use smc_core::time::Timestamp;

use crate::settings::Will;
use crate::tally::Tally;
use crate::topic::{Topic, Topics};

/// Whether a node is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It left, or its connection broke.
    Offline,
    /// It is connected.
    Online,
}

/// What a node says of itself.
#[derive(Debug, Serialize)]
struct Status<'a> {
    v: u8,
    node: &'a NodeName,
    state: Presence,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a Tally>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    left_out: &'a [NodeName],
}

/// Only as much of a status as others act on.
#[derive(Deserialize)]
struct State {
    state: Presence,
}

/// Tells of `node` that it is connected since `since`, what it refused meanwhile, and which agents it leaves out because
/// their inputs were not what they claimed to be.
pub fn online(node: &NodeName, since: Timestamp, refused: &Tally, left_out: &[NodeName]) -> Bytes {
    let refused = (!refused.is_empty()).then_some(refused);
    let since = Some(since.to_string());
    bytes(&Status { v: 1, node, state: Presence::Online, since, refused, left_out })
}

/// Tells of `node` that it is gone.
pub fn offline(node: &NodeName) -> Bytes {
    bytes(&Status { v: 1, node, state: Presence::Offline, since: None, refused: None, left_out: &[] })
}

/// The last will that does so.
pub fn will(topics: &Topics, node: &NodeName) -> Will {
    Will { topic: topics.spell(&Topic::Status { node: node.clone() }), payload: offline(node), retain: true }
}

/// The state that a status tells of; none if it is no status.
pub fn presence(json: &[u8]) -> Option<Presence> {
    serde_json::from_slice(json).ok().map(|State { state }| state)
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
        let json = online(&node, Timestamp::from_secs(1_767_268_800), &refused, &[]);
        assert_eq!(
            json,
            r#"{"v":1,"node":"peer-1","state":"online","since":"2026-01-01T12:00:00Z","refused":{"late":1}}"#
        );
        assert_eq!(presence(&json), Some(Presence::Online));
        let json = online(&node, Timestamp::from_secs(0), &Tally::default(), &["room-4".parse().unwrap()]);
        assert!(json.ends_with(br#","left_out":["room-4"]}"#));
        assert_eq!(presence(&offline(&node)), Some(Presence::Offline));
        assert_eq!(presence(b"{}"), None);
        assert_eq!(presence(b""), None);
    }
}
