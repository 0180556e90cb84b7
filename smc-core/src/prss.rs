//! Randomness that peers share without a message (docs/protocol.md, 3): PRSS and PRZS of Cramer, Damgard and Ishai,
//! "Share conversion, pseudorandom secret-sharing and applications to secure computation" (TCC 2005).
//!
//! For every set A of n - t peers there is a key that only the members of A know. All t others together miss at least
//! one such key, and with it everything that is drawn here. [`Seeds`] agree on the keys; [`Randomness`] draws from
//! them, in an order that is the same at all peers.

mod label;
mod seeds;

use zeroize::Zeroizing;

pub use self::label::Label;
pub use self::seeds::{Contribution, SeedBatch, SeedError, Seeds};
use crate::field::Fp;
use crate::keystream::{Drawn, Keystream, number};
use crate::peers::PeerSet;
use crate::shamir::{PeerIndex, Sharing};

/// How many elements are drawn from one key at a time.
const DRAWS: usize = 128;

/// All sets of n - t peers, in an order of their own.
pub fn subsets(sharing: Sharing) -> impl Iterator<Item = PeerSet> {
    let (n, t) = (u32::from(sharing.peers()), u32::from(sharing.threshold().get()));
    (0u16..1 << n)
        .filter(move |bits| bits.count_ones() == n - t)
        .map(move |bits| sharing.indices().filter(|peer| bits >> peer.offset() & 1 == 1).collect())
}

/// One session's shared randomness: each draw is gone once it is drawn, and whoever draws in the same order holds
/// shares of the same numbers. There is no way back and no copy, so nothing is used twice.
pub struct Randomness {
    streams: Vec<Stream>,
}

/// What one key yields.
struct Stream {
    numbers: Keystream,
    /// f_A(i) i^d for d = 0..=t, where i is this peer and f_A the polynomial of degree t that is 1 at zero and
    /// vanishes at all peers outside A.
    factors: Vec<Fp>,
}

impl Randomness {
    /// The randomness of the peer `me` from one 32-byte key for each set of [`subsets`] that it belongs to.
    pub(crate) fn new(
        sharing: Sharing,
        me: PeerIndex,
        keys: impl IntoIterator<Item = (PeerSet, Zeroizing<[u8; 32]>)>,
    ) -> Self {
        let stream = |(set, key): (PeerSet, Zeroizing<[u8; 32]>)| {
            let mut factor = vanishing_outside(sharing, set, me);
            let factors = (0..=sharing.threshold().get()).map(|_| {
                let now = factor;
                factor *= me.point();
                now
            });
            Stream { factors: factors.collect(), numbers: Keystream::new(&key) }
        };
        Self { streams: keys.into_iter().map(stream).collect() }
    }

    /// No randomness at all, for functions that need none.
    pub(crate) fn none() -> Self {
        Self { streams: Vec::new() }
    }

    /// Adds to each element this peer's share, of degree t, of a random number.
    pub fn add_random(&mut self, elements: &mut [Fp]) {
        let mut room = room();
        for stream in &mut self.streams {
            stream.add(elements, 0, &mut room);
        }
    }

    /// Adds to each element this peer's share, of degree 2t, of zero.
    pub fn add_zeros(&mut self, elements: &mut [Fp]) {
        let mut room = room();
        for stream in &mut self.streams {
            for degree in 1..stream.factors.len() {
                stream.add(elements, degree, &mut room);
            }
        }
    }
}

impl Stream {
    /// Adds to each element the next number of this key times the factor of `degree`.
    fn add(&mut self, elements: &mut [Fp], degree: usize, room: &mut [Drawn; DRAWS]) {
        let factor = self.factors[degree];
        for elements in elements.chunks_mut(DRAWS) {
            let room = &mut room[..elements.len()];
            self.numbers.fill(room);
            for (element, drawn) in elements.iter_mut().zip(room) {
                // 61 uniform bits; that p itself counts as zero skews the draw by 2^-61.
                *element = element.plus_product(number(*drawn), factor);
            }
        }
    }
}

/// Where numbers are drawn to, erased once for all keys: that goes byte by byte.
fn room() -> Zeroizing<[Drawn; DRAWS]> {
    Zeroizing::new([[0; 8]; DRAWS])
}

/// f_A(me) = prod (j - me) / j over the peers j outside A.
fn vanishing_outside(sharing: Sharing, set: PeerSet, me: PeerIndex) -> Fp {
    let outside = sharing.indices().filter(|&peer| !set.contains(peer)).map(PeerIndex::point);
    outside.fold(Fp::ONE, |product, j| {
        // A peer's point is never zero.
        product * (j - me.point()) * j.inverse().unwrap_or(Fp::ONE)
    })
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::polynomial::interpolate;
    use crate::shamir::{MAX_PEERS, MIN_PEERS};

    fn sharings() -> impl Iterator<Item = Sharing> {
        (MIN_PEERS..=MAX_PEERS).flat_map(|n| (1..=(n - 1) / 2).map(move |t| Sharing::new(n, t).unwrap()))
    }

    /// Every peer's randomness, from keys that are as many different bytes.
    pub(crate) fn of_all(sharing: Sharing) -> Vec<(Fp, Randomness)> {
        let keys = |me| {
            let numbered = (1u8..).zip(subsets(sharing));
            numbered.filter(move |(_, set)| set.contains(me)).map(|(i, set)| (set, Zeroizing::new([i; 32])))
        };
        sharing.indices().map(|me| (me.point(), Randomness::new(sharing, me, keys(me)))).collect()
    }

    fn draw(all: &mut [(Fp, Randomness)], add: fn(&mut Randomness, &mut [Fp])) -> Vec<Vec<(Fp, Fp)>> {
        let draws: Vec<(Fp, Vec<Fp>)> = all
            .iter_mut()
            .map(|(x, randomness)| {
                let mut elements = vec![Fp::ZERO; 300];
                add(randomness, &mut elements);
                (*x, elements)
            })
            .collect();
        (0..300).map(|i| draws.iter().map(|(x, elements)| (*x, elements[i])).collect()).collect()
    }

    #[test]
    fn all_peers_hold_shares_of_the_same_random_numbers() {
        for sharing in sharings() {
            let t = usize::from(sharing.threshold().get());
            let drawn = draw(&mut of_all(sharing), Randomness::add_random);
            let mut values: Vec<Fp> = Vec::new();
            for points in drawn {
                let f = interpolate(&points).unwrap();
                assert_eq!(f.degree(), Some(t));
                values.push(f.evaluate(Fp::ZERO));
            }
            values.sort();
            values.dedup();
            assert_eq!(values.len(), 300, "all are different");
        }
    }

    #[test]
    fn zeros_are_zero_and_of_twice_the_degree() {
        for sharing in sharings() {
            let t = usize::from(sharing.threshold().get());
            for points in draw(&mut of_all(sharing), Randomness::add_zeros) {
                let f = interpolate(&points).unwrap();
                assert_eq!((f.degree(), f.evaluate(Fp::ZERO)), (Some(2 * t), Fp::ZERO));
            }
        }
    }

    #[test]
    fn nothing_is_drawn_twice() {
        let sharing = Sharing::new(5, 2).unwrap();
        let mut all = of_all(sharing);
        let first = draw(&mut all, Randomness::add_random);
        let second = draw(&mut all, Randomness::add_random);
        assert!(first.iter().zip(&second).all(|(one, other)| one != other));
    }

    #[test]
    fn every_peer_is_in_most_sets_and_t_others_miss_one() {
        for sharing in sharings() {
            let t = usize::from(sharing.threshold().get());
            let sets: Vec<_> = subsets(sharing).collect();
            let all: PeerSet = sharing.indices().collect();
            for bits in 0u16..1 << sharing.peers() {
                let some: PeerSet = sharing.indices().filter(|peer| bits >> peer.offset() & 1 == 1).collect();
                let missed = sets.iter().any(|set| set.intersection(some).is_empty());
                assert_eq!(missed, some.len() <= t, "{some:?} of {all:?}");
            }
        }
    }
}
