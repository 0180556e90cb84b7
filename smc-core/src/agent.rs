//! An agent: a state machine without I/O that turns readings into shares in a fixed rhythm (docs/protocol.md, 2).
//!
//! Feed it with [`Agent::handle_reading`] and [`Agent::handle_gap`] and, when the instant of
//! [`Agent::poll_timeout`] has come, [`Agent::handle_timeout`]; then drain [`Agent::poll_transmit`] and
//! [`Agent::poll_event`].
//!
//! It keeps no memory of an earlier life and needs none: it starts with the window after the one it was born in, so
//! it never shares one window twice.

mod encode;
mod latest;
mod speaker;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::speaker::Speaker;
use crate::name::StreamName;
use crate::protocol::input::{self, Steps};
use crate::protocol::terms::Terms;
use crate::quantity::{Quantity, RefusedReading};
use crate::roster::{AgentIndex, BundleIndex, Roster};
use crate::time::{Period, Timestamp, WindowIndex};

/// One bundle's shares for one window: one plaintext per peer in the order of peers; to be sealed and sent.
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
    /// It shared a window, all parts of it.
    Published {
        /// Which bundle; of a vector, the one where it begins.
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
    /// Outside of what its owner takes for plausible.
    #[error("implausible")]
    Implausible,
    /// Changed faster than its owner takes for plausible.
    #[error("changed too fast")]
    Jumped,
    /// The message from the sensor lacks the value.
    #[error("missing in the sensor's message")]
    Missing,
    /// Nothing has been read yet.
    #[error("no reading yet")]
    NoReading,
    /// Not a number, or infinite.
    #[error("not a number")]
    NotANumber,
    /// The agent's owner does not want it shared.
    #[error("paused by the owner")]
    Paused,
    /// The last reading is too old.
    #[error("stale")]
    Stale,
    /// The same for longer than its owner takes for plausible.
    #[error("stuck")]
    Stuck,
    /// What the sensor sent is larger than any number.
    #[error("too large")]
    TooLarge,
    /// What the sensor sent can't be read as a number.
    #[error("unparsable")]
    Unparsable,
    /// A vector has more or fewer elements than its quantity.
    #[error("of the wrong length")]
    WrongLength,
    /// What the sensor sent is of another type, such as a single number where a vector is expected.
    #[error("of the wrong type")]
    WrongType,
}

impl GapReason {
    /// The name under which it is counted.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AboveMaximum => "above_maximum",
            Self::BelowMinimum => "below_minimum",
            Self::Implausible => "implausible",
            Self::Jumped => "jumped",
            Self::Missing => "missing",
            Self::NoReading => "no_reading",
            Self::NotANumber => "not_a_number",
            Self::Paused => "paused",
            Self::Stale => "stale",
            Self::Stuck => "stuck",
            Self::TooLarge => "too_large",
            Self::Unparsable => "unparsable",
            Self::WrongLength => "wrong_length",
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
    speakers: Vec<Speaker>,
    /// Whether vectors wait.
    held: bool,
    dealt: VecDeque<Dealt>,
    events: VecDeque<Event>,
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
        let bundles = &roster.agent(me).bundles;
        let begin = bundles.iter().copied().filter(|&bundle| roster.bundle(bundle).begins());
        let speakers = begin.map(|bundle| Speaker::new(&roster, name, bundle, maximum_age, now)).collect();
        let (dealt, events) = (VecDeque::new(), VecDeque::new());
        Self { speakers, roster, terms, held: false, dealt, events }
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
        let (speaker, place) = self.find(stream)?;
        let steps = encode::number(self.quantity(speaker, place), value);
        self.note(now, speaker, place, at, steps)
    }

    /// Notes a vector taken at `at`, as [`Agent::handle_reading`] does a single number. It counts whole or not at all:
    /// one wrong element makes a gap of it.
    ///
    /// # Errors
    /// Why it was not noted.
    pub fn handle_vector(
        &mut self,
        now: Timestamp,
        stream: &StreamName,
        at: Timestamp,
        values: &[f64],
    ) -> Result<(), NotNoted> {
        let (speaker, place) = self.find(stream)?;
        let steps = encode::vector(self.quantity(speaker, place), values);
        self.note(now, speaker, place, at, steps)
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
        let (speaker, place) = self.find(stream)?;
        self.note(now, speaker, place, at, Err(reason))
    }

    /// Shares what is due; of vectors one part at a time, so that few shares wait in memory: call it until
    /// [`Agent::poll_timeout`] lies ahead, and drain in between.
    pub fn handle_timeout(&mut self, now: Timestamp, rng: &mut impl CryptoRng) {
        let mut parts = usize::from(!self.held);
        for speaker in 0..self.speakers.len() {
            let vector = self.speakers[speaker].is_vector;
            if vector && parts == 0 {
                continue;
            }
            if self.speakers[speaker].due() <= now {
                self.skip(speaker, now);
            }
            // Again, for the window skipped to may have a little time left before its instant.
            if self.speakers[speaker].due() <= now {
                self.publish(speaker, rng);
                parts -= usize::from(vector);
            }
        }
    }

    /// Lets vectors wait while their messages can't be sent as fast as they are due, or no longer. What waits beyond
    /// the end of its window is skipped.
    pub fn hold_vectors(&mut self, held: bool) {
        self.held = held;
    }

    /// Shares nothing of the streams that `is_paused` names, from the next window on: their windows have gaps, in messages like
    /// all others.
    pub fn pause(&mut self, is_paused: impl Fn(&StreamName) -> bool) {
        for speaker in &mut self.speakers {
            let definition = self.roster.bundle(speaker.first);
            for (latest, stream) in speaker.streams.iter_mut().zip(&definition.streams) {
                latest.pause(is_paused(&stream.name));
            }
        }
    }

    /// Demands this of results that cover it, from the next window on.
    pub fn demand(&mut self, terms: Terms) {
        self.terms = terms;
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
        let free = self.speakers.iter().filter(|speaker| !(self.held && speaker.is_vector));
        free.map(Speaker::due).min()
    }

    fn find(&self, stream: &StreamName) -> Result<(usize, usize), NotNoted> {
        let place = |(at, speaker): (usize, &Speaker)| {
            let streams = &self.roster.bundle(speaker.first).streams;
            Some((at, streams.iter().position(|candidate| candidate.name == *stream)?))
        };
        self.speakers.iter().enumerate().find_map(place).ok_or(NotNoted::UnknownStream)
    }

    fn quantity(&self, speaker: usize, place: usize) -> &Quantity {
        let stream = &self.roster.bundle(self.speakers[speaker].first).streams[place];
        &self.roster.quantity(stream.quantity).quantity
    }

    fn note(
        &mut self,
        now: Timestamp,
        speaker: usize,
        place: usize,
        at: Timestamp,
        reading: Result<Steps, GapReason>,
    ) -> Result<(), NotNoted> {
        let speaker = &mut self.speakers[speaker];
        if at > now + 2 * speaker.period.as_duration() {
            return Err(NotNoted::Future);
        }
        speaker.streams[place].note(now, at, reading)
    }

    /// A window that is over can't be shared any more, nor what is left of it.
    fn skip(&mut self, speaker: usize, now: Timestamp) {
        if let Some(windows @ 1..) = self.speakers[speaker].skip(now) {
            self.events.push_back(Event::Skipped { windows });
        }
    }

    /// 2.3: one message per peer, bundle and window, of one size, with a reading or without.
    fn publish(&mut self, speaker: usize, rng: &mut impl CryptoRng) {
        let speaker = &mut self.speakers[speaker];
        let (bundle, window) = speaker.begin();
        let shared: Vec<_> = speaker.readings.iter().map(|reading| reading.as_ref().ok().cloned()).collect();
        let definition = self.roster.bundle(bundle);
        let dealt = input::deal(definition, self.terms, &shared, self.roster.sharing(), rng);
        if let Some(readings) = speaker.end() {
            self.events.push_back(Event::Published { bundle: speaker.first, window, readings });
        }
        // Readings were encoded by the quantities of this very bundle: they fit.
        let Ok(plaintexts) = dealt else { return };
        let plaintexts = plaintexts.into_iter().map(Plaintext).collect();
        self.dealt.push_back(Dealt { bundle, window, plaintexts });
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
