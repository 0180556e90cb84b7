//! An agent whose site's member list moves while it runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smc_core::agent::Agent;
use smc_core::card::Recipients;
use smc_core::identity::SealingSecret;
use smc_core::name::NodeName;
use smc_core::protocol::terms::Terms;
use smc_core::roster::{AgentIndex, Roster, SiteDocument};
use smc_core::time::Timestamp;
use smc_mqtt::members::{Members, MembersError};
use tracing::{info, warn};

use super::AgentError;
use super::service::Service;

/// The most cards that are kept: those of the most peers, and of as many that are to come.
const MAX_CARDS: usize = 18;
/// The largest card that is kept.
const MAX_CARD: usize = 4096;

/// What an agent needs to begin anew with another list.
pub(super) struct Moving {
    members: Option<Members>,
    sealing: SealingSecret,
    terms: (Terms, Option<Duration>),
    /// The newest cards as they came: what is retained comes once.
    cards: BTreeMap<NodeName, Bytes>,
}

impl Moving {
    pub(super) fn new(sealing: SealingSecret, terms: (Terms, Option<Duration>)) -> Self {
        Self { members: None, sealing, terms, cards: BTreeMap::new() }
    }

    /// When the next list takes force.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.members.as_ref().and_then(Members::due)
    }

    /// Keeps a card for the roster that it may be of.
    pub(super) fn keep_card(&mut self, node: &NodeName, payload: &Bytes) {
        let room = self.cards.contains_key(node) || self.cards.len() < MAX_CARDS;
        if self.members.is_some() && room && payload.len() <= MAX_CARD {
            self.cards.insert(node.clone(), Bytes::copy_from_slice(payload));
        }
    }
}

impl Service {
    /// From now on the agent goes where `members` goes.
    pub(super) fn follow(&mut self, members: Option<Members>) {
        self.moving.members = members;
    }

    /// Takes in a chain of charters.
    pub(super) fn handle_charter(&mut self, payload: &[u8]) {
        let Some(members) = &mut self.moving.members else { return };
        match members.take(payload) {
            Ok(true) => {
                let due = members.due().map(|due| due.to_string());
                info!(node = %self.name, revision = members.register().revision(), due, "a newer member list");
            }
            Ok(false) => {}
            Err(error) => {
                warn!(node = %self.name, %error, "member list refused");
                self.refuse("bad_charter");
            }
        }
    }

    /// Goes on with the list that is in force now, if that is another one. Readings and shares of windows before it are
    /// kept, unless the peers changed: then the agent begins anew.
    ///
    /// # Errors
    /// If the list does not name this agent any more.
    pub(super) fn move_on(&mut self) -> Result<(), AgentError> {
        let now = self.clock.now();
        let Some(members) = &mut self.moving.members else { return Ok(()) };
        let Some(due) = members.due().filter(|due| *due <= now) else { return Ok(()) };
        let before = members.register().document().clone();
        let Some(roster) = members.advance(now)? else { return Ok(()) };
        let (after, revision) = (members.register().document(), members.register().revision_in_force());
        let me = roster.agent_named(self.name.as_str());
        let me = me.filter(|&me| roster.agent(me).node.sealing == *self.moving.sealing.public());
        let Some(me) = me else { return Err(AgentError::Removed { node: self.name.to_string(), revision }) };
        info!(node = %self.name, revision, "a new member list holds");
        if !is_same_for(&before, after, &self.name) {
            self.begin_anew(me, roster, due, now);
        }
        Ok(())
    }

    fn begin_anew(&mut self, me: AgentIndex, roster: Arc<Roster>, due: Timestamp, now: Timestamp) {
        let (terms, maximum_age) = self.moving.terms;
        let sealing = SealingSecret::from_bytes(&self.moving.sealing.to_bytes());
        // Nothing of the window that begins with the list has been shared yet, as nobody speaks in its first tenth; unless
        // this comes late.
        let tenth = roster.shortest_period().map_or(Duration::ZERO, |period| period.as_duration() / 10);
        let is_on_time = now.since(due) < tenth;
        let since = if is_on_time { due - Duration::from_micros(1) } else { now };
        self.agent = Agent::new(me, Arc::clone(&roster), terms, maximum_age, since);
        self.follow_control();
        self.recipients = Recipients::new(Arc::clone(&roster), self.name.clone(), sealing);
        self.roster = roster;
        for (node, card) in std::mem::take(&mut self.moving.cards) {
            let Some(peer) = self.roster.peer_named(node.as_str()) else { continue };
            if self.recipients.handle_card(now, peer, &card).is_ok() {
                self.moving.cards.insert(node, card);
            }
        }
    }
}

/// Whether nothing has changed that this agent has to do with: how it shares, for whom, and what.
fn is_same_for(before: &SiteDocument, after: &SiteDocument, me: &NodeName) -> bool {
    let own = |site: &SiteDocument| site.agent.iter().find(|agent| agent.name == *me).cloned();
    before.site == after.site && before.peer == after.peer && own(before) == own(after)
}

impl From<MembersError> for AgentError {
    fn from(error: MembersError) -> Self {
        Self::Members(Box::new(error))
    }
}
