//! What has to be done in a window, whatever the machine and the network.

use smc_core::function::{Entry, FunctionError};

use crate::observation::Phase;
use crate::parameters::Parameters;
use crate::rehearsal::{self, RehearsalFailure, Size};

/// What a window takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Rounds of the function.
    pub rounds: f64,
    /// Products of shares, at one peer, of all sessions.
    pub products: f64,
    /// Readings that a peer checks, of both quantities where there are two.
    pub readings: f64,
    /// How many shares a peer gives each other peer, round by round of the function, of all sessions.
    pub shares: Vec<f64>,
    peers: f64,
    sessions: f64,
}

/// Why the work could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// There is no such function.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// The function could not be rehearsed.
    #[error(transparent)]
    Rehearsal(#[from] RehearsalFailure),
}

/// So many readings are rehearsed at most; what more come to is in proportion, see [`Work::of`].
const REHEARSED: u32 = 4_096;
/// And so many elements of vectors.
const ELEMENTS: u32 = 1_024;

impl Work {
    /// Counted by computing the function in this process on as many readings. Of more than some thousands, products and shares
    /// are taken to be in proportion to the readings, and rounds to be the same. `max` and its kin, whose digits get narrower
    /// with more readings, then have some rounds more and fewer products.
    ///
    /// # Errors
    /// If the function can't be computed so.
    pub fn of(p: &Parameters) -> Result<Self, WorkError> {
        let entry = Entry::named(&p.function).ok_or_else(|| FunctionError::Unknown(p.function.clone()))?;
        let readings = p.agents.saturating_mul(p.streams);
        let (agents, elements) = (readings.min(REHEARSED), p.batch.min(ELEMENTS));
        let size = Size { agents, bits: p.bits.into(), elements, peers: p.peers, threshold: p.threshold };
        let measured = rehearsal::prepare(entry, size)?.cost()?;
        let quantities = if rehearsal::example(entry, p.bits.into())?.with.is_some() { 2.0 } else { 1.0 };
        let sessions = f64::from(p.sessions);
        let per_reading = f64::from(readings) / f64::from(agents);
        let per_element = f64::from(p.batch) / f64::from(elements);
        let scaled = |count: u64| {
            // What does not grow with readings is few: an output, or a product of sums.
            let grows = count >= u64::from(agents);
            count as f64 * sessions * per_element * if grows { per_reading } else { 1.0 }
        };
        Ok(Self {
            rounds: measured.rounds.into(),
            products: scaled(measured.products),
            readings: f64::from(readings) * f64::from(p.batch) * quantities,
            shares: measured.opened.iter().map(|shares| scaled(*shares)).collect(),
            peers: p.peers.into(),
            sessions,
        })
    }

    /// Rounds among all peers in a phase: inventories and votes; two of the check; the function's but for the last; the last;
    /// signatures, and the way to whoever reads the result.
    pub fn rounds_in(&self, phase: Phase) -> f64 {
        match phase {
            Phase::Agreement | Phase::Validity | Phase::Publication => 2.0,
            Phase::Computation => (self.rounds - 1.0).max(0.0),
            Phase::Opening => self.rounds.min(1.0),
            Phase::Sharing | Phase::Transport | Phase::Whole => 0.0,
        }
    }

    /// Messages among all peers in a phase. Sessions that compute side by side send messages of their own.
    pub fn messages_in(&self, phase: Phase) -> f64 {
        let everybody = self.peers * (self.peers - 1.0);
        match phase {
            Phase::Agreement | Phase::Validity => 2.0 * everybody,
            // The result is one message for each reader, of each session.
            Phase::Publication => (everybody + 1.0) * self.sessions,
            Phase::Computation | Phase::Opening => self.rounds_in(phase) * everybody * self.sessions,
            Phase::Sharing | Phase::Transport | Phase::Whole => 0.0,
        }
    }

    /// Bytes of shares that one peer sends to all others in a phase, before they are sealed and written as text.
    pub fn shares_in(&self, phase: Phase) -> f64 {
        let last = self.shares.len().saturating_sub(1);
        let of = |shares: &[f64]| shares.iter().sum::<f64>() * 8.0 * (self.peers - 1.0);
        match phase {
            Phase::Computation => of(&self.shares[..last]),
            Phase::Opening => of(&self.shares[last..]),
            _ => 0.0,
        }
    }

    /// Messages that one peer sends in a window, and bytes of shares in them.
    pub fn sent_by_a_peer(&self) -> (f64, f64) {
        let messages: f64 = super::PHASES.iter().map(|phase| self.messages_in(*phase)).sum();
        let shares = super::PHASES.iter().map(|phase| self.shares_in(*phase)).sum();
        (messages / self.peers, shares)
    }
}
