//! Digits of shared bits as thermometers: for each value v from 1 up, whether the digit is at least v; and one-hot: for
//! each value from 0 up, whether the digit has it.

use super::{Arithmetic, Products, Shares, join};
use crate::field::Fp;

/// For each of the 2^w values whether the number with these w bits has it, the least significant bit first. As many
/// rounds as a [`thermometer`].
pub(crate) async fn one_hot(arithmetic: &Arithmetic, bits: &[Shares], lanes: usize) -> Vec<Shares> {
    let all = Shares::public(Fp::ONE, lanes);
    if bits.is_empty() {
        return vec![all];
    }
    let mut marks = thermometer(arithmetic, bits).await;
    // At least v, and not at least v + 1.
    marks.insert(0, all);
    (0..marks.len()).map(|v| marks.get(v + 1).into_iter().fold(marks[v].duplicate(), Shares::minus)).collect()
}

/// The thermometer of 2^w - 1 minus the digit, from that of the digit.
pub(crate) fn upside_down(marks: &[Shares]) -> Vec<Shares> {
    marks.iter().rev().map(|mark| mark.duplicate().complement()).collect()
}

/// The thermometer of the digit with these bits, the least significant first: 2^w - 1 marks for w bits.
///
/// ceil(log2 w) rounds. A digit is at least (h, l) if its high part is above h, or is h and its low part at least l.
pub(crate) async fn thermometer(arithmetic: &Arithmetic, bits: &[Shares]) -> Vec<Shares> {
    if bits.len() < 2 {
        return bits.iter().map(Shares::duplicate).collect();
    }
    let (low, high) = bits.split_at(bits.len() / 2);
    let (low, high) =
        join(Box::pin(thermometer(arithmetic, low)), Box::pin(thermometer(arithmetic, high))).await;
    let lanes = low[0].len();
    // "is h" for h = 1, 2, ...; what "is 0" comes to follows from the others, since one of all is true.
    let is: Vec<Shares> = (0..high.len())
        .map(|h| high.get(h + 1).into_iter().fold(high[h].duplicate(), Shares::minus))
        .collect();
    let products: Vec<Products> = is.iter().flat_map(|is| low.iter().map(|l| is.times(l))).collect();
    let products = arithmetic.reduce(Products::concat(&products)).await.chunks(lanes);
    let mut marks = Vec::with_capacity((high.len() + 1) * (low.len() + 1) - 1);
    for h in 0..=high.len() {
        if h > 0 {
            marks.push(high[h - 1].duplicate());
        }
        for (l, mark) in low.iter().enumerate() {
            let both = |h: usize| &products[h * low.len() + l];
            let inside = match h {
                0 => (0..is.len()).fold(mark.duplicate(), |rest, h| rest.minus(both(h))),
                h => both(h - 1).duplicate(),
            };
            marks.push(high.get(h).into_iter().fold(inside, Shares::plus));
        }
    }
    marks
}
