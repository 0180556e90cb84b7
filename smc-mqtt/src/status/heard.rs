//! A status as others read it who want to know all that it tells.

use std::collections::BTreeMap;

use serde::Deserialize;
use smc_core::introduction::ProgramVersion;
use smc_core::name::NodeName;
use smc_core::result::VERSION;
use smc_core::time::{Timestamp, WindowIndex};

use super::{Fare, LastWindow, Presence, Worker};
use crate::tls::Expiring;

/// What a node said of itself and of others. Nobody signs it: the broker, or who has the node's login, may have said it.
/// Keys of later versions are passed over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Heard {
    v: u8,
    /// Who.
    pub node: NodeName,
    /// Whether it is there.
    pub state: Presence,
    /// When its process started; not told by one that is gone.
    pub since: Option<Timestamp>,
    /// The version of its program.
    pub program: Option<ProgramVersion>,
    /// The newest window that it took part in.
    pub last_window: Option<LastWindow>,
    /// Why it can't write.
    pub disk: Option<String>,
    /// How the other peers fare.
    #[serde(default)]
    pub peers: BTreeMap<NodeName, Fare>,
    /// By how many seconds others' clocks are ahead of its own.
    #[serde(default)]
    pub clocks: BTreeMap<NodeName, f64>,
    /// By how many seconds its own clock is ahead of most others.
    pub own_clock: Option<f64>,
    /// By how many seconds its machine's clock was set back.
    pub set_back: Option<f64>,
    /// Certificates of its connection that end soon, or have ended.
    #[serde(default)]
    pub certificates: Vec<Expiring>,
    /// The connections by which its shares come, if there are several.
    #[serde(default)]
    pub workers: Vec<Worker>,
    /// What it refused or dropped since it started, by reason.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
    /// Agents whose inputs were not what they claimed to be.
    #[serde(default)]
    pub left_out: Vec<NodeName>,
    /// Who did what an honest node doesn't.
    #[serde(default)]
    pub blamed: Vec<Accused>,
}

/// Who did what, and how often, as a peer says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Accused {
    /// Who.
    pub node: NodeName,
    /// What, by the name of topics.md.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// In which window last.
    pub window: Option<WindowIndex>,
}

impl Heard {
    /// The status that `json` is; none if it is none of this version.
    pub fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().filter(|heard: &Self| heard.v == VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Blamed, Report, WorkerState, offline, online};
    use super::*;
    use crate::tally::Tally;

    #[test]
    fn what_a_peer_tells_is_heard() {
        let (node, other): (NodeName, NodeName) = ("peer-1".parse().unwrap(), "peer-2".parse().unwrap());
        let mut refused = Tally::default();
        refused.count("late");
        let window = Some(WindowIndex(7));
        let left_out = ["room-4".parse().unwrap()];
        let end = Timestamp::from_secs(1_767_268_800);
        let last_window = LastWindow { end, cohort: 12 };
        let certificates = [Expiring { certificate: "broker".to_owned(), not_after: end }];
        let worker = Worker { state: WorkerState::Shared, ..Worker::new("peer-1.worker-2".to_owned()) };
        let report = Report {
            program: Some("0.1.0"),
            last_window: Some(last_window.clone()),
            announces: None,
            certificates: &certificates,
            disk: Some("full"),
            peers: BTreeMap::from([(&other, Fare::Slow)]),
            clocks: BTreeMap::from([(&other, -1.5)]),
            own_clock: Some(2.0),
            set_back: Some(3.0),
            workers: std::slice::from_ref(&worker),
            refused: Some(&refused),
            left_out: &left_out,
            blamed: vec![Blamed { node: &other, reason: "flood", count: 2, window }],
        };
        let since = Timestamp::from_secs(1_767_268_800);
        let heard = Heard::read(&online(&node, since, &report)).unwrap();
        let expected = Heard {
            v: VERSION,
            node,
            state: Presence::Idle,
            since: Some(since),
            program: "0.1.0".to_owned().try_into().ok(),
            last_window: Some(last_window),
            disk: Some("full".to_owned()),
            peers: BTreeMap::from([(other.clone(), Fare::Slow)]),
            clocks: BTreeMap::from([(other.clone(), -1.5)]),
            own_clock: Some(2.0),
            set_back: Some(3.0),
            certificates: certificates.to_vec(),
            workers: vec![worker],
            refused: BTreeMap::from([("late".to_owned(), 1)]),
            left_out: left_out.to_vec(),
            blamed: vec![Accused { node: other, reason: "flood".to_owned(), count: 2, window }],
        };
        assert_eq!(heard, expected);
    }

    #[test]
    fn keys_of_later_versions_are_passed_over_and_what_is_no_status_is_none() {
        let node = "room-1".parse().unwrap();
        assert_eq!(Heard::read(&offline(&node)).unwrap().state, Presence::Offline);
        assert!(Heard::read(br#"{"v":1,"node":"a","state":"online","mood":"good"}"#).is_some());
        for json in
            [&b""[..], b"null", b"{}", br#"{"v":2,"node":"a","state":"online"}"#, br#"{"v":1,"node":"a/b"}"#]
        {
            assert_eq!(Heard::read(json), None, "{json:?}");
        }
    }
}
