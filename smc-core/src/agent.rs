//! An agent: a state machine without I/O that turns readings into shares in a fixed rhythm (docs/protocol.md, 2).
//!
//! Feed it with [`Agent::handle_reading`] and [`Agent::handle_gap`] and, when the instant of
//! [`Agent::poll_timeout`] has come, [`Agent::handle_timeout`]; then drain [`Agent::poll_transmit`] and
//! [`Agent::poll_event`].
//!
//! It keeps no memory of an earlier life and needs none: it starts with the window after the one it was born in, so
//! it never shares one window twice.

mod latest;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::latest::Latest;
use crate::name::StreamName;
use crate::protocol::input::{self, Steps, Terms};
use crate::quantity::RefusedReading;
use crate::roster::{AgentIndex, BundleIndex, Roster};
use crate::time::{Period, Timestamp, WindowIndex};

/// One bundle's shares for one window, one plaintext per peer in the order of peers; to be sealed and sent.
#[derive(Debug)]
pub struct Dealt {
    /// Which bundle.
    pub bundle: BundleIndex,
    /// Which window.
    pub window: WindowIndex,
    /// What each peer gets.
    pub plaintexts: Vec<Plaintext>,
}

/// What one peer gets, in the clear.
pub struct Plaintext(Zeroizing<Vec<u8>>);

impl Plaintext {
    /// The bytes, to be sealed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

/// What an agent did.
#[derive(Debug)]
pub enum Event {
    /// It shared a window.
    Published {
        /// Which bundle.
        bundle: BundleIndex,
        /// Which window.
        window: WindowIndex,
        /// Per stream what was shared, or why there was nothing.
        readings: Vec<Result<Steps, GapReason>>,
    },
    /// Windows that nobody shared, because the clock jumped or the machine slept.
    Skipped {
        /// How many.
        windows: u64,
    },
}

/// Why a window has no reading of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum GapReason {
    /// Above the quantity's maximum.
    #[error("above the maximum")]
    AboveMaximum,
    /// Below the quantity's minimum.
    #[error("below the minimum")]
    BelowMinimum,
    /// The message from the sensor lacks the value.
    #[error("missing in the sensor's message")]
    Missing,
    /// Nothing has been read yet.
    #[error("no reading yet")]
    NoReading,
    /// Not a number, or infinite.
    #[error("not a number")]
    NotANumber,
    /// The last reading is too old.
    #[error("stale")]
    Stale,
    /// What the sensor sent is larger than any number.
    #[error("too large")]
    TooLarge,
    /// What the sensor sent can't be read as a number.
    #[error("unparsable")]
    Unparsable,
    /// What the sensor sent is of another type.
    #[error("of the wrong type")]
    WrongType,
}

impl GapReason {
    /// The name under which it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AboveMaximum => "above_maximum",
            Self::BelowMinimum => "below_minimum",
            Self::Missing => "missing",
            Self::NoReading => "no_reading",
            Self::NotANumber => "not_a_number",
            Self::Stale => "stale",
            Self::TooLarge => "too_large",
            Self::Unparsable => "unparsable",
            Self::WrongType => "wrong_type",
        }
    }
}

impl From<RefusedReading> for GapReason {
    fn from(refused: RefusedReading) -> Self {
        match refused {
            RefusedReading::AboveMaximum => Self::AboveMaximum,
            RefusedReading::BelowMinimum => Self::BelowMinimum,
            RefusedReading::NotANumber => Self::NotANumber,
        }
    }
}

/// Why a reading was not noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNoted {
    /// Its time lies more than two windows ahead, or too many are waiting for their time.
    #[error("from too far in the future")]
    Future,
    /// A newer one is known.
    #[error("older than what is known")]
    Old,
    /// The agent has no such stream.
    #[error("of no stream of this agent")]
    UnknownStream,
}

/// An agent.
#[derive(Debug)]
pub struct Agent {
    roster: Arc<Roster>,
    terms: Terms,
    bundles: Vec<Bundle>,
    dealt: VecDeque<Dealt>,
    events: VecDeque<Event>,
}

#[derive(Debug)]
struct Bundle {
    index: BundleIndex,
    period: Period,
    /// When in its window it speaks.
    offset: Duration,
    /// The window it shares next.
    next: WindowIndex,
    streams: Vec<Latest>,
}

impl Agent {
    /// The agent `me` of a site. A reading counts as fresh for `maximum_age`, or for one window if that is none.
    pub fn new(
        me: AgentIndex,
        roster: Arc<Roster>,
        terms: Terms,
        maximum_age: Option<Duration>,
        now: Timestamp,
    ) -> Self {
        let name = roster.agent(me).node.name.as_str();
        let bundle = |&index: &BundleIndex| {
            let definition = roster.bundle(index);
            let period = definition.period;
            let age = maximum_age.unwrap_or(period.as_duration());
            Bundle {
                index,
                period,
                offset: offset(name, period),
                next: period.window_at(now).next(),
                streams: definition.streams.iter().map(|_| Latest::new(age)).collect(),
            }
        };
        let bundles = roster.agent(me).bundles.iter().map(bundle).collect();
        Self { bundles, roster, terms, dealt: VecDeque::new(), events: VecDeque::new() }
    }

    /// Notes a reading taken at `at`. One from the near future waits for its time.
    ///
    /// # Errors
    /// Why it was not noted. A reading outside the quantity's range *is* noted: as a gap, with its reason.
    pub fn handle_reading(
        &mut self,
        now: Timestamp,
        stream: &StreamName,
        at: Timestamp,
        value: f64,
    ) -> Result<(), NotNoted> {
        let (bundle, place) = self.find(stream)?;
        let definition = &self.roster.bundle(self.bundles[bundle].index).streams[place];
        let quantity = &self.roster.quantity(definition.quantity).quantity;
        let steps = quantity.encode(value).map(Steps).map_err(GapReason::from);
        self.note(now, bundle, place, at, steps)
    }

    /// Notes that at `at` the sensor gave nothing usable.
    ///
    /// # Errors
    /// Why that was not noted.
    pub fn handle_gap(
        &mut self,
        now: Timestamp,
        stream: &StreamName,
        at: Timestamp,
        reason: GapReason,
    ) -> Result<(), NotNoted> {
        let (bundle, place) = self.find(stream)?;
        self.note(now, bundle, place, at, Err(reason))
    }

    /// Shares the windows that are due.
    pub fn handle_timeout(&mut self, now: Timestamp, rng: &mut impl CryptoRng) {
        for bundle in 0..self.bundles.len() {
            if self.bundles[bundle].due() <= now {
                self.skip(bundle, now);
            }
            // Again, for the window skipped to may have a little time left before its instant.
            if self.bundles[bundle].due() <= now {
                self.publish(bundle, rng);
            }
        }
    }

    /// The next shares to seal and send.
    pub fn poll_transmit(&mut self) -> Option<Dealt> {
        self.dealt.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Agent::handle_timeout`] is due; never, for an agent without streams.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.bundles.iter().map(Bundle::due).min()
    }

    fn find(&self, stream: &StreamName) -> Result<(usize, usize), NotNoted> {
        let place = |(at, bundle): (usize, &Bundle)| {
            let streams = &self.roster.bundle(bundle.index).streams;
            Some((at, streams.iter().position(|candidate| candidate.name == *stream)?))
        };
        self.bundles.iter().enumerate().find_map(place).ok_or(NotNoted::UnknownStream)
    }

    fn note(
        &mut self,
        now: Timestamp,
        bundle: usize,
        place: usize,
        at: Timestamp,
        reading: Result<Steps, GapReason>,
    ) -> Result<(), NotNoted> {
        let bundle = &mut self.bundles[bundle];
        if at > now + 2 * bundle.period.as_duration() {
            return Err(NotNoted::Future);
        }
        bundle.streams[place].note(now, at, reading)
    }

    /// A window that is over can't be shared any more.
    fn skip(&mut self, bundle: usize, now: Timestamp) {
        let bundle = &mut self.bundles[bundle];
        let current = bundle.period.window_at(now);
        if let Some(windows @ 1..) = current.age_since(bundle.next) {
            bundle.next = current;
            self.events.push_back(Event::Skipped { windows });
        }
    }

    /// 2.3: one message per peer and window, of one size, with a reading or without.
    fn publish(&mut self, bundle: usize, rng: &mut impl CryptoRng) {
        let bundle = &mut self.bundles[bundle];
        let (window, due) = (bundle.next, bundle.due());
        bundle.next = window.next();
        let readings: Vec<_> = bundle.streams.iter_mut().map(|stream| stream.at(due)).collect();
        let shared: Vec<_> = readings.iter().map(|reading| reading.ok()).collect();
        let definition = self.roster.bundle(bundle.index);
        let dealt = input::deal(definition, self.terms, &shared, self.roster.sharing(), rng);
        // Readings were encoded by the quantities of this very bundle: they fit.
        let Ok(plaintexts) = dealt else { return };
        let plaintexts = plaintexts.into_iter().map(Plaintext).collect();
        self.dealt.push_back(Dealt { bundle: bundle.index, window, plaintexts });
        self.events.push_back(Event::Published { bundle: bundle.index, window, readings });
    }
}

impl Bundle {
    fn due(&self) -> Timestamp {
        self.period.start(self.next) + self.offset
    }
}

/// When in a window an agent speaks: between a tenth and eight tenths of it, by its name alone (2.3), so that all
/// agents together make a steady stream and none tells anything by its timing.
pub fn offset(name: &str, period: Period) -> Duration {
    let digest = Sha256::digest(name.as_bytes());
    let fraction = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let tenth = period.as_duration() / 10;
    tenth + (7 * tenth).mul_f64(f64::from(fraction) / f64::from(u32::MAX))
}
