//! Whether inputs have the form that they claim (docs/protocol.md, 5.2): every shared bit is a bit, and the shares of
//! each are those of one number.
//!
//! After the inventories are fixed the peers open a coin that nobody could foresee; it yields a coefficient c for every
//! shared bit b. Then sum c b (b - 1) is zero if all are bits, and sum c b is shared with degree t if all shares are
//! consistent; of inputs that are not so, a fraction of 2^-61 passes. Both sums are masked before they are shown.

use sha2::{Digest as _, Sha256};

use crate::field::Fp;
use crate::keystream::{Drawn, Keystream, number};
use crate::shamir::{Degree, PeerIndex, Share, Sharing};

/// How many elements make up the coin: 122 bits.
pub const COIN: usize = 2;
/// How many coefficients are drawn at once.
const DRAWS: usize = 64;
/// How many products of elements a sum has room for before it is reduced.
const PRODUCTS: usize = 64;

/// The coefficients, one after the other.
pub struct Challenge {
    keystream: Keystream,
    drawn: [Drawn; DRAWS],
    /// How many of those drawn are used.
    used: usize,
}

/// One peer's shares of what is checked about some inputs.
#[derive(Clone, Copy, Default)]
pub struct Evidence {
    /// sum c b, of degree t.
    pub linear: Fp,
    /// sum c b (b - 1), of degree 2t.
    pub square: Fp,
}

impl Challenge {
    /// The coefficients that follow from an opened coin.
    pub fn new(coin: &[Fp]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"murmuration/1/challenge\0");
        coin.iter().for_each(|element| hash.update(element.to_bytes()));
        let keystream = Keystream::new(&hash.finalize().into());
        Self { keystream, drawn: [Drawn::default(); DRAWS], used: DRAWS }
    }

    /// The next coefficient.
    fn draw(&mut self) -> Fp {
        if self.used == DRAWS {
            self.keystream.fill(&mut self.drawn);
            self.used = 0;
        }
        let drawn = self.drawn[self.used];
        self.used += 1;
        Fp::reduce(number(drawn))
    }

    /// What one peer's shares of some bits contribute to the sums.
    pub fn weigh(&mut self, bits: &[Share]) -> Evidence {
        let mut evidence = Evidence::default();
        for bits in bits.chunks(PRODUCTS) {
            let (mut linear, mut square) = (0, 0);
            for share in bits {
                let (b, c) = (share.reveal(), self.draw());
                let cb = c * b;
                linear += u128::from(cb.to_u64());
                square += cb.widening_mul(b - Fp::ONE);
            }
            evidence =
                evidence.plus(Evidence { linear: Fp::reduce_wide(linear), square: Fp::reduce_wide(square) });
        }
        evidence
    }
}

impl Evidence {
    /// The evidence about the inputs of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { linear: self.linear + other.linear, square: self.square + other.square }
    }
}

/// Whether inputs pass, given what all peers of P showed: the masked sums of each.
pub fn passes(sharing: Sharing, linear: &[(PeerIndex, &[Fp])], square: &[(PeerIndex, &[Fp])]) -> bool {
    let consistent = sharing.open_batch(Degree::Single, linear).is_ok_and(|batch| batch.corrected.is_empty());
    let bits = sharing.open_batch(Degree::Double, square);
    consistent && bits.is_ok_and(|batch| batch.corrected.is_empty() && batch.values == [Fp::ZERO])
}

/// How many peers it takes: so many that inconsistent shares are noticed, and that squares can be opened.
pub fn needs(sharing: Sharing) -> usize {
    sharing.needed(Degree::Double).max(sharing.needed(Degree::Single) + 1)
}

impl std::fmt::Debug for Evidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

impl std::fmt::Debug for Challenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Challenge")
    }
}
