//! A desk whose site's member list moves while it works.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Desk, DeskEvent, Entry, Saved};
use crate::name::QueryName;
use crate::request::Verdict;
use crate::roster::Roster;
use crate::shamir::PeerIndex;
use crate::time::Timestamp;

impl Desk {
    /// Goes on with another member list, as after a restart with it: what can be computed still is started anew, and what
    /// can't be any more ends, which is told.
    pub fn move_to(&mut self, roster: Arc<Roster>, now: Timestamp) {
        let saved = self.saved();
        let next = Self::new(roster, self.me.clone(), saved, now);
        let before = std::mem::replace(self, next);
        self.remember_others(&before);
        for query in self.ended(&before) {
            let Some(entry) = self.entries.get(&query) else { continue };
            let (verdict, reason) = (entry.verdict, entry.reason.clone());
            self.settle(now, &query, verdict, reason, None);
        }
        // What was to be told still is; sessions of the old list are not for the peer of the new one.
        let is_told =
            |event: &DeskEvent| !matches!(event, DeskEvent::Start { .. } | DeskEvent::Withdraw { .. });
        for event in before.events.into_iter().filter(is_told).rev() {
            self.events.push_front(event);
        }
    }

    /// All that is not simply in the site file.
    fn saved(&self) -> Vec<Saved> {
        let is_decided = |entry: &&Entry| entry.client().is_some() || entry.verdict != Verdict::Allowed;
        let decided = self.entries.values().filter(is_decided);
        decided.map(|entry| entry.saved(self.decision(entry))).collect()
    }

    /// Peers that stay may have another number now.
    fn remember_others(&mut self, before: &Self) {
        let number = |peer: PeerIndex| {
            let node = before.roster.peer(peer)?;
            self.roster.peer_named(node.name.as_str())
        };
        let numbers: BTreeMap<_, _> =
            before.roster.peers().filter_map(|(peer, _)| Some((peer, number(peer)?))).collect();
        for (query, known) in &before.entries {
            let Some(entry) = self.entries.get_mut(query) else { continue };
            let others = known.others.iter();
            entry.others =
                others.filter_map(|(peer, verdict)| Some((*numbers.get(peer)?, *verdict))).collect();
        }
    }

    /// What ended because of the new list.
    fn ended(&self, before: &Self) -> Vec<QueryName> {
        let stood = |entry: &Entry| before.entries.get(&entry.name).map(|known| known.verdict);
        let ended = self.entries.values().filter(|entry| {
            entry.verdict == Verdict::Denied && stood(entry).is_some_and(|verdict| verdict != Verdict::Denied)
        });
        ended.map(|entry| entry.name.clone()).collect()
    }
}
