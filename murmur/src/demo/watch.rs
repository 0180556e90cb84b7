//! Looks on from all sides at once: results over MQTT, decisions of the peers, readings of the agents, traffic of
//! the broker.

use std::collections::{BTreeMap, BTreeSet};

use broker::TapEvent;
use sensor_agent::Witness;
use smc_core::name::QueryName;
use smc_core::peer::Event;
use smc_core::result::SignedResult;
use smc_core::time::WindowIndex;
use smc_core::value::Value;
use smc_mqtt::connection::{Happening, Incoming, Publisher, connect};
use smc_mqtt::topic::{Topic, Topics};
use smc_peer::{Did, Observed};
use tokio::sync::mpsc;

use super::Verdict;
use super::ledger::Ledger;
use super::output::Output;
use crate::stage::Stage;

/// What the broker carried since the last window.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Messages accepted.
    pub(super) messages: u64,
    /// Bytes of their payloads.
    pub(super) bytes: u64,
    /// Topic and payload of the last share.
    pub(super) share: Option<(String, String)>,
}

/// A result with what it is held against.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) signed: SignedResult,
    /// The true value, where there is one to compare.
    pub(super) truth: Option<Value>,
    /// Whether the value is the true one and the signatures are valid.
    pub(super) right: bool,
}

/// All observers of a demonstration.
pub(super) struct Watch {
    ledger: Ledger,
    topics: Topics,
    roster: std::sync::Arc<smc_core::roster::Roster>,
    publisher: Publisher,
    incoming: Incoming,
    decided: mpsc::Receiver<Observed>,
    shared: mpsc::Receiver<Witness>,
    tapped: mpsc::Receiver<TapEvent>,
    carried: Carried,
    /// Before this window the nodes only find each other.
    first: WindowIndex,
    /// Results of windows that are not complete yet.
    open: BTreeMap<WindowIndex, BTreeMap<QueryName, Checked>>,
    done: BTreeSet<WindowIndex>,
    verdict: Verdict,
}

/// How many done windows are remembered, to tell a repeated result from a new one.
const DONE_KEPT: usize = 64;

impl Watch {
    pub(super) fn start(
        stage: &Stage,
        decided: mpsc::Receiver<Observed>,
        shared: mpsc::Receiver<Witness>,
        tapped: mpsc::Receiver<TapEvent>,
        first: WindowIndex,
    ) -> Self {
        let topics = Topics::new(stage.roster().site().clone());
        let (publisher, incoming) = connect(stage.observer(), vec![topics.results()]);
        Self {
            ledger: Ledger::new(stage.roster().clone()),
            topics,
            roster: stage.roster().clone(),
            publisher,
            incoming,
            decided,
            shared,
            tapped,
            carried: Carried::default(),
            first,
            open: BTreeMap::new(),
            done: BTreeSet::new(),
            verdict: Verdict { compared: 0, wrong: 0 },
        }
    }

    /// Tells every result as it comes, until `windows` are complete.
    pub(super) async fn until(
        &mut self,
        windows: Option<u64>,
        output: &mut Output,
    ) -> std::io::Result<Verdict> {
        let mut complete = 0;
        while windows.is_none_or(|windows| complete < windows) {
            tokio::select! {
                Some(happening) = self.incoming.next() => {
                    if let Happening::Message { topic, payload, .. } = happening
                        && let Ok(Topic::Result { .. }) = self.topics.parse(&topic)
                    {
                        complete += u64::from(self.result(&payload, output)?);
                    }
                }
                Some(event) = self.decided.recv() => self.decision(event.what),
                Some(shared) = self.shared.recv() => self.ledger.note(shared),
                Some(event) = self.tapped.recv() => self.traffic(&event),
                else => break,
            }
        }
        Ok(self.verdict)
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    pub(super) async fn close(self) {
        drop(self.incoming);
        self.publisher.close().await;
    }

    /// Takes a result in; whether its window is complete with it.
    fn result(&mut self, payload: &[u8], output: &mut Output) -> std::io::Result<bool> {
        // Whatever led to the result was told before it.
        while let Ok(event) = self.decided.try_recv() {
            self.decision(event.what);
        }
        while let Ok(shared) = self.shared.try_recv() {
            self.ledger.note(shared);
        }
        while let Ok(event) = self.tapped.try_recv() {
            self.traffic(&event);
        }
        let Ok(signed) = serde_json::from_slice::<SignedResult>(payload) else { return Ok(false) };
        let window = signed.result.window.index;
        let repeated = |results: &BTreeMap<_, _>| results.contains_key(&signed.result.query);
        if window < self.first || self.done.contains(&window) || self.open.get(&window).is_some_and(repeated)
        {
            return Ok(false);
        }
        output.result(&signed.result)?;
        let truth = self.ledger.truth(&signed.result);
        let right = signed.verify(&self.roster).is_ok()
            && truth.as_ref().is_none_or(|truth| signed.result.value.as_ref() == Some(truth));
        self.verdict.compared += u64::from(truth.is_some());
        self.verdict.wrong += u64::from(!right);
        let results = self.open.entry(window).or_default();
        results.insert(signed.result.query.clone(), Checked { signed, truth, right });
        if results.len() < self.roster.queries().count() {
            return Ok(false);
        }
        self.finish(window, output)?;
        Ok(true)
    }

    fn finish(&mut self, window: WindowIndex, output: &mut Output) -> std::io::Result<()> {
        let results = self.open.remove(&window).unwrap_or_default();
        // A window that never became complete is not waited for any longer.
        self.open = self.open.split_off(&window);
        self.done.insert(window);
        if self.done.len() > DONE_KEPT {
            self.done.pop_first();
        }
        let agent = self.roster.agents().first();
        let bundle = agent.and_then(|agent| agent.bundles.first()).copied();
        let reading = bundle.and_then(|bundle| self.ledger.reading(bundle, window));
        let agent = agent.map(|agent| agent.node.name.clone()).zip(reading);
        output.window(window, agent, &std::mem::take(&mut self.carried), &self.roster, results.values())
    }

    fn decision(&mut self, did: Did) {
        if let Did::Decide(Event::Agreed { quantity, window, plan }) = did {
            self.ledger.agreed(quantity, window, plan);
        }
    }

    fn traffic(&mut self, event: &TapEvent) {
        self.carried.messages += 1;
        self.carried.bytes += event.payload.len() as u64;
        let topic = String::from_utf8_lossy(&event.topic);
        if matches!(self.topics.parse(&topic), Ok(Topic::Share { .. })) {
            self.carried.share =
                Some((topic.into_owned(), String::from_utf8_lossy(&event.payload).into_owned()));
        }
    }
}
