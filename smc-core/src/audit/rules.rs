//! What must have come before what: every result was asked for, allowed, voted for, and is the only one.

use std::collections::{BTreeMap, VecDeque};

use super::check::Finding;
use super::content::Content;
use super::entry::{Entry, Kind};
use super::head::Head;
use super::instant;
use super::record::{StartedQuery, Voted, cohort_digest};
use super::unfit::Unfit;
use crate::digest::Digest;
use crate::document::Signed;
use crate::name::{NodeName, QuantityName, QueryName};
use crate::request::{Admissible, Asked, Decision, Verdict};
use crate::result::{SignedResult, Status};
use crate::roster::document::QueryTable;
use crate::time::{Timestamp, WindowIndex};

/// For how many windows it is kept in mind how they were voted on and what they came to. At most two of a quantity are
/// computed at a time.
const WINDOWS: usize = 64;

/// What has been logged so far, as far as rules hang on it.
#[derive(Debug)]
pub(super) struct Rules {
    me: NodeName,
    /// Questions by name: those of the site file, as of the last start, and those that clients asked.
    standing: BTreeMap<QueryName, StartedQuery>,
    requested: BTreeMap<QueryName, Question>,
    votes: BTreeMap<QuantityName, Votes>,
    values: BTreeMap<QueryName, Windows>,
    /// The newest head of each other peer, and where it was logged.
    heads: BTreeMap<NodeName, (u64, Head)>,
    started: bool,
}

/// A question of a client.
#[derive(Debug)]
struct Question {
    /// Of the request: what is decided about another one of this name is not about this one.
    digest: Digest,
    function: String,
    quantity: QuantityName,
    allowed: bool,
    /// Since when it is not to be answered any more.
    stopped: Option<Timestamp>,
}

/// The votes on one quantity.
#[derive(Debug, Default)]
struct Votes {
    cohort: Option<Digest>,
    windows: Windows,
}

/// The newest windows of which something was logged.
#[derive(Debug, Default)]
struct Windows(VecDeque<WindowIndex>);

impl Rules {
    pub(super) fn new(me: NodeName) -> Self {
        Self {
            me,
            standing: BTreeMap::new(),
            requested: BTreeMap::new(),
            votes: BTreeMap::new(),
            values: BTreeMap::new(),
            heads: BTreeMap::new(),
            started: false,
        }
    }

    /// Takes in the next entry; returns what it proves about another peer.
    ///
    /// # Errors
    /// Why it does not go with those before.
    pub(super) fn take(&mut self, entry: &Entry, content: Content) -> Result<Option<Finding>, Unfit> {
        let (seq, time) = (entry.seq, entry.time);
        match content {
            Content::Start(started) => {
                self.started = true;
                self.standing =
                    started.queries.into_iter().map(|query| (query.name.clone(), query)).collect();
                self.votes.values_mut().for_each(|votes| votes.cohort = None);
            }
            // A peer logs what led to its list before it starts with that.
            Content::Charter => {}
            _ if !self.started => return Err(Unfit::NoStart),
            // That a client needs it no longer is for the peer to decide.
            Content::Asked(Asked::Cancellation(_)) | Content::Policy => {}
            Content::Asked(Asked::Request(asked)) => self.ask(*asked),
            Content::Decision(decision) => {
                self.is_own(Kind::Decision, &decision.peer)?;
                self.decide(&decision, time);
            }
            Content::Head(head) => return Ok(self.hold(seq, *head)),
            Content::Order(order) => self.is_own(Kind::Intervention, &order.peer)?,
            Content::Result(result) => self.justify(&result)?,
            Content::Vote(vote) => self.vote(vote)?,
        }
        Ok(None)
    }

    /// What a peer logs as its own word must be its own.
    fn is_own(&self, kind: Kind, peer: &NodeName) -> Result<(), Unfit> {
        if *peer == self.me { Ok(()) } else { Err(Unfit::Other { kind, peer: peer.clone() }) }
    }

    fn ask(&mut self, Admissible { request, digest }: Admissible) {
        let QueryTable { name, function, quantity, .. } = request.query;
        let question = Question { digest, function, quantity, allowed: false, stopped: None };
        self.requested.insert(name, question);
    }

    fn decide(&mut self, decision: &Decision, time: Timestamp) {
        let asked = self.requested.get_mut(&decision.query);
        let Some(asked) = asked.filter(|asked| decision.request == Some(asked.digest)) else { return };
        match decision.verdict {
            Verdict::Allowed => (asked.allowed, asked.stopped) = (true, None),
            // Whoever is asked has not answered, and lets nothing begin or end.
            Verdict::Asked => {}
            Verdict::Cancelled
            | Verdict::Denied
            | Verdict::Done
            | Verdict::Expired
            | Verdict::Paused
            | Verdict::Withdrawn => asked.stopped = Some(time),
        }
    }

    /// Holds a head against the one before of the same peer.
    fn hold(&mut self, seq: u64, head: Signed<Head>) -> Option<Finding> {
        let (head, peer) = (head.document.clone(), head.document.peer);
        if let Some((earlier, before)) = self.heads.get(&peer)
            && let Err(forked) = head.follows(before)
        {
            return Some(Finding { peer, forked, entries: (*earlier, seq) });
        }
        self.heads.insert(peer, (seq, head));
        None
    }

    fn vote(&mut self, vote: Voted) -> Result<(), Unfit> {
        let Voted { quantity, window, cohort, members, .. } = vote;
        let votes = self.votes.entry(quantity.clone()).or_default();
        let stated = members.as_ref().map(cohort_digest).or(votes.cohort);
        if stated != Some(cohort) {
            return Err(Unfit::Cohort { quantity });
        }
        votes.cohort = Some(cohort);
        if votes.windows.note(window) { Ok(()) } else { Err(Unfit::TwoVotes { quantity, window }) }
    }

    fn justify(&mut self, signed: &SignedResult) -> Result<(), Unfit> {
        let result = &signed.result;
        let (query, window) = (result.query.clone(), result.window.index);
        self.asked(signed)?;
        if !signed.signatures.contains_key(&self.me) {
            return Err(Unfit::NotSigned { query, window });
        }
        if result.status != Status::Ok {
            return Ok(());
        }
        let votes = self.votes.get(&result.quantity);
        if !votes.is_some_and(|votes| votes.windows.contains(window)) {
            return Err(Unfit::NotVoted { query, quantity: result.quantity.clone(), window });
        }
        let only = self.values.entry(query.clone()).or_default().note(window);
        if only { Ok(()) } else { Err(Unfit::TwoResults { query, window }) }
    }

    /// Whether somebody asked for a result, and this peer allowed it.
    fn asked(&self, signed: &SignedResult) -> Result<(), Unfit> {
        let result = &signed.result;
        let query = || result.query.clone();
        let same = |function: &str, quantity: &QuantityName| {
            let same = (function, quantity) == (result.function.as_str(), &result.quantity);
            if same { Ok(()) } else { Err(Unfit::OtherQuestion { query: query() }) }
        };
        if let Some(standing) = self.standing.get(&result.query) {
            return same(&standing.function, &standing.quantity);
        }
        let asked =
            self.requested.get(&result.query).ok_or_else(|| Unfit::NotRequested { query: query() })?;
        same(&asked.function, &asked.quantity)?;
        if result.status != Status::Ok {
            return Ok(());
        }
        if !asked.allowed {
            return Err(Unfit::NotAllowed { query: query() });
        }
        let begins = instant::parse(&result.window.start);
        match (asked.stopped, begins) {
            (Some(stopped), Some(begins)) if begins < stopped => Ok(()),
            (Some(_), _) => Err(Unfit::Stopped { query: query() }),
            (None, _) => Ok(()),
        }
    }
}

impl Windows {
    /// Notes that something was logged of a window; whether nothing had been.
    fn note(&mut self, window: WindowIndex) -> bool {
        if self.contains(window) {
            return false;
        }
        if self.0.len() == WINDOWS {
            self.0.pop_front();
        }
        self.0.push_back(window);
        true
    }

    fn contains(&self, window: WindowIndex) -> bool {
        self.0.contains(&window)
    }
}
