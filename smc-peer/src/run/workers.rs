//! The connections of a peer: one for everything, and further ones among which the broker divides the shares (docs/brokers.md).
//!
//! What comes by any of them comes to the one loop. The first subscribes as if it were alone. Once another one has joined the
//! group, the first takes a part, too: so it never asks a broker for a group that has not granted one, and misses nothing.

use std::future::poll_fn;
use std::task::{Context, Poll};

use serde::Deserialize;
use smc_core::name::NodeName;
use smc_mqtt::connection::{Happening, Incoming, Publisher, Refusal, connect};
use smc_mqtt::entropy::{self, NoEntropy};
use smc_mqtt::settings::ConnectionSettings;
use smc_mqtt::status::{Worker, WorkerState};
use smc_mqtt::topic::{Group, Topics, worker_id};
use tracing::{error, info, warn};

use super::service::Service;

/// The place of the connection for everything.
pub(super) const FIRST: usize = 0;
/// After how many connections that ended at the subscription a broker is taken to refuse it.
const ATTEMPTS: u64 = 3;

/// How many connections a peer's shares come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub struct Workers(usize);

/// A number of connections that a peer can't have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shares come by 1 to 8 connections")]
pub struct WorkersError;

impl Workers {
    const MOST: u64 = 8;

    /// The number, the connection for everything included.
    pub fn get(self) -> usize {
        self.0
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<u64> for Workers {
    type Error = WorkersError;
    fn try_from(count: u64) -> Result<Self, WorkersError> {
        let count = Some(count).filter(|count| (1..=Self::MOST).contains(count));
        count.and_then(|count| usize::try_from(count).ok()).map(Self).ok_or(WorkersError)
    }
}

/// All connections of a peer.
pub(super) struct Crew {
    node: NodeName,
    /// Of the first.
    publisher: Publisher,
    /// The first, which is always there, and the others once it was connected.
    members: Vec<Member>,
    /// Whose turn it is to be heard.
    turn: usize,
    /// How the others connect, and how many there are to be; none once they are given up.
    others: Option<(ConnectionSettings, usize)>,
    /// The filter of all shares, and the one of a part of them.
    plain: String,
    shared: String,
}

struct Member {
    publisher: Publisher,
    incoming: Incoming,
    /// How many of its connections came about when it last took a part.
    connections: u64,
}

impl Member {
    fn connect(settings: ConnectionSettings, subscriptions: Vec<String>) -> Self {
        let (publisher, incoming) = connect(settings, subscriptions);
        Self { publisher, incoming, connections: 0 }
    }
}

impl Crew {
    /// Connects the first, which subscribes `inboxes`, the shares of `node` among them.
    pub(super) fn connect(
        settings: ConnectionSettings,
        inboxes: Vec<String>,
        (topics, node): (&Topics, &NodeName),
        workers: Workers,
    ) -> Result<Self, NoEntropy> {
        let group = Group::fresh(node, &mut entropy::rng()?);
        // Whether the peer is there is for the first to say.
        let other = ConnectionSettings { will: None, ..settings.clone() };
        let first = Member::connect(settings, inboxes);
        Ok(Self {
            node: node.clone(),
            publisher: first.publisher.clone(),
            members: vec![first],
            turn: FIRST,
            others: Some((other, workers.get() - 1)).filter(|(_, count)| *count > 0),
            plain: topics.share_inbox(node),
            shared: topics.share_inbox_within(&group, node),
        })
    }

    /// The sending half of the first.
    pub(super) fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    /// What happens next, and at which place; `None` once the first is closed for good. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Option<(usize, Happening)> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, Happening)>> {
        let count = self.members.len();
        // In turns, so that none keeps the others waiting.
        for place in (self.turn..count).chain(0..self.turn.min(count)) {
            let Some(member) = self.members.get_mut(place) else { continue };
            match member.incoming.poll_next(context) {
                Poll::Ready(Some(happening)) => {
                    self.turn = (place + 1) % count;
                    return Poll::Ready(Some((place, happening)));
                }
                Poll::Ready(None) if place == FIRST => return Poll::Ready(None),
                _ => {}
            }
        }
        Poll::Pending
    }

    /// Follows what happened to the connection at `place`. Messages are no business of it.
    pub(super) fn follow(&mut self, service: &mut Service, place: usize, happening: &Happening) {
        if self.others.is_none() {
            return;
        }
        match happening {
            Happening::Connected if place == FIRST => self.first_connected(service),
            Happening::Connected => self.other_joined(service, place),
            Happening::Disconnected { .. } if place == FIRST => service.set_worker(FIRST, WorkerState::Away),
            Happening::Disconnected { reason } => {
                warn!(node = %self.node, worker = place + 1, %reason, "a worker is not connected; trying again");
                service.worker_broke(place);
            }
            Happening::Refused { reason: Refusal::Unavailable } => {}
            // What else the broker refuses the first is no business of the group.
            Happening::Refused { reason: Refusal::Subscription { filters } }
                if place == FIRST && !filters.contains(&self.shared) => {}
            Happening::Refused { reason: Refusal::Subscription { .. } } => {
                self.give_up(service, "the broker refuses the shared subscription");
            }
            Happening::Refused { .. } if place == FIRST => {}
            Happening::Refused { reason } => self.give_up(service, &reason.to_string()),
            Happening::Message { .. } => {}
        }
    }

    fn first_connected(&mut self, service: &mut Service) {
        service.set_worker(FIRST, WorkerState::Alone);
        if let Some((settings, count)) = self.others.as_ref().filter(|_| self.members.len() == 1) {
            for number in 2..=1 + count {
                let client_id = worker_id(&self.node, number);
                let settings = ConnectionSettings { client_id, ..settings.clone() };
                self.members.push(Member::connect(settings, vec![self.shared.clone()]));
            }
        }
        if service.workers.iter().skip(1).any(|other| other.state == WorkerState::Shared) {
            self.first_joins(service);
        }
    }

    fn other_joined(&mut self, service: &mut Service, place: usize) {
        let Some(member) = self.members.get_mut(place) else { return };
        member.connections = member.publisher.counters().connections;
        info!(node = %self.node, worker = place + 1, "a worker takes its part of the shares");
        service.worker_joined(place);
        if service.workers.first().is_some_and(|first| first.state == WorkerState::Alone) {
            self.first_joins(service);
        }
    }

    /// The first takes a part, too, and no longer all.
    fn first_joins(&self, service: &mut Service) {
        self.exchange(&self.plain, &self.shared);
        service.set_worker(FIRST, WorkerState::Shared);
    }

    /// Looks for a broker that ends a connection which subscribes what it does not allow, and says no word about it.
    pub(super) fn look(&mut self, service: &mut Service) {
        let in_vain = |(member, worker): (&Member, &Worker)| {
            let attempts = member.publisher.counters().connections - member.connections;
            worker.state != WorkerState::Shared && attempts >= ATTEMPTS
        };
        if self.members.iter().zip(&service.workers).skip(1).any(in_vain) {
            self.give_up(service, "the broker ends a connection that asks for the shared subscription");
        }
    }

    /// All shares come by the first from now on.
    fn give_up(&mut self, service: &mut Service, reason: &str) {
        let Some((_, count)) = self.others.take() else { return };
        error!(
            node = %self.node, reason,
            "`workers` is {}, and this broker does not divide shares among connections, so all come by one: set `workers` to 1, \
             or take a broker that does (docs/brokers.md)",
            count + 1
        );
        self.members.truncate(1);
        self.turn = FIRST;
        if service.workers.first().is_some_and(|first| first.state == WorkerState::Shared) {
            self.exchange(&self.shared, &self.plain);
        }
        service.workers_refused();
    }

    fn exchange(&self, from: &str, to: &str) {
        self.publisher.exchange(from.to_owned(), to.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_one_to_eight_connections_for_shares() {
        let taken = |count: u64| Workers::try_from(count).map(Workers::get);
        assert_eq!([0, 1, 8, 9].map(taken), [Err(WorkersError), Ok(1), Ok(8), Err(WorkersError)]);
        assert_eq!(Workers::default().get(), 1);
    }
}
