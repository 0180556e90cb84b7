//! What is asked of the peer, and what its operator says to that: requests, orders and others' decisions come in, its own
//! decisions go out (docs/queries.md).

use bytes::Bytes;
use serde_json::Value;
use smc_core::audit::Kind;
use smc_core::desk::{Desk, DeskEvent};
use smc_core::document::Signed;
use smc_core::name::{NodeName, QueryName};
use smc_core::order::{OrderError, Verb};
use smc_core::request::Decision;
use smc_core::time::Timestamp;
use smc_mqtt::topic::Topic;
use tracing::{info, warn};

use super::PeerError;
use super::service::Service;
use crate::quota::Excess;

impl Service {
    /// A client asks for something, or needs it no longer.
    pub(super) fn handle_request(&mut self, client: &NodeName, query: &QueryName, payload: &Bytes) {
        // Its client has cleared the topic.
        if payload.is_empty() {
            return;
        }
        let now = self.clock.now();
        if let Err(excess) = self.quotas.client(now, client) {
            if excess == Excess::FloodBegins {
                self.desk.handle_excess(now, (client, query));
            }
            return self.refuse("flood_of_requests", client.as_str());
        }
        let stands = |desk: &Desk| desk.entry(query).map(|entry| entry.verdict);
        let (before, running) = (stands(&self.desk), self.peer.sessions());
        match self.desk.handle_asked(now, (client, query), payload, running, &mut self.policy) {
            // What was known already came again with a reconnection.
            Ok(()) if stands(&self.desk) == before => {}
            Ok(()) => {
                let asked: Value = serde_json::from_slice(payload).unwrap_or_default();
                self.account.audit.record(now, Kind::Request, &asked);
            }
            Err(error) => {
                warn!(node = %self.name, %client, %query, %error, "a request that counts for nothing");
                self.refused.count(error.code());
            }
        }
    }

    /// Takes over a policy file that has changed, if it is one.
    pub(super) fn look_at_policy(&mut self, now: Timestamp) {
        match self.policy.look(now) {
            None => return,
            Some(Ok(rules)) => info!(node = %self.name, rules, "a changed policy is in force"),
            Some(Err(mistake)) => {
                self.refused.count("bad_policy");
                warn!(node = %self.name, "the changed policy has a mistake; the last good one stays in force: {mistake}");
            }
        }
        self.record_policy(now);
        if let Some(board) = &mut self.board {
            board.touch();
        }
    }

    /// Logs which policy is in force, and what is wrong with the one that should be.
    pub(super) fn record_policy(&mut self, now: Timestamp) {
        if let Some(read) = self.policy.record() {
            self.account.audit.record(now, Kind::Policy, &read);
        }
    }

    /// The operator of this peer says what to do, about a query or a change of the member list.
    ///
    /// # Errors
    /// If what this peer signs because of it can't be kept.
    pub(super) fn handle_order(&mut self, payload: &Bytes) -> Result<(), PeerError> {
        if payload.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let order = match self.orders.take(now, payload) {
            Ok(order) => order,
            // A retained order comes again on every connection.
            Err(OrderError::NotNew) => return Ok(()),
            Err(error) => {
                warn!(node = %self.name, %error, "an order that is not followed");
                self.refuse("bad_order", self.name.clone().as_str());
                return Ok(());
            }
        };
        self.disk.order(order.issued);
        let given: Value = serde_json::from_slice(payload).unwrap_or_default();
        self.account.audit.record(now, Kind::Intervention, &given);
        info!(
            node = %self.name, order = %order.order, subject = %order.subject, reason = %order.reason,
            "the operator's order"
        );
        match order.order {
            Verb::Consent | Verb::Refuse => {
                return self.handle_word(now, order.order == Verb::Consent, order.subject);
            }
            Verb::Approve | Verb::Deny | Verb::Pause | Verb::Resume | Verb::Withdraw => {}
        }
        let Ok(query) = order.subject.as_str().parse() else { return Ok(()) };
        if let Err(refused) = self.follow(order.order, &query, order.reason.as_str()) {
            warn!(node = %self.name, order = %order.order, %query, %refused, "an order that is not followed");
            self.refuse("order_not_followed", query.as_str());
        }
        Ok(())
    }

    /// Does what the operator says about a query.
    ///
    /// # Errors
    /// If it makes no sense for this query now.
    pub(super) fn follow(
        &mut self,
        verb: Verb,
        query: &QueryName,
        reason: &str,
    ) -> Result<(), smc_core::desk::OrderRefused> {
        let now = self.clock.now();
        self.desk.handle_order(now, verb, query, reason, self.peer.sessions())
    }

    /// Another peer has decided.
    pub(super) fn handle_decision(&mut self, peer: &NodeName, query: &QueryName, payload: &Bytes) {
        if payload.is_empty() || *peer == self.name {
            return;
        }
        let index = self.roster.peer_named(peer.as_str());
        let Some((index, node)) = index.and_then(|index| Some((index, self.roster.peer(index)?))) else {
            return self.refuse("decision_of_no_peer", peer.as_str());
        };
        let signed: Option<Signed<Decision>> = serde_json::from_slice(payload).ok();
        let decision = signed.and_then(|signed| signed.verified(&node.identity));
        match decision.filter(|told| (&told.peer, &told.query) == (peer, query)) {
            Some(decision) => {
                if let Some(client) = &decision.client {
                    self.look_for_request(client, query);
                }
                self.desk.handle_decision(index, &decision);
            }
            None => self.refuse("bad_decision", peer.as_str()),
        }
    }

    /// Hands the peer what it is to compute from the next window on, and writes and logs decisions before anybody hears of
    /// them.
    pub(super) async fn drain_desk(&mut self) -> Result<(), PeerError> {
        let mut told = Vec::new();
        while let Some(event) = self.desk.poll_event() {
            match event {
                DeskEvent::Answered { decision } => {
                    // Of strangers there may be any number.
                    let known =
                        decision.client.as_ref().is_some_and(|client| self.roster.client(client).is_some());
                    told.push((self.sign(decision, known), false));
                }
                DeskEvent::Decided { saved, decision } => {
                    info!(
                        node = %self.name, query = %decision.query, verdict = %decision.verdict,
                        reason = decision.reason, "decided"
                    );
                    self.disk.decide(decision.query.clone(), Some(*saved));
                    if let Some(board) = &mut self.board {
                        board.decided(&decision);
                    }
                    told.push((self.sign(decision, true), true));
                }
                DeskEvent::Forget { query } => {
                    self.disk.decide(query.clone(), None);
                    self.publish(&Topic::Decision { peer: self.name.clone(), query }, Bytes::new());
                }
                DeskEvent::Start { session, computed } => {
                    if self.peer.start(session, computed).is_err() {
                        self.refuse("too_many_sessions", "");
                    }
                    self.wish_anew();
                }
                DeskEvent::Withdraw { query } => self.clear(&query),
            }
        }
        if !told.is_empty() || self.disk.has_decisions() {
            self.account.audit.commit(self.clock.now()).await?;
        }
        if self.disk.has_decisions() {
            self.disk.commit(self.clock.now()).await?;
            self.mind_disk();
        }
        for (decision, retain) in told {
            self.tell_decision(&decision, retain);
        }
        Ok(())
    }

    /// Says again how all that was asked stands, and what of the site file does not run.
    pub(super) fn tell_decisions(&mut self) {
        let worth = |entry: &&smc_core::desk::Entry| {
            entry.client().is_some() || entry.verdict != smc_core::request::Verdict::Allowed
        };
        let decisions: Vec<_> =
            self.desk.entries().filter(worth).map(|entry| self.desk.decision(entry)).collect();
        for decision in decisions {
            let signed = self.sign(decision, false);
            self.tell_decision(&signed, true);
        }
    }

    fn sign(&mut self, decision: Decision, logged: bool) -> Signed<Decision> {
        let signed = Signed::new(decision, &self.signing);
        if logged {
            self.account.audit.record(self.clock.now(), Kind::Decision, &signed);
        }
        signed
    }

    fn tell_decision(&mut self, signed: &Signed<Decision>, retain: bool) {
        let topic = Topic::Decision { peer: self.name.clone(), query: signed.document.query.clone() };
        let topic = self.topics.spell(&topic);
        let json = serde_json::to_vec(signed).unwrap_or_default();
        self.publish_to(topic, json.into(), retain);
    }

    /// Nobody computes a session any more: its entities go, and so does its last result.
    fn clear(&mut self, query: &QueryName) {
        let known = self.peer.sessions().get(query).map(|known| known.session.clone());
        self.peer.withdraw(query);
        if let Some(session) = known {
            self.take_back(&session);
            self.clear_homie(&session);
            self.clear_result(query);
            self.wish_anew();
        }
    }

    /// Clears what the broker keeps of a query's results.
    pub(super) fn clear_result(&mut self, query: &QueryName) {
        self.publish(&Topic::Result { query: query.clone() }, Bytes::new());
        self.publish(&Topic::ResultState { query: query.clone() }, Bytes::new());
    }
}
