//! All peers of a session in one process: to rehearse a function, to count what it costs, and to test it.

use std::future::Future;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Arithmetic, Batch, Cost, Progress, Session, Shares};
use crate::field::Fp;
use crate::prss::{Randomness, subsets};
use crate::shamir::{OpenError, PeerIndex, Share, ShareError, Sharing};

/// What every peer came to, and what it cost each.
#[derive(Debug)]
pub struct Outcome<T> {
    /// The outputs, in the order of peers.
    pub outputs: Vec<T>,
    /// The cost of the first peer.
    pub cost: Cost,
    /// Everything that was opened, round by round.
    pub opened: Vec<Vec<Fp>>,
}

/// The sessions of all peers, with keys drawn from `rng`.
pub fn sessions<T, F>(
    sharing: Sharing,
    rng: &mut impl CryptoRng,
    mut function: impl FnMut(PeerIndex, Arithmetic) -> F,
) -> Vec<Session<T>>
where
    F: Future<Output = T> + Send + 'static,
{
    let keys: Vec<_> = subsets(sharing)
        .map(|set| {
            let mut key = Zeroizing::new([0; 32]);
            rng.fill_bytes(&mut *key);
            (set, key)
        })
        .collect();
    let session = |me| {
        let mine = keys.iter().filter(|(set, _)| set.contains(me)).cloned();
        Session::new(sharing, Randomness::new(sharing, me, mine), |arithmetic| function(me, arithmetic))
    };
    sharing.indices().map(session).collect()
}

/// Runs a function at all peers, with keys drawn from `rng`.
///
/// # Errors
/// If the peers' shares contradict each other.
pub fn run<T, F>(
    sharing: Sharing,
    rng: &mut impl CryptoRng,
    mut function: impl FnMut(PeerIndex, Arithmetic) -> F,
) -> Result<Outcome<T>, OpenError>
where
    F: Future<Output = T> + Send + 'static,
{
    let mut sessions = sessions(sharing, rng, &mut function);
    let mut opened = Vec::new();
    loop {
        let mut outputs = Vec::new();
        let mut batches = Vec::new();
        for (peer, session) in sharing.indices().zip(&mut sessions) {
            match session.advance() {
                Progress::Done(output) => outputs.push(output),
                Progress::Open(batch) => batches.push((peer, batch)),
            }
        }
        if batches.is_empty() {
            let cost = sessions.first().map(Session::cost).unwrap_or_default();
            return Ok(Outcome { outputs, cost, opened });
        }
        let single = batches.first().map_or(0, |(_, batch)| batch.single);
        let shares: Vec<_> = batches.iter().map(|(peer, batch)| (*peer, batch.shares.as_slice())).collect();
        opened.push(Vec::new());
        for session in &mut sessions {
            let values = Batch::open(single, sharing, &shares)?;
            if let Some(round) = opened.last_mut().filter(|round| round.is_empty()) {
                round.extend(values.single.iter().chain(&values.double));
            }
            session.answer(values);
        }
    }
}

/// Shares numbers of `bits` bits: for each peer the columns of bits, the least significant first.
///
/// # Errors
/// If a number does not fit.
pub fn share_bits(
    sharing: Sharing,
    numbers: &[u64],
    bits: u32,
    rng: &mut impl CryptoRng,
) -> Result<Vec<Vec<Shares>>, ShareError> {
    let peers = usize::from(sharing.peers());
    let mut columns = vec![vec![Vec::with_capacity(numbers.len()); bits as usize]; peers];
    let mut shares: Vec<Share> = (0..peers).map(|_| Share::default()).collect();
    for &number in numbers {
        if number >> bits != 0 {
            return Err(ShareError::ValueTooWide { bits });
        }
        for bit in 0..bits as usize {
            sharing.share(Fp::reduce(number >> bit & 1), rng, &mut shares)?;
            for (columns, share) in columns.iter_mut().zip(&shares) {
                columns[bit].push(share.reveal());
            }
        }
    }
    Ok(columns.into_iter().map(|columns| columns.into_iter().map(Shares::new).collect()).collect())
}

/// Shares numbers: for each peer one lane per number.
///
/// # Errors
/// As [`Sharing::share`].
pub fn share_numbers(
    sharing: Sharing,
    numbers: &[Fp],
    rng: &mut impl CryptoRng,
) -> Result<Vec<Shares>, ShareError> {
    let peers = usize::from(sharing.peers());
    let mut lanes = vec![Vec::with_capacity(numbers.len()); peers];
    let mut shares: Vec<Share> = (0..peers).map(|_| Share::default()).collect();
    for &number in numbers {
        sharing.share(number, rng, &mut shares)?;
        lanes.iter_mut().zip(&shares).for_each(|(lanes, share)| lanes.push(share.reveal()));
    }
    Ok(lanes.into_iter().map(Shares::new).collect())
}
