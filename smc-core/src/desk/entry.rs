//! One query at the desk.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Saved;
use crate::digest::Digest;
use crate::name::{NodeName, QueryName};
use crate::request::{Admissible, Decision, Request, Verdict};
use crate::session::Session;
use crate::shamir::PeerIndex;
use crate::time::Timestamp;

/// How long after its end a query is remembered, so that people can look and nobody can bring it back.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// A query and how it stands at this peer.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: QueryName,
    /// What was asked; nothing for a query of the site file.
    pub asked: Option<Admissible>,
    /// What would be computed; nothing, if the site can't compute it.
    pub session: Option<Arc<Session>>,
    /// How it stands.
    pub verdict: Verdict,
    /// Why, for people.
    pub reason: String,
    /// The rule of the policy that decided.
    pub rule: Option<String>,
    /// Since when.
    pub at: Timestamp,
    /// How it stands at other peers, as far as they said.
    pub others: BTreeMap<PeerIndex, Verdict>,
}

impl Entry {
    pub(super) fn standing(session: Arc<Session>, now: Timestamp) -> Self {
        Self {
            name: session.query().name.clone(),
            asked: None,
            session: Some(session),
            verdict: Verdict::Allowed,
            reason: "in the site file".to_owned(),
            rule: None,
            at: now,
            others: BTreeMap::new(),
        }
    }

    pub(super) fn asked(asked: Admissible, session: Option<Arc<Session>>, now: Timestamp) -> Self {
        Self {
            name: asked.request.query.name.clone(),
            asked: Some(asked),
            session,
            verdict: Verdict::Denied,
            reason: String::new(),
            rule: None,
            at: now,
            others: BTreeMap::new(),
        }
    }

    /// Who asked; nobody, if it is in the site file.
    pub fn client(&self) -> Option<&NodeName> {
        self.asked.as_ref().map(|asked| &asked.request.client)
    }

    /// What was asked, if it is not in the site file.
    pub fn request(&self) -> Option<&Request> {
        self.asked.as_ref().map(|asked| &asked.request)
    }

    /// The digest of the request.
    pub fn digest(&self) -> Option<Digest> {
        self.asked.as_ref().map(|asked| asked.digest)
    }

    pub(super) fn until(&self) -> Option<Timestamp> {
        self.request().map(|request| request.until)
    }

    /// Whether its time is over, or its client ended it: it is neither computed nor counted anywhere.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.verdict, Verdict::Cancelled | Verdict::Expired)
    }

    /// When nobody has to know of it any more: a request that came again before would be decided anew.
    pub(super) fn forget_at(&self) -> Option<Timestamp> {
        let until = self.until()?;
        self.is_over().then_some(until.max(self.at) + REMEMBERED)
    }

    pub(super) fn saved(&self, decision: Decision) -> Saved {
        Saved { request: self.request().cloned(), decision }
    }
}
