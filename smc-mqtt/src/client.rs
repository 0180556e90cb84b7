//! For whoever asks: third parties that send requests to a site's peers, follow what each decides, and read results that
//! the peers vouch for (docs/queries.md).
//!
//! ```no_run
//! # async fn example(request: smc_core::request::Request) -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//! use smc_mqtt::client::{Access, Client, Notice};
//!
//! let access = Access::load(Path::new("hq/site.toml"), Path::new("hq/keys/display.key"))?;
//! let mut client = Client::connect(access, "mqtt://localhost:1883".parse()?)?;
//! let query = request.query.name.clone();
//! client.ask(request).await?;
//! while let Some(notice) = client.next().await {
//!     match notice {
//!         Notice::Decision(decision) => println!("{} {}", decision.peer, decision.verdict),
//!         Notice::Result(signed) if signed.result.query == query => println!("{:?}", signed.result.value),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Nothing is believed because of where it came from: a decision counts by its peer's signature, for the request whose
//! digest it names; a result by the signatures of a quorum of those who were the peers in its window. How the member list changed
//! is published too, and verified from the site file on. The broker can delay and drop, and bring back what is old, which
//! is passed over.

mod access;
mod error;
mod ledger;
mod proposal;
mod results;
mod standing;
#[cfg(test)]
mod testing;

use std::collections::VecDeque;
use std::sync::Arc;

use rand_core::Rng;
use smc_core::document::Signed;
use smc_core::name::{NodeName, QueryName};
use smc_core::request::{Admissible, Asked, Cancellation, Decision, Request};
use smc_core::result::{SignedResult, VERSION};
use smc_core::roster::Roster;

pub use self::access::{Access, AccessError};
pub use self::error::ClientError;
use self::ledger::Ledger;
pub use self::ledger::{Entry, MAX_DECISION, MAX_ENTRIES};
pub use self::proposal::Proposal;
use self::results::Checker;
pub use self::standing::{Outlook, Standing};
use crate::clock::Clock;
use crate::connection::{Fault, Happening, Incoming, Publisher, Refusal, connect};
use crate::entropy::{self, NoEntropy};
use crate::settings::BrokerAddress;
use crate::tally::Tally;
use crate::topic::{Topic, Topics};

/// How many notices may wait that somebody has passed over; older ones are dropped and counted.
const MAX_PASSED: usize = 256;

/// A lasting connection of somebody who asks, or looks on.
#[derive(Debug)]
pub struct Client {
    access: Access,
    clock: Clock,
    topics: Topics,
    publisher: Publisher,
    incoming: Incoming,
    ledger: Ledger,
    results: Checker,
    passed: VecDeque<Notice>,
    refused: Tally,
}

/// What a client is told.
#[derive(Debug)]
pub enum Notice {
    /// Connected; retained messages come next.
    Connected,
    /// A peer's decision, signed by it, newer than what was known.
    Decision(Decision),
    /// The connection broke, or there is none yet; attempts go on.
    Disconnected(Fault),
    /// A share of an output that is sealed for this client.
    Output {
        /// The topic, as it came.
        topic: String,
        /// The envelope.
        payload: bytes::Bytes,
    },
    /// The broker turns the client down; attempts go on.
    Refused(Refusal),
    /// A request, or the end of one, that was not known before.
    Request(NodeName, Asked),
    /// A result that the peers vouch for, newer than the ones of its query before.
    Result(Box<SignedResult>),
}

impl Client {
    /// Starts connecting to `broker`, in a task of its own. Must be called within a tokio runtime.
    ///
    /// A client hears of its own requests, anybody else of all; and all of decisions, results and what is sealed for them.
    ///
    /// # Errors
    /// If the operating system has no entropy for a client id.
    pub fn connect(access: Access, broker: BrokerAddress) -> Result<Self, NoEntropy> {
        let topics = Topics::new(access.roster().site().clone());
        let node = access.node().clone();
        let asks = access.roster().client(&node).is_some();
        // A client may be connected several times; a peer or an agent once beside its program.
        let client_id = if asks { format!("{node}-{}", word()?) } else { format!("{node}.open") };
        let settings = access.connection(broker, client_id);
        // What is retained comes filter by filter: first of all who the peers are.
        let mut filters = vec![topics.spell(&Topic::Charter), topics.decisions(), topics.results()];
        filters.push(if asks { topics.request_outbox(&node) } else { topics.requests() });
        if access.roster().recipient(&node).is_some() {
            filters.push(topics.output_inbox(&node));
        }
        let (publisher, incoming) = connect(settings, filters);
        let (ledger, results) = (Ledger::new(Arc::clone(access.roster())), Checker::default());
        let (passed, refused, clock) = (VecDeque::new(), Tally::default(), Clock::system());
        Ok(Self { access, clock, topics, publisher, incoming, ledger, results, passed, refused })
    }

    /// Signs and publishes a request; the peers' decisions come as [`Notice::Decision`].
    ///
    /// # Errors
    /// If it can't be a request of this client to this site, or can't be sent.
    pub async fn ask(&mut self, request: Request) -> Result<Admissible, ClientError> {
        let (admissible, json) = self.sign(request)?;
        let query = &admissible.request.query.name;
        self.publish(query, json).await?;
        let asked = Asked::Request(Box::new(admissible.clone()));
        self.ledger.note(self.access.node(), query, asked);
        Ok(admissible)
    }

    /// A request as it is published, for whoever sends it by other means: what the peers will make of it, and the JSON.
    ///
    /// # Errors
    /// If it can't be a request of this client to this site.
    pub fn sign(&self, request: Request) -> Result<(Admissible, Vec<u8>), ClientError> {
        self.access.sign(request)
    }

    /// Tells the peers that `query`, one of this client's requests, is not needed any longer.
    ///
    /// # Errors
    /// If no such request is known, or the cancellation can't be sent.
    pub async fn cancel(&mut self, query: &QueryName) -> Result<(), ClientError> {
        let me = self.access.node().clone();
        let entry = self.ledger.get(&me, query);
        let request =
            entry.and_then(Entry::digest).ok_or_else(|| ClientError::NotAsked { query: query.clone() })?;
        let site = self.access.roster().site().clone();
        let cancellation =
            Cancellation { v: VERSION, site, client: me.clone(), cancel: query.clone(), request };
        let json = serde_json::to_vec(&Signed::new(cancellation.clone(), self.access.key()))?;
        self.publish(query, json).await?;
        self.ledger.note(&me, query, Asked::Cancellation(cancellation));
        Ok(())
    }

    /// Takes a request of this client that is over off the broker.
    ///
    /// # Errors
    /// If that can't be sent.
    pub async fn clear(&mut self, query: &QueryName) -> Result<(), ClientError> {
        self.publish(query, Vec::new()).await
    }

    /// The next thing to know; `None` once the connection is closed for good. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Notice> {
        if let Some(passed) = self.passed.pop_front() {
            return Some(passed);
        }
        self.fresh().await
    }

    /// The next decision about `query`, one of this client's requests as it stands now. What comes meanwhile waits for
    /// [`Client::next`].
    pub async fn next_decision(&mut self, query: &QueryName) -> Option<Decision> {
        loop {
            match self.fresh().await? {
                Notice::Decision(decision) if self.concerns(query, &decision) => return Some(decision),
                other => self.pass(other),
            }
        }
    }

    /// The next result of `query` that the peers vouch for. What comes meanwhile waits for [`Client::next`].
    pub async fn next_result(&mut self, query: &QueryName) -> Option<SignedResult> {
        let of = |notice: &Notice| matches!(notice, Notice::Result(signed) if signed.result.query == *query);
        let at = self.passed.iter().position(of);
        if let Some(Notice::Result(signed)) = at.and_then(|at| self.passed.remove(at)) {
            return Some(*signed);
        }
        loop {
            match self.fresh().await? {
                Notice::Result(signed) if signed.result.query == *query => return Some(*signed),
                other => self.pass(other),
            }
        }
    }

    /// How a request stands at each peer.
    pub fn standing(&self, request: &Admissible, needs: usize) -> Standing {
        let Request { client, query, .. } = &request.request;
        let decisions =
            self.ledger.get(client, &query.name).map(|entry| entry.decisions_about(request.digest));
        Standing::new(self.access.roster(), needs, decisions.into_iter().flatten())
    }

    /// All requests and decisions that are known.
    pub fn queries(&self) -> impl Iterator<Item = (&(NodeName, QueryName), &Entry)> {
        self.ledger.iter()
    }

    /// What is known of the request `query` of `client`.
    pub fn query(&self, client: &NodeName, query: &QueryName) -> Option<&Entry> {
        self.ledger.get(client, query)
    }

    /// Who asks, of whom.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The site.
    pub fn roster(&self) -> &Arc<Roster> {
        self.access.roster()
    }

    /// What came and was not believed, or dropped, by reason.
    pub fn refused(&self) -> &Tally {
        &self.refused
    }

    /// Sends what was accepted and ends the connection; how many messages the broker did not acknowledge.
    pub async fn close(self) -> usize {
        self.publisher.close().await
    }

    /// The sending half, for what else may be published.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    async fn publish(&self, query: &QueryName, json: Vec<u8>) -> Result<(), ClientError> {
        let topic = Topic::Request { client: self.access.node().clone(), query: query.clone() };
        Ok(self.publisher.publish_wait(self.topics.spell(&topic), json, true).await?)
    }

    fn concerns(&self, query: &QueryName, decision: &Decision) -> bool {
        let entry = self.ledger.get(self.access.node(), query);
        decision.query == *query && entry.is_some_and(|entry| entry.is_about(decision))
    }

    fn pass(&mut self, notice: Notice) {
        if self.passed.len() >= MAX_PASSED {
            self.passed.pop_front();
            self.refused.count("passed_over");
        }
        self.passed.push_back(notice);
    }

    /// The next notice from the connection.
    async fn fresh(&mut self) -> Option<Notice> {
        loop {
            let (topic, payload) = match self.incoming.next().await? {
                Happening::Connected => {
                    self.introduce();
                    for (_, query) in self.access.roster().queries() {
                        self.look(&Topic::Result { query: query.name.clone() });
                    }
                    return Some(Notice::Connected);
                }
                Happening::Disconnected { reason } => return Some(Notice::Disconnected(reason)),
                Happening::Message { topic, payload, .. } => (topic, payload),
                Happening::Refused { reason } => return Some(Notice::Refused(reason)),
            };
            match self.read(topic, payload) {
                Ok(Some(notice)) => return Some(notice),
                Ok(None) => {}
                Err(reason) => {
                    if self.refused.count(reason) {
                        tracing::warn!(reason, count = self.refused.of(reason), "refused");
                    }
                }
            }
        }
    }

    /// Says which client this is. Nothing depends on it, so nobody has to know if it can't be said.
    fn introduce(&mut self) {
        let Some(introduction) = self.access.introduction(Clock::system().now()) else { return };
        let topic = self.topics.spell(&Topic::Introduction { node: self.access.node().clone() });
        if self.publisher.publish(topic, introduction, true).is_err() {
            self.refused.count("outgoing_queue_full");
        }
    }

    fn read(&mut self, topic: String, payload: bytes::Bytes) -> Result<Option<Notice>, &'static str> {
        if self.access.follow(self.clock.now()).map_err(|_| "bad_charter")? {
            self.ledger.move_to(Arc::clone(self.access.roster()));
        }
        match self.topics.parse(&topic) {
            Ok(Topic::Charter) => self.take_charters(&payload),
            Ok(Topic::Decision { peer, query }) => {
                let decision = self.ledger.decision(&peer, &query, &payload)?;
                decision.iter().for_each(|decision| self.look_behind(decision));
                Ok(decision.map(Notice::Decision))
            }
            Ok(Topic::Output { .. }) => Ok(Some(Notice::Output { topic, payload })),
            Ok(Topic::Request { client, query }) => {
                let asked = self.ledger.request(&client, &query, &payload)?;
                Ok(asked.map(|asked| Notice::Request(client, asked)))
            }
            Ok(Topic::Result { query }) => Ok(self
                .results
                .take(self.access.eras(), &query, &payload)?
                .map(|signed| Notice::Result(Box::new(signed)))),
            _ => Ok(None),
        }
    }

    /// Has what the broker keeps about `query` found, whoever asked for it. Needed where brokers hand out retained messages by name
    /// alone (docs/decisions/0027); elsewhere it comes anyway.
    pub fn look_for(&self, query: &QueryName) {
        for (_, peer) in self.access.roster().peers() {
            self.look(&Topic::Decision { peer: peer.name.clone(), query: query.clone() });
        }
        self.look(&Topic::Result { query: query.clone() });
    }

    /// Has the request that a decision is about found, if it is for this client to see, and the last result.
    fn look_behind(&self, decision: &Decision) {
        let (me, query) = (self.access.node(), decision.query.clone());
        let may_see = |client: &&NodeName| *client == me || self.access.roster().client(me).is_none();
        if let Some(client) = decision.client.clone().filter(|client| may_see(&client)) {
            let known = self.ledger.get(&client, &query).is_some_and(|entry| entry.request.is_some());
            if !known {
                self.look(&Topic::Request { client, query: query.clone() });
            }
        }
        self.look(&Topic::Result { query });
    }

    fn look(&self, topic: &Topic) {
        self.publisher.look(self.topics.spell(topic));
    }

    fn take_charters(&mut self, payload: &[u8]) -> Result<Option<Notice>, &'static str> {
        if payload.is_empty() {
            return Ok(None);
        }
        let taken = self.access.take_charters(payload, self.clock.now());
        if taken
            .inspect_err(|error| tracing::warn!(%error, "member list refused"))
            .map_err(|_| "bad_charter")?
        {
            self.ledger.move_to(Arc::clone(self.access.roster()));
        }
        Ok(None)
    }
}

/// Eight letters and digits that nobody can guess, for names that are used once.
///
/// # Errors
/// If the operating system has no entropy.
pub fn word() -> Result<String, NoEntropy> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bits = entropy::rng()?.next_u64();
    Ok((0..8).map(|at| char::from(LETTERS[(bits >> (5 * at) & 31) as usize])).collect())
}
