//! One function at one peer, round by round.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use zeroize::Zeroizing;

use super::{Arithmetic, Cost};
use crate::field::Fp;
use crate::peers::PeerSet;
use crate::prss::Randomness;
use crate::shamir::{Degree, OpenError, OpenedBatch, PeerIndex, Sharing};

/// A function that is being computed.
pub struct Session<T> {
    arithmetic: Arithmetic,
    function: Pin<Box<dyn Future<Output = T> + Send>>,
}

/// What a session comes to when it is asked.
#[derive(Debug)]
pub enum Progress<T> {
    /// The end.
    Done(T),
    /// The peers must exchange these shares first.
    Open(Batch),
}

/// What one peer shows to the others in one round.
pub struct Batch {
    /// How many shares are of degree t; they come first. The others are of degree 2t.
    pub single: usize,
    /// The shares.
    pub shares: Zeroizing<Vec<Fp>>,
}

/// The values that one round opened.
#[derive(Debug, Default)]
pub struct Opened {
    /// Those of degree t.
    pub(super) single: Vec<Fp>,
    /// Those of degree 2t.
    pub(super) double: Vec<Fp>,
    /// The peers of whom at least one share was wrong and did not count.
    pub corrected: PeerSet,
}

impl<T> Session<T> {
    /// Prepares a function; nothing happens before it is asked to [`advance`](Self::advance).
    pub fn new<F>(sharing: Sharing, randomness: Randomness, function: impl FnOnce(Arithmetic) -> F) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let arithmetic = Arithmetic::new(sharing, randomness);
        Self { function: Box::pin(function(arithmetic.clone())), arithmetic }
    }

    /// Goes on as far as it can. To be called at the start and after each [`answer`](Self::answer).
    pub fn advance(&mut self) -> Progress<T> {
        if let Poll::Ready(output) = self.function.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Progress::Done(output);
        }
        let mut desk = self.arithmetic.desk();
        let (single, double) = (std::mem::take(&mut desk.single), std::mem::take(&mut desk.double));
        let count = single.len();
        // Mostly one of the two is empty.
        let shares = if double.is_empty() {
            single
        } else if single.is_empty() {
            double
        } else {
            let mut shares = Zeroizing::new(Vec::with_capacity(count + double.len()));
            shares.extend_from_slice(&single);
            shares.extend_from_slice(&double);
            shares
        };
        desk.cost.rounds += 1;
        desk.cost.shares += shares.len() as u64;
        desk.cost.products += (shares.len() - count) as u64;
        Progress::Open(Batch { single: count, shares })
    }

    /// Hands in what the round opened.
    pub fn answer(&mut self, opened: Opened) {
        let mut desk = self.arithmetic.desk();
        desk.opened = opened;
        desk.round += 1;
    }

    /// What it has cost so far.
    pub fn cost(&self) -> Cost {
        self.arithmetic.desk().cost
    }
}

impl Batch {
    /// The values behind the shares that all peers showed in this round, this peer's own included.
    ///
    /// # Errors
    /// If they are too few, of different number, or contradict each other.
    pub fn open(
        single: usize,
        sharing: Sharing,
        partials: &[(PeerIndex, &[Fp])],
    ) -> Result<Opened, OpenError> {
        let shortest = partials.iter().find(|(_, shares)| shares.len() < single);
        if let Some(&(peer, _)) = shortest {
            return Err(OpenError::OtherLength(peer));
        }
        let part = |degree, range: fn(&[Fp], usize) -> &[Fp]| {
            let partials: Vec<_> =
                partials.iter().map(|&(peer, shares)| (peer, range(shares, single))).collect();
            if partials.iter().all(|(_, shares)| shares.is_empty()) {
                return Ok(OpenedBatch { values: Vec::new(), corrected: PeerSet::EMPTY });
            }
            sharing.open_batch(degree, &partials)
        };
        let first = part(Degree::Single, |shares, single| &shares[..single])?;
        let rest = part(Degree::Double, |shares, single| &shares[single..])?;
        let corrected = rest.corrected.iter().fold(first.corrected, PeerSet::with);
        Ok(Opened { single: first.values, double: rest.values, corrected })
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch {{ single: {}, shares: <{} redacted> }}", self.single, self.shares.len())
    }
}

impl<T> std::fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session {{ cost: {:?} }}", self.cost())
    }
}
