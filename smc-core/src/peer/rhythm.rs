//! The windows of one period: when they open, when they close, what is kept meanwhile.

use std::collections::BTreeMap;

use super::Node;
use super::event::{Event, Refusal, Taken};
use super::track::Track;
use crate::card;
use crate::message::PeerMessage;
use crate::mutation::{Rule, disabled};
use crate::name::QuantityName;
use crate::protocol::epoch::Epoch;
use crate::protocol::standing::Standing;
use crate::roster::{AgentIndex, Bundle, BundleIndex, QuantityIndex, Roster};
use crate::session::Sessions;
use crate::shamir::PeerIndex;
use crate::time::{Period, Timestamp, WindowIndex};

/// All quantities that are measured with one period.
#[derive(Debug)]
pub(super) struct Rhythm {
    period: Period,
    /// The window that closes next.
    closing: WindowIndex,
    /// Those in which readings begin; parts of vectors go with the first one.
    bundles: Vec<BundleIndex>,
    tracks: Vec<Track>,
}

impl Rhythm {
    /// One rhythm per period in which anything is measured.
    pub(super) fn of_site(
        roster: &Roster,
        votes: Vec<(QuantityName, Standing)>,
        reborn: bool,
        now: Timestamp,
    ) -> Vec<Self> {
        let mut votes: BTreeMap<_, _> = votes.into_iter().collect();
        let mut by_period: BTreeMap<Period, Vec<Track>> = BTreeMap::new();
        for (index, measured) in roster.quantities().filter(|(_, measured)| !measured.streams.is_empty()) {
            let vote = votes.remove(measured.quantity.name()).filter(|_| !disabled(Rule::SingleVote));
            by_period.entry(measured.quantity.period()).or_default().push(Track::new(index, vote));
        }
        let rhythm = |(period, tracks): (Period, Vec<Track>)| {
            let bundles = (0..).map(BundleIndex).zip(roster.bundles());
            let begin = |(_, bundle): &(_, &Bundle)| bundle.period == period && bundle.begins();
            let bundles = bundles.filter(begin).map(|(index, _)| index).collect();
            // Where it voted before there is nothing left to do, even if the clock says otherwise.
            let voted = tracks.iter().filter_map(Track::last_vote).max().map(WindowIndex::next);
            let closing = if reborn {
                period.window_at(now - roster.timing().grace).max(voted.unwrap_or_default())
            } else {
                period.window_at(now).next()
            };
            Self { period, closing, bundles, tracks }
        };
        by_period.into_iter().map(rhythm).collect()
    }

    pub(super) fn period(&self) -> Period {
        self.period
    }

    pub(super) fn left_out(&self, roster: &Roster) -> impl Iterator<Item = AgentIndex> {
        self.tracks.iter().flat_map(|track| track.left_out(roster))
    }

    pub(super) fn rounds_held(&self) -> usize {
        self.tracks.iter().map(Track::rounds_held).sum()
    }

    pub(super) fn tracks_quantity(&self, quantity: QuantityIndex) -> bool {
        self.tracks.iter().any(|track| track.quantity() == quantity)
    }

    /// Whether an input for `window` may come at `now`: not before half a period ahead of the window, for clocks
    /// differ, and not after it closed.
    pub(super) fn accepts(&self, now: Timestamp, window: WindowIndex) -> Result<(), Refusal> {
        if window < self.closing {
            Err(Refusal::Late)
        } else if window > self.period.window_at(now + self.period.as_duration() / 2)
            && !disabled(Rule::Windows)
        {
            Err(Refusal::Early)
        } else {
            Ok(())
        }
    }

    /// When something is due.
    pub(super) fn timeout(&self, node: &Node) -> Timestamp {
        let close = self.closes(node);
        self.tracks.iter().filter_map(Track::timeout).fold(close, Timestamp::min)
    }

    /// When the window that closes next does by this peer's clock, which may be known to be off.
    fn closes(&self, node: &Node) -> Timestamp {
        node.watch.correct(self.close_of(&node.roster, self.closing), self.period.as_duration())
    }

    fn close_of(&self, roster: &Roster, window: WindowIndex) -> Timestamp {
        self.period.end(window) + roster.timing().grace
    }

    pub(super) fn handle_timeout(&mut self, node: &mut Node, now: Timestamp) {
        if self.closes(node) <= now {
            self.skip(node, now);
            self.close(node, now);
        }
        self.advance(node, now);
    }

    /// Windows whose close was slept through are gone: nobody waits for their inventories any more.
    fn skip(&mut self, node: &mut Node, now: Timestamp) {
        let newest = self.period.window_at(now - node.roster.timing().grace);
        let newest = WindowIndex(newest.0.saturating_sub(1));
        if let Some(windows @ 1..) = newest.age_since(self.closing) {
            self.closing = newest;
            node.tell(Event::Skipped { windows });
        }
    }

    fn close(&mut self, node: &mut Node, now: Timestamp) {
        let closing = self.closing;
        self.closing = closing.next();
        // Contributions to the keys of the next epoch are there before its first window.
        let ahead = self.period.end(closing.next());
        node.contribute_to_all(card::epoch_at(&node.roster, ahead));
        for track in &mut self.tracks {
            track.give_up(node, closing);
        }
        self.prune(node, closing);
        for track in &mut self.tracks {
            track.close(node, now, self.period, closing);
        }
    }

    /// The window before may still be computed on, the ones before that are over.
    fn prune(&self, node: &mut Node, closing: WindowIndex) {
        let before = WindowIndex(closing.0.saturating_sub(1));
        let first = Epoch::of(node.roster.timing().cohort_epoch, self.period, before).first;
        let mut dropped = Vec::new();
        for &bundle in &self.bundles {
            dropped.extend(node.holdings.prune(&node.roster, bundle, first, before));
        }
        if !dropped.is_empty() {
            node.tell(Event::Forget(dropped));
        }
    }

    /// Ends all windows that this peer has begun to take part in.
    pub(super) fn abstain(&mut self) {
        self.tracks.iter_mut().for_each(Track::abstain);
    }

    /// Goes on wherever enough has been heard or waited.
    pub(super) fn advance(&mut self, node: &mut Node, now: Timestamp) {
        for track in &mut self.tracks {
            track.advance(node, now);
        }
        self.pair(node, now);
    }

    /// Brings the windows of two quantities together, for queries of both.
    fn pair(&mut self, node: &mut Node, now: Timestamp) {
        for at in 0..self.tracks.len() {
            for (window, quantity) in self.tracks[at].waiting() {
                let other = self.tracks.iter().position(|track| track.quantity() == quantity);
                if let Some(Ok([track, other])) = other.map(|other| self.tracks.get_disjoint_mut([at, other]))
                {
                    track.pair(node, now, window, other);
                }
            }
        }
    }

    /// The first quantity that this peer computes anything on.
    pub(super) fn first_quantity(&self, sessions: &Sessions) -> Option<QuantityIndex> {
        let computed = |quantity: &QuantityIndex| sessions.computes_on(*quantity);
        self.tracks.iter().map(Track::quantity).find(computed)
    }

    /// Notes when a message came, whether it counts or not.
    pub(super) fn watch(
        &self,
        node: &mut Node,
        now: Timestamp,
        quantity: QuantityIndex,
        from: PeerIndex,
        message: &PeerMessage,
    ) {
        let Some(window) = message.window().filter(|_| node.watch.looks_at(quantity)) else { return };
        match message {
            PeerMessage::Inventory(_) => {
                let due = self.close_of(&node.roster, window);
                node.watch.inventory(from, window, due, now, node.roster.timing());
            }
            PeerMessage::Vote(_) => node.watch.vote(from, window, now),
            PeerMessage::Endorsement(_) | PeerMessage::Partial(_) | PeerMessage::Seeds(_) => {}
        }
    }

    pub(super) fn handle_peer(
        &mut self,
        node: &mut Node,
        now: Timestamp,
        quantity: QuantityIndex,
        from: PeerIndex,
        message: PeerMessage,
    ) -> Result<Taken, Refusal> {
        // Another peer's clock may be ahead of ours, by half a period at most.
        if message.window().ok_or(Refusal::Unknown)?
            > self.period.window_at(now + self.period.as_duration() / 2)
        {
            return Err(Refusal::Early);
        }
        let track =
            self.tracks.iter_mut().find(|track| track.quantity() == quantity).ok_or(Refusal::Unknown)?;
        let taken = track.handle_peer(node, now, self.closing, from, message)?;
        self.pair(node, now);
        Ok(taken)
    }
}
