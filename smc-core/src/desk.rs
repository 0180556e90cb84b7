//! A peer's desk: what is asked of it, what it decided, and what its operator says to that (docs/queries.md).
//!
//! A state machine without I/O: requests, orders, other peers' decisions and instants go in, decisions and changes of
//! sessions come out. It decides for this peer alone. A session comes about where a quorum of peers decided alike: each
//! says in its inventories what it computes, and the plan of a window counts.

mod entry;
mod event;
mod judge;
mod moving;
mod saved;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use self::entry::Entry;
pub use self::event::{DeskEvent, OrderRefused};
pub use self::judge::{Judge, Judgement, Outcome, Running};
pub use self::saved::Saved;
use crate::digest::Digest;
use crate::name::{NodeName, QueryName};
use crate::order::Verb;
use crate::request::{Admissible, Asked, Cancellation, Decision, RequestError, Verdict};
use crate::result::{ResultDocument, Status, VERSION};
use crate::roster::Roster;
use crate::session::{Session, SessionError, Sessions};
use crate::shamir::PeerIndex;
use crate::time::Timestamp;

/// How many requests of one client are remembered at a time.
pub const MAX_PER_CLIENT: usize = 200;
/// How many requests are remembered at a time.
pub const MAX_REQUESTS: usize = 2_000;

/// What is asked of a peer, and how it stands.
#[derive(Debug)]
pub struct Desk {
    roster: Arc<Roster>,
    me: NodeName,
    entries: BTreeMap<QueryName, Entry>,
    events: VecDeque<DeskEvent>,
}

impl Desk {
    /// The desk of the peer `me`: with the queries of the site file, which are allowed, and what it remembers of an earlier
    /// life. What does not fit the site any more is left out.
    pub fn new(roster: Arc<Roster>, me: NodeName, saved: Vec<Saved>, now: Timestamp) -> Self {
        let standing = roster.queries().map(|(index, query)| {
            (query.name.clone(), Entry::standing(Arc::new(Session::standing(&roster, index)), now))
        });
        let entries = standing.collect();
        let mut desk = Self { roster, me, entries, events: VecDeque::new() };
        for saved in saved {
            desk.restore(saved);
        }
        desk.handle_timeout(now);
        desk
    }

    /// Takes in what came on the topic of `client` and `query`, and decides. `running` are the sessions of the peer.
    ///
    /// # Errors
    /// What is wrong with it; the client is told, if there is anything to tell it about.
    pub fn handle_asked(
        &mut self,
        now: Timestamp,
        (client, query): (&NodeName, &QueryName),
        json: &[u8],
        running: &Sessions,
        judge: &mut impl Judge,
    ) -> Result<(), RequestError> {
        let opened = Asked::open(&self.roster, client, query, json).and_then(|asked| match asked {
            Asked::Request(request) => request.is_due(now).map(|()| Asked::Request(request)),
            Asked::Cancellation(cancellation) => Ok(Asked::Cancellation(cancellation)),
        });
        match opened {
            Ok(Asked::Request(asked)) => self.decide(now, *asked, running, judge),
            Ok(Asked::Cancellation(cancellation)) => self.cancel(now, &cancellation),
            Err(error) => {
                // Nothing is remembered, so whoever may be behind it can't push anything out, or stand in anybody's way.
                self.answer(now, client, query, None, error.to_string());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Tells a client that more came from it at once than is read, on the topic of what was not.
    pub fn handle_excess(&mut self, now: Timestamp, (client, query): (&NodeName, &QueryName)) {
        let reason =
            format!("more requests of `{client}` came at once than are read; send it again in a minute");
        self.answer(now, client, query, None, reason);
    }

    /// Does what the operator says about a query.
    ///
    /// # Errors
    /// If it makes no sense for this query now.
    pub fn handle_order(
        &mut self,
        now: Timestamp,
        verb: Verb,
        query: &QueryName,
        reason: &str,
        running: &Sessions,
    ) -> Result<(), OrderRefused> {
        let entry = self.entries.get(query).ok_or(OrderRefused::Unknown)?;
        let verdict = match (verb, entry.verdict) {
            (Verb::Approve, Verdict::Asked | Verdict::Denied) | (Verb::Resume, Verdict::Paused) => {
                Verdict::Allowed
            }
            (Verb::Deny, Verdict::Asked) => Verdict::Denied,
            (Verb::Pause, Verdict::Allowed) => Verdict::Paused,
            (Verb::Withdraw, Verdict::Allowed | Verdict::Asked | Verdict::Paused) => Verdict::Withdrawn,
            (_, have) => return Err(OrderRefused::NotNow { have }),
        };
        let session = entry.session.clone().ok_or(OrderRefused::NoSession)?;
        if verdict == Verdict::Allowed {
            running.admit(&self.roster, &session).map_err(OrderRefused::Session)?;
        }
        let words = match reason.trim() {
            "" => format!("the operator of {} says: {verb}", self.me),
            reason => format!("the operator of {} says: {verb}, {reason}", self.me),
        };
        self.settle(now, query, verdict, words, None);
        Ok(())
    }

    /// Notes what another peer decided. It counts for nothing here but is shown.
    pub fn handle_decision(&mut self, from: PeerIndex, decision: &Decision) {
        let Some(entry) = self.entries.get_mut(&decision.query) else { return };
        if decision.request == entry.digest() {
            entry.others.insert(from, decision.verdict);
        }
    }

    /// Notes a result that this peer signed: of a query that one value is enough for, the last.
    pub fn handle_result(&mut self, now: Timestamp, result: &ResultDocument) {
        let Some(entry) = self.entries.get(&result.query) else { return };
        let once = entry.session.as_ref().is_some_and(|session| session.once());
        if once && entry.verdict == Verdict::Allowed && result.status == Status::Ok {
            let reason = "one value was asked for, and it was given".to_owned();
            self.settle(now, &result.query, Verdict::Done, reason, None);
        }
    }

    /// Ends what is over, and forgets it a day later.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let over = |entry: &&Entry| !entry.is_over() && entry.until().is_some_and(|until| until <= now);
        let over: Vec<_> = self.entries.values().filter(over).map(|entry| entry.name.clone()).collect();
        for query in over {
            self.settle(now, &query, Verdict::Expired, "its time is over".to_owned(), None);
        }
        let gone = |entry: &&Entry| entry.forget_at().is_some_and(|instant| instant <= now);
        let gone: Vec<_> = self.entries.values().filter(gone).map(|entry| entry.name.clone()).collect();
        for query in gone {
            self.entries.remove(&query);
            self.events.push_back(DeskEvent::Withdraw { query: query.clone() });
            self.events.push_back(DeskEvent::Forget { query });
        }
    }

    /// When [`Desk::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let due = |entry: &Entry| if entry.is_over() { entry.forget_at() } else { entry.until() };
        self.entries.values().filter_map(due).min()
    }

    /// The next thing to do or to tell.
    pub fn poll_event(&mut self) -> Option<DeskEvent> {
        self.events.pop_front()
    }

    /// Everything that is remembered, by name.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// One of them.
    pub fn entry(&self, query: &QueryName) -> Option<&Entry> {
        self.entries.get(query)
    }

    /// What this peer says about `query`, for those who come later.
    pub fn decision(&self, entry: &Entry) -> Decision {
        Decision {
            v: VERSION,
            site: self.roster.site().clone(),
            peer: self.me.clone(),
            query: entry.name.clone(),
            client: entry.client().cloned(),
            request: entry.digest(),
            verdict: entry.verdict,
            reason: entry.reason.clone(),
            rule: entry.rule.clone(),
            at: entry.at,
        }
    }

    fn decide(&mut self, now: Timestamp, asked: Admissible, running: &Sessions, judge: &mut impl Judge) {
        let (query, client) = (asked.request.query.name.clone(), asked.request.client.clone());
        if let Some(known) = self.entries.get(&query) {
            // What was decided stands, however often it is asked; another request needs another name.
            if known.digest() != Some(asked.digest) {
                let reason = SessionError::NameTaken { name: query.clone() }.to_string();
                self.answer(now, &client, &query, Some(asked.digest), reason);
            }
            return;
        }
        let of_client = self.entries.values().filter(|entry| entry.client() == Some(&client)).count();
        if of_client >= MAX_PER_CLIENT || self.entries.len() >= MAX_REQUESTS {
            let reason =
                format!("{of_client} requests of `{client}` are remembered; wait until some are over");
            return self.answer(now, &client, &query, Some(asked.digest), reason);
        }
        if !running.has_room_for(&query) {
            return self.answer(now, &client, &query, Some(asked.digest), SessionError::TooMany.to_string());
        }
        let session = Session::asked(&self.roster, &asked).map(Arc::new);
        let judgement = match &session {
            Err(error) => Judgement::deny(error.to_string()),
            Ok(session) => match running.admit(&self.roster, session) {
                Err(error) => Judgement::deny(error.to_string()),
                Ok(()) => judge.judge(&asked.request, session, self.running(&client), now),
            },
        };
        let verdict = match judgement.outcome {
            Outcome::Allow => Verdict::Allowed,
            Outcome::Ask => Verdict::Asked,
            Outcome::Deny => Verdict::Denied,
        };
        let entry = Entry::asked(asked, session.ok(), now);
        self.entries.insert(query.clone(), entry);
        self.settle(now, &query, verdict, judgement.reason, judgement.rule);
    }

    /// How many asked-for queries this peer computes.
    fn running(&self, client: &NodeName) -> Running {
        let allowed =
            || self.entries.values().filter(|e| e.verdict == Verdict::Allowed && e.client().is_some());
        let of_client = allowed().filter(|entry| entry.client() == Some(client)).count();
        Running { all: allowed().count(), client: of_client }
    }

    fn cancel(&mut self, now: Timestamp, cancellation: &Cancellation) {
        let query = &cancellation.cancel;
        let fits = |entry: &&Entry| {
            entry.client() == Some(&cancellation.client) && entry.digest() == Some(cancellation.request)
        };
        match self.entries.get(query).filter(fits).map(Entry::is_over) {
            Some(false) => {
                let reason = format!("{} needs it no longer", cancellation.client);
                self.settle(now, query, Verdict::Cancelled, reason, None);
            }
            Some(true) => {}
            None => {
                let reason = "there is no such request here to cancel".to_owned();
                self.answer(now, &cancellation.client, query, Some(cancellation.request), reason);
            }
        }
    }

    /// `query` stands like this from now on: tells everybody, and has the peer compute it or not.
    fn settle(
        &mut self,
        now: Timestamp,
        query: &QueryName,
        verdict: Verdict,
        reason: String,
        rule: Option<String>,
    ) {
        let Some(entry) = self.entries.get_mut(query) else { return };
        (entry.verdict, entry.reason, entry.rule, entry.at) = (verdict, reason, rule, now);
        self.apply(query);
        let Some(entry) = self.entries.get(query) else { return };
        let decision = self.decision(entry);
        self.events
            .push_back(DeskEvent::Decided { saved: Box::new(entry.saved(decision.clone())), decision });
    }

    /// Tells the peer how a query stands.
    fn apply(&mut self, query: &QueryName) {
        let Some(entry) = self.entries.get(query) else { return };
        match entry.session.clone() {
            // Others may compute it: what they release counts when this peer releases anything beside.
            Some(session) if !matches!(entry.verdict, Verdict::Cancelled | Verdict::Expired) => {
                let computed = entry.verdict == Verdict::Allowed;
                self.events.push_back(DeskEvent::Start { session, computed });
            }
            _ => self.events.push_back(DeskEvent::Withdraw { query: query.clone() }),
        }
    }

    fn restore(&mut self, saved: Saved) {
        let Saved { request, decision } = saved;
        let query = decision.query.clone();
        if let Some(request) = request {
            let Some(digest) = decision.request.filter(|_| decision.client.as_ref() == Some(&request.client))
            else {
                return;
            };
            let asked = Admissible { request, digest };
            let session = Session::asked(&self.roster, &asked).ok().map(Arc::new);
            self.entries.insert(query.clone(), Entry::asked(asked, session, decision.at));
        }
        let Some(entry) = self.entries.get_mut(&query) else { return };
        (entry.verdict, entry.reason, entry.rule, entry.at) =
            (decision.verdict, decision.reason, decision.rule, decision.at);
        let is_orphan = entry.client().is_some_and(|client| self.roster.client(client).is_none());
        if is_orphan && matches!(entry.verdict, Verdict::Allowed | Verdict::Asked | Verdict::Paused) {
            entry.verdict = Verdict::Denied;
            entry.reason = "who asked is no client of the site any more".to_owned();
        } else if entry.verdict == Verdict::Allowed && entry.session.is_none() {
            entry.verdict = Verdict::Denied;
            entry.reason = "the site has changed, and it does not fit it any more".to_owned();
        }
        self.apply(&query);
    }

    /// Tells a client why nothing comes of what it sent. Not remembered, and so not retained either.
    fn answer(
        &mut self,
        now: Timestamp,
        client: &NodeName,
        query: &QueryName,
        request: Option<Digest>,
        reason: String,
    ) {
        let decision = Decision {
            v: VERSION,
            site: self.roster.site().clone(),
            peer: self.me.clone(),
            query: query.clone(),
            client: Some(client.clone()),
            request,
            verdict: Verdict::Denied,
            reason,
            rule: None,
            at: now,
        };
        self.events.push_back(DeskEvent::Answered { decision });
    }
}
