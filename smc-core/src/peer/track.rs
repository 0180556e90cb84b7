//! One quantity, window after window.

use std::collections::{BTreeMap, BTreeSet};

use super::Node;
use super::event::{Refusal, Taken};
use super::round::{Partner, Round};
use crate::message::PeerMessage;
use crate::mutation::{Rule, disabled};
use crate::protocol::epoch::Epoch;
use crate::protocol::standing::Standing;
use crate::roster::{AgentIndex, QuantityIndex, Roster};
use crate::session::Known;
use crate::shamir::PeerIndex;
use crate::time::{Period, Timestamp, WindowIndex};

/// How many closed windows may still be computed on; older ones are given up.
const OPEN_ROUNDS: u64 = 2;

/// A quantity.
#[derive(Debug)]
pub(super) struct Track {
    quantity: QuantityIndex,
    /// This peer's last vote, ever: it votes in later windows only.
    vote: Option<Standing>,
    /// The streams whose agents were found to lie, and the cohort epoch that they are out for.
    excluded: (u64, BTreeSet<usize>),
    /// The window that closed last, if this peer said nothing in it.
    passed: Option<WindowIndex>,
    rounds: BTreeMap<WindowIndex, Round>,
}

impl Track {
    pub(super) fn new(quantity: QuantityIndex, vote: Option<Standing>) -> Self {
        Self { quantity, vote, excluded: (0, BTreeSet::new()), passed: None, rounds: BTreeMap::new() }
    }

    pub(super) fn quantity(&self) -> QuantityIndex {
        self.quantity
    }

    /// The agents whose inputs were found invalid in this cohort epoch.
    pub(super) fn left_out(&self, roster: &Roster) -> impl Iterator<Item = AgentIndex> {
        let streams = &roster.quantity(self.quantity).streams;
        self.excluded.1.iter().map(|&stream| roster.bundle(streams[stream].0).agent)
    }

    /// The window of this peer's last vote.
    pub(super) fn last_vote(&self) -> Option<WindowIndex> {
        self.vote.as_ref().map(|vote| vote.window)
    }

    pub(super) fn rounds_held(&self) -> usize {
        self.rounds.len()
    }

    pub(super) fn timeout(&self) -> Option<Timestamp> {
        self.rounds.values().filter_map(Round::timeout).min()
    }

    /// Ends the windows that are too old once `closing` closes; each says how.
    pub(super) fn give_up(&mut self, node: &mut Node, closing: WindowIndex) {
        let first = WindowIndex((closing.0 + 1).saturating_sub(OPEN_ROUNDS));
        let open = self.rounds.split_off(&first);
        for mut round in std::mem::replace(&mut self.rounds, open).into_values() {
            round.give_up(node, &mut self.vote, &mut self.excluded.1);
        }
    }

    /// Ends all windows that this peer has begun to take part in.
    pub(super) fn abstain(&mut self) {
        self.rounds.values_mut().for_each(Round::abstain);
    }

    /// Closes `window`: no more inputs. Says what is held, if anybody wants to compute on it.
    pub(super) fn close(&mut self, node: &mut Node, now: Timestamp, period: Period, window: WindowIndex) {
        let wants = |known: &Known| known.computed && known.needs(self.quantity, window);
        self.passed = None;
        // Others would wait for whoever is there and says nothing.
        if node.sessions.iter().any(wants) || self.rounds.contains_key(&window) {
            self.begin(node, now, period, window);
        } else {
            self.passed = Some(window);
        }
    }

    fn begin(&mut self, node: &mut Node, now: Timestamp, period: Period, window: WindowIndex) {
        // The inventory about to be sent reports the last vote: no vote in an earlier window may follow it.
        for round in self.rounds.range_mut(..window).map(|(_, round)| round) {
            round.overtake(node);
        }
        let epoch = Epoch::of(node.roster.timing().cohort_epoch, period, window);
        let quantity = self.quantity;
        if self.excluded.0 != epoch.index {
            self.excluded = (epoch.index, BTreeSet::new());
        }
        let round = self.rounds.entry(window).or_insert_with(|| Round::new(node, quantity, window));
        round.close(node, now, epoch, self.vote.as_ref(), &self.excluded.1);
    }

    /// The windows in which something waits for another quantity, and for which.
    pub(super) fn waiting(&self) -> Vec<(WindowIndex, QuantityIndex)> {
        let of = |(&window, round): (&WindowIndex, &Round)| {
            round.waits_for().map(move |quantity| (window, quantity)).collect::<Vec<_>>()
        };
        self.rounds.iter().flat_map(of).collect()
    }

    /// Starts or gives up what has waited in `window` for the quantity of `other`.
    pub(super) fn pair(&mut self, node: &mut Node, now: Timestamp, window: WindowIndex, other: &mut Self) {
        let partner = other.rounds.get_mut(&window).map_or(Partner::Gone, Round::partner);
        if let Some(round) = self.rounds.get_mut(&window) {
            round.pair(node, now, other.quantity, partner);
        }
    }

    pub(super) fn advance(&mut self, node: &mut Node, now: Timestamp) {
        for round in self.rounds.values_mut() {
            round.advance(node, now, &mut self.vote, &mut self.excluded.1);
        }
    }

    /// Takes a message about an open window, or about one that the sender closed a little before us.
    pub(super) fn handle_peer(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        closing: WindowIndex,
        from: PeerIndex,
        message: PeerMessage,
    ) -> Result<Taken, Refusal> {
        let window = message.window().ok_or(Refusal::Unknown)?;
        let quantity = self.quantity;
        // What an earlier life closed it may have gone beyond: no vote follows the inventory of a later window.
        let passed = self.passed == Some(window) || disabled(Rule::OwnClose);
        if window.next() == closing
            && passed
            && matches!(message, PeerMessage::Inventory(_))
            && !self.rounds.contains_key(&window)
        {
            // This peer wants nothing of the window that has just closed, but others do.
            self.passed = None;
            self.begin(node, now, node.roster.quantity(quantity).quantity.period(), window);
        }
        let round = if window >= closing {
            self.rounds.entry(window).or_insert_with(|| Round::new(node, quantity, window))
        } else {
            self.rounds.get_mut(&window).ok_or(Refusal::Late)?
        };
        let taken = round.handle_peer(node, from, message)?;
        round.advance(node, now, &mut self.vote, &mut self.excluded.1);
        Ok(taken)
    }
}
