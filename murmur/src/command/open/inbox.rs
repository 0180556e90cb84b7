//! Shares of outputs as they come in, put together window by window.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use smc_core::envelope::{Envelope, Opener};
use smc_core::function::{Query, Subject};
use smc_core::identity::SealingSecret;
use smc_core::name::{NodeName, QueryName};
use smc_core::output::{self, EPOCH, OpenedOutput, OutputError, SealedOutput};
use smc_core::result::WindowDocument;
use smc_core::roster::Roster;
use smc_mqtt::tally::Tally;
use smc_mqtt::topic::{Topic, Topics};
use tracing::warn;

use super::waiting::{Refused, Waiting, Whole};
use smc_peer::figure;

/// The largest envelope that is read.
const MAX_ENVELOPE: usize = 512 * 1024;

/// What has come for one client.
pub(crate) struct Inbox {
    roster: Arc<Roster>,
    topics: Topics,
    me: NodeName,
    /// What may be opened.
    queries: BTreeMap<QueryName, Query>,
    opener: Opener,
    waiting: Waiting,
    refused: Tally,
}

/// One window of one query, opened or not.
#[derive(Debug)]
pub(crate) struct Opened {
    query: QueryName,
    unit: String,
    window: WindowDocument,
    readings: u32,
    /// Who answered.
    peers: Vec<NodeName>,
    /// Who computed and did not.
    silent: Vec<NodeName>,
    pub(crate) value: Result<OpenedOutput, OutputError>,
}

impl Inbox {
    pub(crate) fn new(
        roster: Arc<Roster>,
        topics: Topics,
        me: NodeName,
        secret: SealingSecret,
        queries: impl IntoIterator<Item = Query>,
        patience: Duration,
    ) -> Self {
        let mut opener = Opener::new(roster.site(), &me);
        opener.add_key(EPOCH, secret);
        let waiting = Waiting::new(patience);
        let ours = queries.into_iter().filter(|query| query.audience.as_ref() == Some(&me));
        let queries = ours.map(|query| (query.name.clone(), query)).collect();
        Self { roster, topics, me, queries, opener, waiting, refused: Tally::default() }
    }

    /// Goes by another member list from now on. Peers keep their numbers: a new one takes its predecessor's, or comes last.
    pub(crate) fn move_to(&mut self, roster: &Arc<Roster>) {
        if !Arc::ptr_eq(&self.roster, roster) {
            self.roster = Arc::clone(roster);
        }
    }

    /// Takes a message in.
    pub(crate) fn take(&mut self, now: Instant, topic: &str, payload: &[u8]) {
        let Ok(Topic::Output { to, from, query }) = self.topics.parse(topic) else { return };
        if to != self.me || !self.queries.contains_key(&query) {
            return;
        }
        let taken = match self.read(&from, &query, payload) {
            Some(part) => self.waiting.take(&self.roster, now, part),
            None => return self.refuse("not_sealed_for_us_by_this_peer", &from, &query),
        };
        match taken {
            Ok(()) => {}
            Err(Refused::Contradicts) => self.refuse("contradiction", &from, &query),
            // Retained outputs come again with every connection.
            Err(Refused::Late) => {}
        }
    }

    /// When [`Inbox::pop`] may have something even if nothing comes.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.due()
    }

    /// The next window that all peers that computed have answered, or enough of them and the others not in time.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Opened> {
        let whole = self.waiting.pop(&self.roster, now)?;
        Some(self.open(whole))
    }

    fn refuse(&mut self, reason: &'static str, from: &NodeName, query: &QueryName) {
        if self.refused.count(reason) {
            warn!(reason, %from, %query, count = self.refused.of(reason), "refused");
        }
    }

    /// One that this very peer sealed, of a query that is for us.
    fn read(&mut self, from: &NodeName, query: &QueryName, payload: &[u8]) -> Option<SealedOutput> {
        let envelope = Envelope::parse(payload, MAX_ENVELOPE).ok()?;
        let peer = self.roster.peer(self.roster.peer_named(from.as_str())?)?;
        let plaintext = self.opener.open(&peer.sealing, &envelope, None).ok()?;
        let output = SealedOutput::from_bytes(&plaintext).ok()?;
        let known = self.queries.get(query)?;
        let fits = output.from == *from && output.query == *query && envelope.from() == from;
        (fits && known.digest == output.definition).then_some(output)
    }

    fn open(&self, Whole { query, window, outputs, silent }: Whole) -> Opened {
        let of_site = |quantity| &self.roster.quantity(quantity).quantity;
        let known = self.queries.get(&query);
        let described = known.map(|known| {
            let subject = Subject { quantity: of_site(known.quantity), with: known.with.map(of_site) };
            (known.function.shape(&subject).unit, WindowDocument::new(subject.quantity.period(), window))
        });
        // Only what names a known query comes so far.
        let (unit, window) = described.unwrap_or_else(|| {
            (String::new(), WindowDocument { index: window, start: String::new(), end: String::new() })
        });
        let value = match known {
            Some(known) => output::open_query(&self.roster, known, &outputs),
            None => Err(OutputError::UnknownQuery { query: query.clone() }),
        };
        Opened {
            query,
            unit,
            window,
            readings: outputs.values().next().map_or(0, |output| output.readings),
            peers: outputs.keys().cloned().collect(),
            silent,
            value,
        }
    }
}

impl Opened {
    pub(crate) fn json(&self) -> String {
        let mut line = json!({
            "query": self.query,
            "window": self.window,
            "unit": self.unit,
            "readings": self.readings,
            "peers": self.peers,
            "silent": self.silent,
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
                f.write_str(&figure::told(&opened.value, &self.unit))?;
                let (answered, silent) = (self.peers.len(), self.silent.len());
                write!(
                    f,
                    " of {} readings, {answered} of {} peers answered, ",
                    self.readings,
                    answered + silent
                )?;
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

#[cfg(test)]
mod tests;
