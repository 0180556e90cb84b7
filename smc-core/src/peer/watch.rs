//! What a peer notices of the others: who answers late, and whose clock differs from its own.
//!
//! Everybody acts at instants that are known beforehand: peers send their inventories when a window closes, agents
//! share it at an instant of their own. So each message tells how its sender's clock stands to this peer's, but for the
//! time that it took on its way: that is never negative, and comes and goes, while clocks stay as they are.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::Node;
use crate::name::NodeName;
use crate::peers::PeerSet;
use crate::roster::{AgentIndex, QuantityIndex, Timing};
use crate::shamir::PeerIndex;
use crate::time::{Timestamp, WindowIndex};

/// How many messages in a row must say the same before a clock is believed to differ.
const ENOUGH: usize = 3;
/// What is further off than a day is no clock.
const FARTHEST: i64 = 24 * 3_600_000_000;
/// How many agents' clocks are told of.
const AGENTS: usize = 16;

/// How another peer fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It is not connected.
    Gone,
    /// It is connected, and its messages come in time.
    Online,
    /// It is connected, and its last inventory came later than half a step, or not at all.
    Slow,
}

/// How far a clock seems ahead of this peer's own, in microseconds; negative if it is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ahead(pub i64);

/// What a peer notices of the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notices {
    /// How all other peers fare.
    pub peers: BTreeMap<NodeName, Condition>,
    /// The nodes whose clocks differ by more than half the grace, at most 16 of them agents.
    pub clocks: BTreeMap<NodeName, Ahead>,
    /// How far this peer's own clock is ahead of the others, if it differs from most of theirs, which then are not
    /// told of one by one.
    pub own_clock: Option<Ahead>,
}

/// Messages of the first quantity of the shortest period on which anything is computed, by sender.
#[derive(Debug)]
pub(super) struct Watch {
    /// Of what.
    quantity: Option<QuantityIndex>,
    peers: Vec<Seen>,
    agents: Vec<Seen>,
    /// The peers that were missing when they were last waited for, or late.
    late: PeerSet,
    /// When this peer made its last plan.
    planned: Option<(WindowIndex, Timestamp)>,
    /// How far this peer's own clock is ahead of most others, in microseconds.
    own: Option<Ahead>,
}

/// Messages of one sender.
#[derive(Debug, Clone, Default)]
struct Seen {
    newest: WindowIndex,
    /// How long after their time the last ones came, in microseconds; before it if negative.
    lags: VecDeque<i64>,
    /// How long after this peer's last plan its vote came.
    answer: i64,
}

impl Watch {
    pub(super) fn new(peers: u8, agents: usize) -> Self {
        let seen = |count| vec![Seen::default(); count];
        Self {
            quantity: None,
            peers: seen(usize::from(peers)),
            agents: seen(agents),
            late: PeerSet::EMPTY,
            planned: None,
            own: None,
        }
    }

    /// Looks at messages about `quantity` from now on.
    pub(super) fn look_at(&mut self, quantity: Option<QuantityIndex>) {
        if self.quantity != quantity {
            let (peers, agents) = (self.peers.len() as u8, self.agents.len());
            *self = Self { quantity, ..Self::new(peers, agents) };
        }
    }

    /// Whether messages about `quantity` are looked at.
    pub(super) fn looks_at(&self, quantity: QuantityIndex) -> bool {
        self.quantity == Some(quantity)
    }

    /// A peer's inventory of `window` came, whether it counts or not; this peer closes the window at `due`. What comes
    /// later than half a `step` is late.
    pub(super) fn inventory(
        &mut self,
        from: PeerIndex,
        window: WindowIndex,
        due: Timestamp,
        now: Timestamp,
        timing: &Timing,
    ) {
        let Some(lag) = self.peers[from.offset()].note(window, due, now) else { return };
        let late = lag > micros(timing.step / 2);
        self.late = if late { self.late.with(from) } else { self.late.without(from) };
        let off = self.peers.iter().filter_map(|seen| seen.ahead(tolerated(timing)));
        // One of them is this peer, of which nothing is seen.
        let found = own(off.collect(), self.peers.len() - 1);
        self.own = found.filter(|&Ahead(by)| by < 0 || self.agents_are_late(tolerated(timing)));
    }

    /// Whether most agents' shares are late as well. Peers may all be late because they all wait for each other, or for
    /// a clock that they only believe to be wrong; agents wait for nobody.
    fn agents_are_late(&self, tolerated: i64) -> bool {
        let heard = self.agents.iter().filter(|seen| seen.lags.len() == ENOUGH);
        let late = |seen: &&Seen| seen.lags.iter().all(|&lag| lag > tolerated);
        let (heard, late) = (heard.clone().count(), heard.filter(late).count());
        2 * late > heard
    }

    /// How much later than its own clock says this peer acts, to act when most others do: none if its clock is right, or
    /// off by more than half a `period`.
    pub(super) fn correct(&self, time: Timestamp, period: Duration) -> Timestamp {
        let Ahead(by) = self.own.unwrap_or(Ahead(0));
        if by.abs() > micros(period / 2) {
            return time;
        }
        let span = Duration::from_micros(by.unsigned_abs());
        if by < 0 { time - span } else { time + span }
    }

    /// The inventories of these peers did not come, and are not waited for any longer.
    pub(super) fn missed(&mut self, peers: PeerSet) {
        self.late = peers.iter().fold(self.late, PeerSet::with);
    }

    /// This peer makes its plan.
    pub(super) fn plans(&mut self, window: WindowIndex, now: Timestamp) {
        self.planned = Some((window, now));
    }

    /// A peer's vote came.
    pub(super) fn vote(&mut self, from: PeerIndex, window: WindowIndex, now: Timestamp) {
        let ours = self.planned.filter(|&(planned, _)| planned == window);
        self.peers[from.offset()].answer = ours.map_or(0, |(_, at)| micros(now.since(at)));
    }

    /// An agent's shares of `window` came, whether they count or not; by this peer's clock they were due at `due`.
    pub(super) fn input(&mut self, from: AgentIndex, window: WindowIndex, due: Timestamp, now: Timestamp) {
        self.agents[from.at()].note(window, due, now);
    }

    /// What there is to tell.
    pub(super) fn notices(&self, node: &Node) -> Notices {
        let tolerated = tolerated(node.roster.timing());
        let condition = |peer: PeerIndex| match (node.online.contains(peer), self.late.contains(peer)) {
            (false, _) => Condition::Gone,
            (true, false) => Condition::Online,
            (true, true) => Condition::Slow,
        };
        let named = |peer| node.roster.peer(peer).map(|node| node.name.clone());
        let others = node.others();
        let peers = others.iter().filter_map(|peer| Some((named(peer)?, condition(peer)))).collect();
        let differ = |peer: PeerIndex| self.peers[peer.offset()].ahead(tolerated).map(|by| (peer, by));
        let mut clocks = BTreeMap::new();
        if self.own.is_none() {
            let agents = self.agents.iter().zip(node.roster.agents());
            let off_agents = agents
                .filter_map(|(seen, agent)| Some((agent.node.name.clone(), Ahead(seen.ahead(tolerated)?))));
            clocks.extend(off_agents.take(AGENTS));
            let off = others.iter().filter_map(differ);
            clocks.extend(off.filter_map(|(peer, by)| Some((named(peer)?, Ahead(by)))));
        }
        Notices { peers, clocks, own_clock: self.own }
    }
}

/// By how much clocks may differ without a word.
fn tolerated(timing: &Timing) -> i64 {
    micros(timing.grace / 2)
}

/// If more than half of all other clocks differ to the same side, it is rather one's own that does: by the middle of
/// what they say, or what is nearer to one's own of the two in the middle.
fn own(mut off: Vec<i64>, others: usize) -> Option<Ahead> {
    off.sort_unstable();
    let behind = off.partition_point(|&by| by < 0);
    let (side, middle) = if 2 * behind > off.len() {
        (&off[..behind], behind / 2)
    } else {
        (&off[behind..], (off.len() - behind).saturating_sub(1) / 2)
    };
    // A single other one may as well be wrong itself.
    (side.len() >= 2 && 2 * side.len() > others).then(|| Ahead(-side[middle]))
}

impl Seen {
    /// Notes the first message of a window; returns how late it is. Windows that were there before are messages that
    /// are sent again, or a clock that was set back: in doubt what was noted before no longer counts.
    fn note(&mut self, window: WindowIndex, due: Timestamp, now: Timestamp) -> Option<i64> {
        let lag = micros(now.since(due)) - micros(due.since(now));
        if window == self.newest || lag.abs() > FARTHEST {
            return None;
        }
        if window < self.newest {
            self.lags.clear();
        }
        self.newest = window;
        self.lags.push_back(lag);
        if self.lags.len() > ENOUGH {
            self.lags.pop_front();
        }
        Some(lag)
    }

    /// How far the sender's clock is ahead, if it is by more than `tolerated`, or behind.
    fn ahead(&self, tolerated: i64) -> Option<i64> {
        let least = *self.lags.iter().min().filter(|_| self.lags.len() == ENOUGH)?;
        let most = *self.lags.iter().max()?;
        // Nothing arrives before it is sent.
        if most < -tolerated {
            return Some(-least);
        }
        // What is late may have been long on its way. But then it is later one time than another, and answers are, too.
        let late = least - self.answer;
        (late > tolerated && most - least <= tolerated).then_some(-late)
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    /// A sender whose messages come so many microseconds after their time.
    fn seen(lags: &[i64]) -> Seen {
        let mut seen = Seen::default();
        let due = Timestamp::from_secs(1_000);
        for (window, &lag) in (1..).map(WindowIndex).zip(lags) {
            let now = Timestamp::from_micros(due.as_micros().checked_add_signed(lag).unwrap());
            assert_eq!(seen.note(window, due, now), Some(lag));
        }
        seen
    }

    #[test]
    fn what_comes_before_its_time_tells_of_a_clock_that_is_ahead() {
        assert_eq!(seen(&[-3 * SECOND, -2 * SECOND]).ahead(SECOND), None, "three must say so");
        assert_eq!(seen(&[-3 * SECOND, -2 * SECOND, -4 * SECOND]).ahead(SECOND), Some(4 * SECOND));
        assert_eq!(seen(&[-SECOND; 3]).ahead(SECOND), None, "that little is tolerated");
    }

    #[test]
    fn what_is_always_equally_late_tells_of_a_clock_that_is_behind() {
        assert_eq!(seen(&[5 * SECOND; 3]).ahead(SECOND), Some(-5 * SECOND));
        assert_eq!(
            seen(&[5 * SECOND, SECOND, 9 * SECOND]).ahead(SECOND),
            None,
            "a slow network comes and goes"
        );
        let mut slow = seen(&[5 * SECOND; 3]);
        slow.answer = 5 * SECOND;
        assert_eq!(slow.ahead(SECOND), None, "who answers as late is slow");
    }

    #[test]
    fn a_message_that_comes_again_counts_once_and_nonsense_does_not() {
        let mut seen = seen(&[0; 3]);
        let due = Timestamp::from_secs(1_000);
        assert_eq!(seen.note(WindowIndex(3), due, due + Duration::from_secs(60)), None);
        assert_eq!(seen.note(WindowIndex(u64::MAX), Timestamp::from_micros(u64::MAX), due), None);
        assert_eq!(seen.note(WindowIndex(4), due, due), Some(0));
    }

    #[test]
    fn a_clock_that_was_set_right_is_soon_forgotten() {
        let mut seen = seen(&[-9 * SECOND; 3]);
        let due = Timestamp::from_secs(991);
        for window in 0..3 {
            assert_eq!(seen.ahead(SECOND).is_some(), window == 0, "what was noted before does not count");
            assert_eq!(seen.note(WindowIndex(window), due, due), Some(0));
        }
        assert_eq!(seen.ahead(SECOND), None);
    }

    #[test]
    fn a_clock_that_differs_from_most_others_is_ones_own() {
        assert_eq!(own(vec![5, 6], 2), Some(Ahead(-5)));
        assert_eq!(own(vec![-5, -6], 2), Some(Ahead(5)));
        assert_eq!(own(vec![5, -6], 2), None);
        assert_eq!(own(vec![5], 2), None);
        assert_eq!(own(vec![-5, -7, -6], 4), Some(Ahead(6)));
        assert_eq!(own(vec![-5, -7], 4), None);
        assert_eq!(own(Vec::new(), 2), None);
    }
}
