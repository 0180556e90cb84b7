//! 5.5: comparisons, in a number of rounds that grows with the logarithm of the bits.
//!
//! Two numbers compare as their most significant bits do, or, where these are equal, as the rest does. So each stretch
//! of bits knows whether it is *greater* and whether it is *equal*, and neighbours combine two by two: greater = greater
//! in the high part, or equal there and greater in the low part.

use super::{Arithmetic, Fault, Products, Shares};
use crate::field::Fp;

/// A stretch of bits, in every lane.
struct Stretch {
    greater: Shares,
    /// None in the least significant stretch, where nobody asks.
    equal: Option<Shares>,
}

/// In each lane whether the number with these shared bits, the least significant first, is above the public constant.
///
/// For k bits and N lanes: ceil(log2 k) - 1 rounds and at most 3k/2 N products; the last level is left to the caller,
/// who may add up and open at once, or reduce.
pub(crate) async fn bits_above_each(
    arithmetic: &Arithmetic,
    bits: &[&Shares],
    constants: &[u64],
) -> Products {
    // Pairs of bits first: whatever the constant, the product of both bits says it all.
    let products: Vec<Products> = bits.chunks_exact(2).map(|pair| pair[1].times(pair[0])).collect();
    if let (&[low, high], [both]) = (bits, &products[..]) {
        let both = both.duplicate();
        return greater_of_pair(0, &both, &high.as_products(), &low.as_products(), constants);
    }
    let lanes = constants.len();
    let products = arithmetic.reduce(Products::concat(&products)).await.chunks(lanes);
    let mut stretches: Vec<Stretch> = Vec::with_capacity(bits.len().div_ceil(2));
    for (i, (pair, both)) in bits.chunks_exact(2).zip(&products).enumerate() {
        let (low, high) = (pair[0], pair[1]);
        let equal = (i > 0).then(|| equal_of_pair(2 * i, both, high, low, constants));
        stretches.push(Stretch { greater: greater_of_pair(2 * i, both, high, low, constants), equal });
    }
    if let [last] = bits.chunks_exact(2).remainder() {
        let set = |lane: usize| constants[lane] >> (bits.len() - 1) & 1 == 1;
        let greater = last.duplicate().map(|lane, bit| if set(lane) { Fp::ZERO } else { bit });
        let equal = last.duplicate().map(|lane, bit| if set(lane) { bit } else { Fp::ONE - bit });
        stretches.push(Stretch { greater, equal: Some(equal) });
    }
    combine(arithmetic, stretches).await
}

/// In each lane whether the number with the shared bits `a` is above the one with the shared bits `b`.
pub(crate) async fn less_than(arithmetic: &Arithmetic, b: &[Shares], a: &[Shares]) -> Products {
    let products: Vec<Products> = a.iter().zip(b).map(|(a, b)| a.times(b)).collect();
    let lanes = a.first().map_or(0, Shares::len);
    let products = arithmetic.reduce(Products::concat(&products)).await.chunks(lanes);
    let stretch = |((a, b), both): ((&Shares, &Shares), &Shares)| Stretch {
        greater: a.duplicate().minus(both),
        equal: Some(a.duplicate().plus(b).minus(both).minus(both).complement()),
    };
    combine(arithmetic, a.iter().zip(b).zip(&products).map(stretch).collect()).await
}

/// For a pair of bits and the pair of the constant's bits at `shift`: whether the former is greater.
fn greater_of_pair<D>(
    shift: usize,
    both: &super::Lanes<D>,
    high: &super::Lanes<D>,
    low: &super::Lanes<D>,
    constants: &[u64],
) -> super::Lanes<D> {
    let (high, low) = (high.as_slice(), low.as_slice());
    both.duplicate().map(|lane, both| match constants[lane] >> shift & 3 {
        0 => high[lane] + low[lane] - both,
        1 => high[lane],
        2 => both,
        _ => Fp::ZERO,
    })
}

/// The same, whether they are equal.
fn equal_of_pair(shift: usize, both: &Shares, high: &Shares, low: &Shares, constants: &[u64]) -> Shares {
    let (high, low) = (high.as_slice(), low.as_slice());
    both.duplicate().map(|lane, both| match constants[lane] >> shift & 3 {
        0 => Fp::ONE - high[lane] - low[lane] + both,
        1 => low[lane] - both,
        2 => high[lane] - both,
        _ => both,
    })
}

/// Combines neighbours until one stretch is left, the least significant first.
async fn combine(arithmetic: &Arithmetic, mut stretches: Vec<Stretch>) -> Products {
    loop {
        match &stretches[..] {
            [] => return Products::zeros(0),
            [all] => return all.greater.as_products(),
            [low, high] => {
                let equal = high.equal.as_ref().map(|equal| equal.times(&low.greater));
                let greater = high.greater.as_products();
                return equal.iter().fold(greater, Products::plus);
            }
            _ => stretches = halve(arithmetic, stretches).await,
        }
    }
}

/// One level. One round.
async fn halve(arithmetic: &Arithmetic, stretches: Vec<Stretch>) -> Vec<Stretch> {
    let lanes = stretches.first().map_or(0, |stretch| stretch.greater.len());
    let mut products = Vec::with_capacity(stretches.len());
    for pair in stretches.chunks_exact(2) {
        if let Some(equal) = &pair[1].equal {
            products.push(equal.times(&pair[0].greater));
            products.extend(pair[0].equal.as_ref().map(|low| equal.times(low)));
        }
    }
    let reduced = arithmetic.reduce(Products::concat(&products)).await.chunks(lanes);
    let (mut reduced, mut halved) = (reduced.into_iter(), Vec::with_capacity(stretches.len().div_ceil(2)));
    let mut stretches = stretches.into_iter();
    while let Some(low) = stretches.next() {
        let Some(high) = stretches.next() else {
            halved.push(low);
            break;
        };
        let greater = reduced.by_ref().take(1).fold(high.greater, |high, below| high.plus(&below));
        let equal = low.equal.and_then(|_| reduced.next());
        halved.push(Stretch { greater, equal });
    }
    halved
}

/// Masks for comparing shared numbers that have no shared bits: for each lane a random element of F_p with its bits.
///
/// They depend on no input, so they can be made before there is any.
#[derive(Debug)]
pub(crate) struct Masks {
    /// 61 bits, the least significant first: as p = 2^61 - 1, they make a uniform element.
    bits: Vec<Shares>,
}

impl Masks {
    pub(super) const BITS: usize = 61;

    /// Masks for so many lanes. One round.
    pub(crate) async fn new(arithmetic: &Arithmetic, lanes: usize) -> Result<Self, Fault> {
        Ok(Self { bits: arithmetic.random_bits(Self::BITS * lanes).await?.chunks(lanes) })
    }

    /// The columns of bits, the least significant first.
    pub(super) fn bits(&self) -> &[Shares] {
        &self.bits
    }

    /// The masks themselves.
    pub(super) fn number(&self) -> Shares {
        self.low(Self::BITS)
    }

    /// sum 2^i r_i over the `count` least significant bits.
    fn low(&self, count: usize) -> Shares {
        let lanes = self.bits.first().map_or(0, Shares::len);
        let double_and_add = |sum: Shares, bit| sum.times_public(Fp::from(2)).plus(bit);
        self.bits[..count].iter().rev().fold(Shares::zeros(lanes), double_and_add)
    }
}

/// In each lane whether a number below 2^`width` reaches a public threshold of at most 2^`width`.
///
/// Opens y + R for y = x - threshold + 2^width and a random R, which tells nothing; bit `width` of y is the answer, and
/// follows from whether the low bits of R are above those of the opened sum. Rounds: 1 + ceil(log2 width) - 1.
pub(crate) async fn at_least(
    arithmetic: &Arithmetic,
    numbers: &Products,
    thresholds: &[u64],
    width: u32,
    mut masks: Masks,
) -> Result<Products, Fault> {
    let top = 1u64 << width;
    let y = numbers.duplicate().map(|lane, x| x + Fp::reduce(top) - Fp::reduce(thresholds[lane]));
    let sums = loop {
        let masked = y.duplicate().plus(&masks.number().as_products());
        let sums = arithmetic.open_products(masked).await;
        // Only a sum below 2 * 2^width may have wrapped around p. It says nothing about y, as the mask is uniform;
        // but another mask is needed.
        if sums.iter().all(|sum| sum.to_u64() >= 2 * top) {
            break sums;
        }
        masks = Masks::new(arithmetic, thresholds.len()).await?;
    };
    let low: Vec<u64> = sums.iter().map(|sum| sum.to_u64() & (top - 1)).collect();
    let bits: Vec<&Shares> = masks.bits[..width as usize].iter().collect();
    let borrow = bits_above_each(arithmetic, &bits, &low).await;
    // y mod 2^width = low - R_low + 2^width borrow; what is left of y after that is 2^width times the answer.
    let scale = inverse_power_of_two(width);
    let rest = y.plus(&masks.low(width as usize).as_products());
    Ok(rest.map(|lane, rest| (rest - Fp::reduce(low[lane])) * scale).minus(&borrow))
}

/// 2^-width: as 2^61 = 1, it is 2^(61 - width).
const fn inverse_power_of_two(width: u32) -> Fp {
    Fp::reduce(1 << ((61 - width % 61) % 61))
}
