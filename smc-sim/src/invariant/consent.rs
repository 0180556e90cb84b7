//! docs/protocol.md, 4.3 and 4.7: a peer computes a query that was asked for only if it had allowed it, by what it told
//! everybody, when it closed the window; and there is no result unless a quorum of peers had.

use std::collections::{BTreeMap, BTreeSet};

use smc_core::message::{PeerMessage, Purpose};
use smc_core::name::{QuantityName, QueryName};
use smc_core::peers::PeerSet;
use smc_core::request::Verdict;
use smc_core::shamir::PeerIndex;
use smc_core::time::WindowIndex;

use super::{Cursor, Invariant, View, values};
use crate::world::{Content, Sender};

/// What honest peers decided, and what they had allowed when they closed which window.
#[derive(Default)]
pub(super) struct Consent {
    sent: Cursor,
    decided: Cursor,
    told: Cursor,
    allowed: BTreeSet<(PeerIndex, QueryName)>,
    closed: BTreeMap<(PeerIndex, QuantityName, WindowIndex), BTreeSet<QueryName>>,
}

impl Invariant for Consent {
    fn name(&self) -> &'static str {
        "consent"
    }

    fn check(&mut self, view: &View<'_>) -> Result<(), String> {
        let first = self.sent.0;
        for (at, (_, packet)) in (first..).zip(self.sent.unread(&view.world.log.sent)) {
            let (Sender::Peer(from), Content::Peer(message)) = (packet.from, &packet.content) else {
                continue;
            };
            if view.is_honest(from) {
                self.decide_until(view, at);
                self.says(view, from, message)?;
            }
        }
        self.decide_until(view, usize::MAX);
        for told in values(view, self.told.unread(&view.world.log.results)) {
            let result = &told.signed.result;
            let named = result.peers.iter().filter_map(|name| view.world.roster.peer_named(name.as_str()));
            let (peers, need) = (named.collect::<PeerSet>(), view.world.roster.quorum().size());
            let did = |peer| {
                !view.is_honest(peer) || self.had_allowed(view, peer, &result.query, result.window.index)
            };
            let have = peers.iter().filter(|&peer| did(peer)).count();
            if have < need || have < peers.len() {
                let (query, window) = (&result.query, result.window.index);
                return Err(format!(
                    "{query} in {window}: {have} of {peers:?} allowed it, not {need} at least"
                ));
            }
        }
        Ok(())
    }
}

impl Consent {
    /// Takes note of what was decided before so many messages had been sent.
    fn decide_until(&mut self, view: &View<'_>, sent: usize) {
        let decided = &view.world.log.decided;
        while let Some((_, peer, decision)) =
            decided.get(self.decided.0).filter(|(before, ..)| *before <= sent)
        {
            let of = (*peer, decision.query.clone());
            if decision.verdict == Verdict::Allowed {
                self.allowed.insert(of);
            } else {
                self.allowed.remove(&of);
            }
            self.decided.0 += 1;
        }
    }

    fn says(&mut self, view: &View<'_>, from: PeerIndex, message: &PeerMessage) -> Result<(), String> {
        let (query, window) = match message {
            PeerMessage::Inventory(inventory) => {
                let of = (from, inventory.document.quantity.clone(), inventory.document.window);
                let allowed = self.allowed.iter().filter(|(peer, _)| *peer == from);
                // The first counts: what is decided later is for the next window.
                self.closed.entry(of).or_insert_with(|| allowed.map(|(_, query)| query.clone()).collect());
                return Ok(());
            }
            PeerMessage::Endorsement(endorsement) => (&endorsement.query, endorsement.window),
            PeerMessage::Partial(partial) => match &partial.of {
                Purpose::Check(_) => return Ok(()),
                Purpose::Query(query) => (query, partial.window),
            },
            PeerMessage::Seeds(_) | PeerMessage::Vote(_) => return Ok(()),
        };
        if self.had_allowed(view, from, query, window) {
            Ok(())
        } else {
            Err(format!("{from} computes {query} in {window}, which it had not allowed"))
        }
    }

    /// Whether a peer had allowed a query when it closed the window; those of the site file are.
    fn had_allowed(&self, view: &View<'_>, peer: PeerIndex, query: &QueryName, window: WindowIndex) -> bool {
        if view.world.roster.query_named(query).is_some() {
            return true;
        }
        let Some(session) = view.session(peer, query) else { return false };
        let quantity = view.world.roster.quantity(session.query().quantity).quantity.name().clone();
        self.closed.get(&(peer, quantity, window)).is_some_and(|allowed| allowed.contains(query))
    }
}
