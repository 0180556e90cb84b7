//! What is known of requests and decisions: only what is signed by whom it claims to be from.

use std::collections::BTreeMap;
use std::sync::Arc;

use smc_core::digest::Digest;
use smc_core::document::Signed;
use smc_core::name::{NodeName, QueryName};
use smc_core::request::{Admissible, Asked, Cancellation, Decision};
use smc_core::result::VERSION;
use smc_core::roster::Roster;

/// The longest decision, in bytes.
pub const MAX_DECISION: usize = 4096;
/// How many requests are kept in mind; what is said about others is dropped and counted.
pub const MAX_ENTRIES: usize = 16_384;

/// A request, and what peers said to it.
#[derive(Debug, Default)]
pub struct Entry {
    /// What is asked, if the broker still has it.
    pub request: Option<Admissible>,
    /// That it is asked no longer, if that is so.
    pub cancellation: Option<Cancellation>,
    /// The newest decision of each peer, whichever request of this name it is about.
    pub decisions: BTreeMap<NodeName, Decision>,
}

impl Entry {
    /// What decisions call the request.
    pub fn digest(&self) -> Option<Digest> {
        let cancelled = || self.cancellation.as_ref().map(|cancellation| cancellation.request);
        self.request.as_ref().map(|request| request.digest).or_else(cancelled)
    }

    /// Whether `decision` is about the request as it stands. Of what could not be read no digest can be told.
    pub fn is_about(&self, decision: &Decision) -> bool {
        decision.request.is_none() || decision.request == self.digest()
    }

    /// The decisions about the request called `digest`.
    pub fn decisions_about(&self, digest: Digest) -> impl Iterator<Item = &Decision> {
        self.decisions.values().filter(move |decision| decision.request.is_none_or(|about| about == digest))
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Ledger {
    roster: Arc<Roster>,
    entries: BTreeMap<(NodeName, QueryName), Entry>,
}

impl Ledger {
    pub(super) fn new(roster: Arc<Roster>) -> Self {
        Self { roster, entries: BTreeMap::new() }
    }

    /// Goes by another member list from now on.
    pub(super) fn move_to(&mut self, roster: Arc<Roster>) {
        self.roster = roster;
    }

    pub(super) fn get(&self, client: &NodeName, query: &QueryName) -> Option<&Entry> {
        self.entries.get(&(client.clone(), query.clone()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&(NodeName, QueryName), &Entry)> {
        self.entries.iter()
    }

    /// Takes in what came on the topic of a request; what is new in it.
    ///
    /// # Errors
    /// What it is counted as.
    pub(super) fn request(
        &mut self,
        client: &NodeName,
        query: &QueryName,
        payload: &[u8],
    ) -> Result<Option<Asked>, &'static str> {
        if payload.is_empty() {
            let key = (client.clone(), query.clone());
            if let Some(entry) = self.entries.get_mut(&key) {
                (entry.request, entry.cancellation) = (None, None);
                if entry.decisions.is_empty() {
                    self.entries.remove(&key);
                }
            }
            return Ok(None);
        }
        let asked = Asked::open(&self.roster, client, query, payload).map_err(|error| error.code())?;
        Ok(self.note(client, query, asked.clone()).then_some(asked))
    }

    /// Notes what is asked; whether it is new.
    pub(super) fn note(&mut self, client: &NodeName, query: &QueryName, asked: Asked) -> bool {
        let Some(entry) = self.entry(client, query) else { return false };
        match asked {
            Asked::Cancellation(cancellation) => {
                let new = entry.cancellation.as_ref() != Some(&cancellation);
                entry.cancellation = Some(cancellation);
                new
            }
            Asked::Request(request) => {
                let new = entry.request.as_ref() != Some(&*request);
                if new {
                    entry.cancellation = None;
                    entry.request = Some(*request);
                }
                new
            }
        }
    }

    /// Takes in what came on the topic of a decision; the decision, if it is newer than what was known.
    ///
    /// # Errors
    /// What it is counted as.
    pub(super) fn decision(
        &mut self,
        peer: &NodeName,
        query: &QueryName,
        payload: &[u8],
    ) -> Result<Option<Decision>, &'static str> {
        if payload.is_empty() {
            self.forget(peer, query);
            return Ok(None);
        }
        if payload.len() > MAX_DECISION {
            return Err("decision_malformed");
        }
        let node = self.roster.peer_named(peer.as_str()).and_then(|index| self.roster.peer(index));
        let key = node.ok_or("decision_of_a_stranger")?.identity;
        let signed: Signed<Decision> = serde_json::from_slice(payload).map_err(|_| "decision_malformed")?;
        let decision = signed.verified(&key).ok_or("decision_forged")?;
        let meant = (&decision.peer, &decision.query, &decision.site) == (peer, query, self.roster.site());
        if !meant || decision.v != VERSION {
            return Err("decision_elsewhere");
        }
        // About a query of the site file: it is told and not kept, since nobody here asked for it.
        let Some(client) = decision.client.clone() else { return Ok(Some(decision)) };
        let entry = self.entry(&client, query).ok_or("too_many_requests")?;
        match entry.decisions.get(peer) {
            Some(known) if *known == decision => return Ok(None),
            Some(known) if known.at >= decision.at => return Err("decision_outdated"),
            _ => {}
        }
        entry.decisions.insert(peer.clone(), decision.clone());
        Ok(Some(decision))
    }

    /// A peer has taken its decision back.
    fn forget(&mut self, peer: &NodeName, query: &QueryName) {
        for ((_, of), entry) in &mut self.entries {
            if of == query {
                entry.decisions.remove(peer);
            }
        }
        self.entries.retain(|_, entry| {
            entry.request.is_some() || entry.cancellation.is_some() || !entry.decisions.is_empty()
        });
    }

    /// The entry of a request, new if need be and there is room.
    fn entry(&mut self, client: &NodeName, query: &QueryName) -> Option<&mut Entry> {
        let key = (client.clone(), query.clone());
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&key) {
            return None;
        }
        Some(self.entries.entry(key).or_default())
    }
}

#[cfg(test)]
mod tests;
