//! What is asked in a history, as requests and policies.

use std::time::Duration;

use smc_core::desk::Outcome;
use smc_core::name::QueryName;
use smc_core::request::Request;
use smc_core::roster::document::QueryTable;
use smc_core::roster::{Roster, Span};
use smc_core::shamir::PeerIndex;

use crate::action::{Action, Ask, Schedule, Timed};
use crate::world::NOON;
use crate::world::site::{CLIENT, PERIOD};

/// The name of the query with this number.
pub(super) fn name(query: u8) -> QueryName {
    format!("ask-{query}").parse().unwrap()
}

impl Ask {
    /// As the client publishes it.
    pub(super) fn request(&self, roster: &Roster, timed: &Timed) -> Request {
        let query = QueryTable::new(name(self.query), &self.function, "level".parse().unwrap());
        let floor = self.floor.map(|floor| ("floor".to_owned(), floor.to_string()));
        Request {
            v: 1,
            site: roster.site().clone(),
            client: CLIENT.parse().unwrap(),
            query: QueryTable {
                scope: floor.into_iter().collect(),
                minimum_cohort: self.minimum,
                purpose: self.purpose.clone(),
                ..query
            },
            every: Some(Span::new(PERIOD * self.every as u32)),
            not_before: NOON,
            until: NOON + Duration::from_millis(timed.at + timed.lasts.max(1)),
            once: self.once,
        }
    }

    fn outcome(&self, peer: u8) -> Outcome {
        match peer {
            peer if self.allow.contains(&peer) => Outcome::Allow,
            peer if self.leave.contains(&peer) => Outcome::Ask,
            _ => Outcome::Deny,
        }
    }
}

/// All peers' policies: what the history says.
pub(super) fn policies(
    schedule: &Schedule,
    roster: &Roster,
) -> impl Fn(PeerIndex, &Request) -> Outcome + 'static {
    let asks = schedule.actions.iter().filter_map(|timed| match &timed.action {
        Action::Ask(ask) => Some((ask.request(roster, timed), ask.clone())),
        _ => None,
    });
    let asks: Vec<_> = asks.collect();
    move |peer, request| {
        let ask = asks.iter().find(|(asked, _)| asked == request);
        ask.map_or(Outcome::Deny, |(_, ask)| ask.outcome(peer.get()))
    }
}
