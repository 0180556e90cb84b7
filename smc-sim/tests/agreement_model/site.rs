//! A site at one moment of a cohort epoch: how its honest peers voted last, and what came to be agreed.

use stateright::Representative;

/// A set of peers or of streams, as bits.
pub(crate) type Set = u8;

/// How many sets there are of at most four peers.
const SETS: usize = 16;

/// The members of a set, ascending.
pub(crate) fn members(set: Set) -> impl Iterator<Item = usize> {
    (0..8).filter(move |at| set >> at & 1 == 1)
}

/// What a vote is for. Of a cohort's readings the model knows no more than which streams they are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Plan {
    /// Its streams.
    pub(crate) cohort: Set,
    /// Whether the epoch stood on it before.
    pub(crate) frozen: bool,
    /// P.
    pub(crate) peers: Set,
}

/// A peer's last vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Vote {
    /// When: 0 is the first window that any peer's last vote is of, 1 the next, and so on.
    pub(crate) window: u8,
    pub(crate) plan: Plan,
}

/// The window that is not over yet.
const NOW: u8 = u8::MAX;

/// A set of plans: for each P the cohorts, frozen or not, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Choice([u8; SETS]);

/// An honest peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Peer {
    /// It votes no more in this window.
    Silent(Option<Vote>),
    /// It is about to vote for one of these.
    Votes(Choice),
}

/// A site whose first `HONEST` peers follow the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Site<const HONEST: usize> {
    pub(crate) peers: [Peer; HONEST],
    /// The cohorts that were agreed in this epoch: bit c stands for the cohort of the streams c.
    pub(crate) agreed: u8,
    /// Whether any window had more than one agreement.
    pub(crate) twice: bool,
}

impl Choice {
    pub(crate) fn insert(&mut self, plan: Plan) {
        self.0[usize::from(plan.peers)] |= 1 << (2 * plan.cohort + u8::from(plan.frozen));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; SETS]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Plan> {
        let plan = |peers: usize, bit: usize| Plan {
            cohort: bit as Set / 2,
            frozen: bit % 2 == 1,
            peers: peers as Set,
        };
        self.0
            .iter()
            .enumerate()
            .flat_map(move |(peers, &bits)| members(bits).map(move |bit| plan(peers, bit)))
    }
}

impl<const HONEST: usize> Site<HONEST> {
    /// When the epoch begins.
    pub(crate) const NEW: Self = Self { peers: [Peer::Silent(None); HONEST], agreed: 0, twice: false };

    /// The first peer that is about to vote, and for what.
    pub(crate) fn voter(&self) -> Option<(usize, &Choice)> {
        self.peers.iter().enumerate().find_map(|(at, peer)| match peer {
            Peer::Silent(_) => None,
            Peer::Votes(choice) => Some((at, choice)),
        })
    }

    /// The last vote of the peer at this place.
    pub(crate) fn last(&self, at: usize) -> Option<Vote> {
        match self.peers.get(at) {
            Some(Peer::Silent(last)) => *last,
            Some(Peer::Votes(_)) | None => None,
        }
    }

    /// The peer at this place votes. After the last one the window is over.
    pub(crate) fn vote(&mut self, at: usize, plan: Plan) {
        self.peers[at] = Peer::Silent(Some(Vote { window: NOW, plan }));
        if self.voter().is_none() {
            self.conclude();
        }
    }

    /// What all honest peers of a P voted for was agreed; a liar among them said whatever it took.
    fn conclude(&mut self) {
        let votes: [_; HONEST] = std::array::from_fn(|at| self.last(at).filter(|vote| vote.window == NOW));
        let mut agreements = 0;
        for (at, vote) in votes.iter().enumerate() {
            let Some(Vote { plan, .. }) = vote else { continue };
            let mut honest = members(plan.peers).filter(|&peer| peer < HONEST).peekable();
            // Counted at the first of P.
            if honest.peek() == Some(&at) && honest.all(|peer| votes[peer] == *vote) {
                self.agreed |= 1 << plan.cohort;
                agreements += 1;
            }
        }
        self.twice |= agreements > 1;
        self.number();
    }

    /// Numbers the windows anew. Of two windows it matters which one was earlier, not by how much.
    fn number(&mut self) {
        let mut windows: Vec<_> = (0..HONEST).filter_map(|at| Some(self.last(at)?.window)).collect();
        windows.sort_unstable();
        windows.dedup();
        for peer in &mut self.peers {
            if let Peer::Silent(Some(vote)) = peer {
                vote.window = windows.iter().take_while(|&&window| window < vote.window).count() as u8;
            }
        }
    }

    /// The same with other names: the peer at place i is now at `places[i]`; liars keep theirs.
    fn renamed(&self, places: [usize; HONEST]) -> Self {
        let renamed = |set: usize| {
            let place = |at: usize| places.get(at).copied().unwrap_or(at);
            members(set as Set).fold(0, |set, at| set | 1 << place(at))
        };
        let names: [usize; SETS] = std::array::from_fn(renamed);
        let mut site = *self;
        for (peer, place) in self.peers.iter().zip(places) {
            site.peers[place] = match *peer {
                Peer::Silent(last) => Peer::Silent(last.map(|mut vote| {
                    vote.plan.peers = names[usize::from(vote.plan.peers)] as Set;
                    vote
                })),
                Peer::Votes(choice) => {
                    let mut named = Choice::default();
                    names.iter().zip(choice.0).for_each(|(&name, plans)| named.0[name] = plans);
                    Peer::Votes(named)
                }
            };
        }
        site
    }
}

impl Peer {
    /// A number that stands for what the peer is, whatever the peers are called: only their `looks` count.
    fn look(&self, looks: &[u64]) -> u64 {
        // What a set of peers looks like; liars look like none.
        let set = |peers: usize| {
            members(peers as Set)
                .map(|at| looks.get(at).map_or(1, |&look| mix(look)))
                .fold(0, u64::wrapping_add)
        };
        match self {
            Self::Silent(None) => 0,
            Self::Silent(Some(Vote { window, plan })) => {
                let rest = u64::from(*window) << 8 | u64::from(2 * plan.cohort + u8::from(plan.frozen));
                mix(rest + 1).wrapping_add(set(plan.peers.into()))
            }
            Self::Votes(Choice(plans)) => {
                let some = (0..SETS).filter(|&peers| plans[peers] != 0);
                some.map(|peers| mix(set(peers) ^ mix(plans[peers].into()))).fold(1, u64::wrapping_add)
            }
        }
    }
}

/// Scatters numbers, as splitmix64 does.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Sites that differ in the peers' names alone are searched once.
impl<const HONEST: usize> Representative for Site<HONEST> {
    fn representative(&self) -> Self {
        let mut looks = [0; HONEST];
        for _ in 0..3 {
            looks = std::array::from_fn(|at| mix(looks[at]).wrapping_add(self.peers[at].look(&looks)));
        }
        let mut order: [usize; HONEST] = std::array::from_fn(|at| at);
        order.sort_unstable_by_key(|&at| looks[at]);
        let mut places = [0; HONEST];
        order.iter().enumerate().for_each(|(place, &at)| places[at] = place);
        self.renamed(places)
    }
}
