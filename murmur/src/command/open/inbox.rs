//! Shares of outputs as they come in, put together window by window.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::json;
use smc_core::envelope::{Envelope, Opener};
use smc_core::function::Subject;
use smc_core::identity::SealingSecret;
use smc_core::name::{NodeName, QueryName};
use smc_core::output::{self, EPOCH, OpenedOutput, OutputError, SealedOutput};
use smc_core::result::WindowDocument;
use smc_core::roster::Roster;
use smc_core::time::WindowIndex;
use smc_mqtt::topic::{Topic, Topics};
use tracing::warn;

/// The largest envelope that is read.
const MAX_ENVELOPE: usize = 512 * 1024;
/// How many windows of a query are kept of one peer, whatever others say.
const WAITING: usize = 4;

/// What has come for one client.
pub(super) struct Inbox {
    roster: Arc<Roster>,
    topics: Topics,
    me: NodeName,
    only: Option<QueryName>,
    opener: Opener,
    /// By query and sender: the newest windows.
    waiting: BTreeMap<QueryName, BTreeMap<NodeName, BTreeMap<WindowIndex, SealedOutput>>>,
    /// The newest window that was told of each query: retained outputs come again after a reconnection.
    told: BTreeMap<QueryName, WindowIndex>,
}

/// One window of one query, opened or not.
#[derive(Debug)]
pub(super) struct Opened {
    query: QueryName,
    unit: String,
    window: WindowDocument,
    readings: u32,
    peers: Vec<NodeName>,
    pub(super) value: Result<OpenedOutput, OutputError>,
}

impl Inbox {
    pub(super) fn new(
        roster: Arc<Roster>,
        topics: Topics,
        me: NodeName,
        secret: SealingSecret,
        only: Option<QueryName>,
    ) -> Self {
        let mut opener = Opener::new(roster.site(), &me);
        opener.add_key(EPOCH, secret);
        Self { roster, topics, me, only, opener, waiting: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// Takes a message in; tells when the shares of all peers that computed are there.
    pub(super) fn take(&mut self, topic: &str, payload: &[u8]) -> Option<Opened> {
        let Ok(Topic::Output { to, from, query }) = self.topics.parse(topic) else { return None };
        if to != self.me || self.only.as_ref().is_some_and(|only| *only != query) {
            return None;
        }
        let Some(output) = self.read(&from, &query, payload) else {
            warn!(%from, %query, "not an output that this peer sealed for us; ignored");
            return None;
        };
        self.keep(output)
    }

    fn read(&mut self, from: &NodeName, query: &QueryName, payload: &[u8]) -> Option<SealedOutput> {
        let envelope = Envelope::parse(payload, MAX_ENVELOPE).ok()?;
        let peer = self.roster.peer(self.roster.peer_named(from.as_str())?)?;
        let plaintext = self.opener.open(&peer.sealing, &envelope, None).ok()?;
        let output = SealedOutput::from_bytes(&plaintext).ok()?;
        let known = self.roster.query_named(query)?;
        let fits = output.from == *from && output.query == *query && envelope.from() == from;
        (fits && self.roster.query(known).digest == output.definition).then_some(output)
    }

    fn keep(&mut self, output: SealedOutput) -> Option<Opened> {
        let (query, window) = (output.query.clone(), output.window);
        if self.told.get(&query).is_some_and(|&told| window <= told) {
            return None;
        }
        let senders = self.waiting.entry(query.clone()).or_default();
        let windows = senders.entry(output.from.clone()).or_default();
        windows.entry(window).or_insert_with(|| output.clone());
        if windows.len() > WAITING {
            windows.pop_first();
        }
        let outputs = complete(senders, &output, self.roster.quorum().size())?;
        for windows in senders.values_mut() {
            windows.retain(|&of, _| of > window);
        }
        self.told.insert(query.clone(), window);
        Some(self.open(query, window, &outputs))
    }

    fn open(
        &self,
        query: QueryName,
        window: WindowIndex,
        outputs: &BTreeMap<NodeName, SealedOutput>,
    ) -> Opened {
        let of_site = |quantity| &self.roster.quantity(quantity).quantity;
        let known = self.roster.query_named(&query).map(|known| self.roster.query(known));
        let described = known.map(|known| {
            let subject = Subject { quantity: of_site(known.quantity), with: known.with.map(of_site) };
            (known.function.shape(&subject).unit, WindowDocument::new(subject.quantity.period(), window))
        });
        // Only what names a known query comes so far.
        let (unit, window) = described.unwrap_or_else(|| {
            (String::new(), WindowDocument { index: window, start: String::new(), end: String::new() })
        });
        Opened {
            query,
            unit,
            window,
            readings: outputs.values().next().map_or(0, |output| output.readings),
            peers: outputs.keys().cloned().collect(),
            value: output::open(&self.roster, outputs),
        }
    }
}

/// The shares of the output that `newest` is about: of all peers that it names, who must be a quorum and agree on what it
/// is about. So nobody alone can have a window opened too early.
fn complete(
    senders: &BTreeMap<NodeName, BTreeMap<WindowIndex, SealedOutput>>,
    newest: &SealedOutput,
    quorum: usize,
) -> Option<BTreeMap<NodeName, SealedOutput>> {
    let alike = senders.iter().filter_map(|(sender, windows)| {
        let output = windows.get(&newest.window).filter(|output| output.is_about_the_same_as(newest))?;
        Some((sender.clone(), output.clone()))
    });
    let outputs: BTreeMap<_, _> = alike.collect();
    (newest.peers.len() >= quorum && outputs.len() == newest.peers.len()).then_some(outputs)
}

impl Opened {
    pub(super) fn json(&self) -> String {
        let mut line = json!({
            "query": self.query,
            "window": self.window,
            "unit": self.unit,
            "readings": self.readings,
            "peers": self.peers,
        });
        match &self.value {
            Ok(opened) => {
                line["value"] = json!(opened.value);
                line["verified"] = json!(opened.verified);
                line["corrected"] = json!(opened.corrected);
            }
            Err(error) => line["error"] = json!(error.to_string()),
        }
        line.to_string()
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.query, self.window.start)?;
        match &self.value {
            Ok(opened) => {
                write!(f, "{} {}", opened.value, self.unit)?;
                write!(f, " of {} readings, ", self.readings)?;
                f.write_str(if opened.verified { "verified" } else { "not verified" })?;
                if !opened.corrected.is_empty() {
                    let named: Vec<_> = opened.corrected.iter().map(ToString::to_string).collect();
                    write!(f, "; false shares of {}", named.join(", "))?;
                }
                Ok(())
            }
            Err(error) => write!(f, "could not be opened: {error}"),
        }
    }
}
