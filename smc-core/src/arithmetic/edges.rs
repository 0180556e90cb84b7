//! How many numbers are above each of several public constants.
//!
//! As in [`compare`](super::compare), stretches of bits combine two by two. Constants that agree in a stretch share its
//! outcome, so that a second constant costs less than the first.

use std::collections::{BTreeMap, BTreeSet};

use super::{Arithmetic, Products, Shares};

/// For each value that a constant has in this stretch of bits: whether the numbers are greater there, and whether they
/// are equal, which nobody asks of the least significant stretch.
type Stretch = BTreeMap<u64, (Shares, Option<Shares>)>;

/// For each constant how many of the numbers with these bits, the least significant first, are above it.
///
/// For k bits ceil(log2 k) - 1 rounds, and one for k = 2; the last products are only added up.
pub(crate) async fn count_above_each(
    arithmetic: &Arithmetic,
    bits: &[Shares],
    constants: &[u64],
) -> Products {
    let mut stretches = pairs(arithmetic, bits, constants).await;
    let mut width = 2;
    while stretches.len() > 2 {
        stretches = halve(arithmetic, stretches, constants, width).await;
        width *= 2;
    }
    let count = |&constant: &u64| match &stretches[..] {
        [low, high] => {
            let ((below, _), (greater, equal)) =
                (&low[&cut(constant, 0, width)], &high[&(constant >> width)]);
            equal.iter().fold(greater.sum().as_products(), |sum, equal| sum.plus(&equal.dot(below)))
        }
        [all] => all[&constant].0.sum().as_products(),
        _ => Products::zeros(1),
    };
    Products::concat(&constants.iter().map(count).collect::<Vec<_>>())
}

/// How many products [`count_above_each`] takes for each number with `bits` bits.
pub(crate) fn products_above_each(bits: u32, constants: &[u64]) -> u64 {
    let (mut stretches, mut width, mut products) = (bits.div_ceil(2), 2, u64::from(bits / 2));
    while stretches > 2 {
        for pair in 0..stretches / 2 {
            let values = cuts(constants, 2 * pair * width, 2 * width).len() as u64;
            products += if pair == 0 { values } else { 2 * values };
        }
        stretches = stretches.div_ceil(2);
        width *= 2;
    }
    products
}

/// The stretches of two bits: whatever the constant, the product of both says it all.
async fn pairs(arithmetic: &Arithmetic, bits: &[Shares], constants: &[u64]) -> Vec<Stretch> {
    let lanes = bits.first().map_or(0, Shares::len);
    let products: Vec<Products> = bits.chunks_exact(2).map(|pair| pair[1].times(&pair[0])).collect();
    let products = arithmetic.reduce(Products::concat(&products)).await.chunks(lanes);
    let none = Shares::zeros(lanes);
    let stretch = |(i, pair): (usize, &[Shares])| {
        let (low, high) = (&pair[0], pair.get(1).unwrap_or(&none));
        let both = if pair.len() == 2 { &products[i] } else { &none };
        let values = cuts(constants, 2 * i as u32, 2).into_iter();
        values.map(|value| (value, compared(value, high, low, both, i > 0))).collect()
    };
    bits.chunks(2).enumerate().map(stretch).collect()
}

/// Whether two bits, of which `both` is the product, are greater than `value`, and whether equal.
fn compared(value: u64, high: &Shares, low: &Shares, both: &Shares, equal: bool) -> (Shares, Option<Shares>) {
    let some = || high.duplicate().plus(low).minus(both);
    let greater = match value {
        0 => some(),
        1 => high.duplicate(),
        2 => both.duplicate(),
        _ => Shares::zeros(both.len()),
    };
    let is = || match value {
        0 => some().complement(),
        1 => low.duplicate().minus(both),
        2 => high.duplicate().minus(both),
        _ => both.duplicate(),
    };
    (greater, equal.then(is))
}

/// Combines neighbours of `width` bits. One round.
async fn halve(
    arithmetic: &Arithmetic,
    stretches: Vec<Stretch>,
    constants: &[u64],
    width: u32,
) -> Vec<Stretch> {
    let mut products = Vec::new();
    for (i, pair) in stretches.chunks_exact(2).enumerate() {
        for value in cuts(constants, 2 * i as u32 * width, 2 * width) {
            let (low, high) = (&pair[0][&cut(value, 0, width)], &pair[1][&(value >> width)]);
            if let Some(equal) = &high.1 {
                products.push(equal.times(&low.0));
                products.extend(low.1.as_ref().map(|low| equal.times(low)));
            }
        }
    }
    let lanes = products.first().map_or(0, Products::len);
    let mut products = arithmetic.reduce(Products::concat(&products)).await.chunks(lanes).into_iter();
    let (mut halved, mut stretches) = (Vec::new(), stretches.into_iter());
    while let Some(low) = stretches.next() {
        let Some(high) = stretches.next() else {
            halved.push(low);
            break;
        };
        let values = cuts(constants, 2 * halved.len() as u32 * width, 2 * width).into_iter();
        let combined = values.map(|value| {
            let greater = high[&(value >> width)].0.duplicate();
            let greater = products.next().iter().fold(greater, Shares::plus);
            let equal = low[&cut(value, 0, width)].1.as_ref().and_then(|_| products.next());
            (value, (greater, equal))
        });
        halved.push(combined.collect());
    }
    halved
}

/// The `width` bits of the constant from `shift` on.
const fn cut(constant: u64, shift: u32, width: u32) -> u64 {
    constant >> shift & ((1 << width) - 1)
}

fn cuts(constants: &[u64], shift: u32, width: u32) -> BTreeSet<u64> {
    constants.iter().map(|&constant| cut(constant, shift, width)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_that_agree_cost_once() {
        // Seven products of pairs; then of four bits 1 + 2 + 2, and a stretch that is left over.
        assert_eq!(products_above_each(14, &[5]), 7 + 5);
        assert_eq!(products_above_each(14, &[5, 4]), 7 + 6);
        assert_eq!(products_above_each(14, &(0..256).collect::<Vec<_>>()), 7 + 16 + 2 * 16 + 2);
    }
}
