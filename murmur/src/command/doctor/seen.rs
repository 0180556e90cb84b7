//! What was seen of a site in a few windows: bounded by what its member list has.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use smc_core::charter::Poll;
use smc_core::envelope::Envelope;
use smc_core::introduction::Introductions;
use smc_core::name::{NodeName, QueryName};
use smc_core::result::SignedResult;
use smc_core::roster::Roster;
use smc_core::time::{Period, Timestamp, WindowIndex};
use smc_mqtt::members::{Members, MembersError};
use smc_mqtt::status::Heard;
use smc_mqtt::topic::{Topic, Topics};

/// How many outcomes of one query are kept, the newest ones.
const OUTCOMES: usize = 8;

/// All that was seen.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) members: Members,
    pub(super) roster: Arc<Roster>,
    pub(super) poll: Poll,
    pub(super) introductions: Introductions,
    /// The newest status of each member.
    pub(super) statuses: BTreeMap<NodeName, Heard>,
    /// Outcomes of the standing queries that the peers vouch for, oldest first.
    pub(super) outcomes: BTreeMap<QueryName, VecDeque<SignedResult>>,
    /// Results that nobody vouches for, by query and why.
    pub(super) false_results: BTreeMap<QueryName, String>,
    /// Charters that don't follow from the site file, and why.
    pub(super) false_charters: Option<String>,
    /// How far this machine's clock is ahead of the windows of those whose shares came.
    pub(super) shares: BTreeMap<NodeName, Ahead>,
    /// Windows of results that ended in the future, by how much.
    pub(super) early: Duration,
    topics: Topics,
}

/// By how much this machine's clock is ahead of a node's at least (behind, if negative), in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ahead(pub(super) f64);

impl Seen {
    /// Nothing yet.
    ///
    /// # Errors
    /// Never for a list that holds together.
    pub(super) fn new(members: Members) -> Result<Self, MembersError> {
        let roster = members.roster()?;
        Ok(Self {
            topics: Topics::new(roster.site().clone()),
            introductions: Introductions::new(Arc::clone(&roster)),
            members,
            roster,
            poll: Poll::default(),
            statuses: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            false_results: BTreeMap::new(),
            false_charters: None,
            shares: BTreeMap::new(),
            early: Duration::ZERO,
        })
    }

    /// Takes in a message that came at `now`. What has not the form of its topic is for `murmur sniff` to tell of.
    pub(super) fn take(&mut self, now: Timestamp, topic: &str, payload: &[u8], retained: bool) {
        match self.topics.parse(topic) {
            Ok(Topic::Charter) => self.take_charters(now, payload),
            Ok(Topic::CharterProposed { peer }) => {
                // What does not count is for the peers to complain about.
                let _ = self.poll.take(self.members.register(), now, &peer, payload);
            }
            Ok(Topic::Introduction { node }) => {
                let _ = self.introductions.take(now, &node, payload);
            }
            Ok(Topic::Result { query }) => self.take_result(now, query, payload),
            Ok(Topic::Share { from, .. }) if !retained => self.take_share(now, from, payload),
            Ok(Topic::Status { node }) if self.has(&node) => {
                if let Some(heard) = Heard::read(payload).filter(|heard| heard.node == node) {
                    self.statuses.insert(node, heard);
                }
            }
            _ => {}
        }
    }

    /// Where the broker keeps what [`Seen::take`] takes in.
    pub(super) fn kept_at(&self) -> Vec<String> {
        let peers = || self.roster.peers().map(|(_, peer)| peer.name.clone());
        let agents = || self.roster.agents().iter().map(|agent| agent.node.name.clone());
        let clients = self.roster.clients().map(|(client, _)| client.clone());
        let proposed = peers().map(|peer| Topic::CharterProposed { peer });
        let statuses = peers().chain(agents()).map(|node| Topic::Status { node });
        let introductions = agents().chain(clients).map(|node| Topic::Introduction { node });
        let results = self.roster.queries().map(|(_, query)| Topic::Result { query: query.name.clone() });
        let all = proposed.chain(statuses).chain(introductions).chain(results);
        [Topic::Charter].into_iter().chain(all).map(|topic| self.topics.spell(&topic)).collect()
    }

    /// The status of a member.
    pub(super) fn status(&self, node: &NodeName) -> Option<&Heard> {
        self.statuses.get(node)
    }

    /// Statuses of peers.
    pub(super) fn peers(&self) -> impl Iterator<Item = (&NodeName, Option<&Heard>)> {
        self.roster.peers().map(|(_, node)| (&node.name, self.statuses.get(&node.name)))
    }

    /// The peers that computed anything lately.
    pub(super) fn computing(&self) -> BTreeSet<&NodeName> {
        let newest = self.outcomes.values().filter_map(VecDeque::back);
        newest.flat_map(|signed| &signed.result.peers).collect()
    }

    fn has(&self, node: &NodeName) -> bool {
        self.roster.peer_named(node.as_str()).is_some() || self.roster.agent_named(node.as_str()).is_some()
    }

    fn take_charters(&mut self, now: Timestamp, payload: &[u8]) {
        if payload.is_empty() {
            return;
        }
        if let Err(error) = self.members.take(payload) {
            self.false_charters = Some(error.to_string());
            return;
        }
        if let Ok(Some(roster)) = self.members.advance(now) {
            self.introductions = self.introductions.moved_to(Arc::clone(&roster));
            self.roster = roster;
        }
        // Said by whoever proposed it; here it matters what counts.
        let _ = self.poll.look_again(self.members.register(), now);
    }

    fn take_result(&mut self, now: Timestamp, query: QueryName, payload: &[u8]) {
        if self.roster.query_named(&query).is_none() || payload.is_empty() {
            return;
        }
        let verified = serde_json::from_slice::<SignedResult>(payload).map_err(|error| error.to_string());
        let verified = verified.and_then(|signed| {
            let eras = self.members.register().eras();
            eras.verify(&signed).map(|()| signed).map_err(|error| error.to_string())
        });
        match verified {
            Ok(signed) if signed.result.query == query => {
                if let Ok(end) = signed.result.window.end.parse::<Timestamp>() {
                    self.early = self.early.max(end.since(now));
                }
                let outcomes = self.outcomes.entry(query).or_default();
                if outcomes.len() >= OUTCOMES {
                    outcomes.pop_front();
                }
                outcomes.push_back(signed);
            }
            Ok(signed) => {
                drop(self.false_results.insert(query, format!("a result of {}", signed.result.query)))
            }
            Err(why) => drop(self.false_results.insert(query, why)),
        }
    }

    fn take_share(&mut self, now: Timestamp, from: NodeName, payload: &[u8]) {
        let Ok(envelope) = Envelope::parse(payload, payload.len()) else { return };
        let Some((period, window)) = envelope.window() else { return };
        if self.roster.agent_named(from.as_str()).is_none() || *envelope.from() != from {
            return;
        }
        let ahead = ahead(now, period, window, self.roster.timing().grace);
        // The least of all: what waited on its way came late, and says nothing about clocks.
        let least = self.shares.entry(from).or_insert(ahead);
        if ahead.0.abs() < least.0.abs() {
            *least = ahead;
        }
    }
}

/// A share comes within its window, or a grace later: outside of that, clocks differ by so much at least.
fn ahead(now: Timestamp, period: Period, window: WindowIndex, grace: Duration) -> Ahead {
    let late = now.since(period.end(window) + grace);
    let early = period.start(window).since(now);
    Ahead(late.as_secs_f64() - early.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_tell_by_how_much_clocks_differ_at_least() {
        let period = Period::from_millis(2_000).unwrap();
        let start = period.start(WindowIndex(883_634_400));
        let at = |millis: i64| {
            let span = Duration::from_millis(millis.unsigned_abs());
            let now = if millis < 0 { start - span } else { start + span };
            ahead(now, period, WindowIndex(883_634_400), Duration::from_millis(500)).0
        };
        assert_eq!([at(0), at(1_000), at(2_500)], [0.0; 3]);
        assert_eq!([at(5_500), at(-4_000)], [3.0, -4.0]);
    }
}
