//! A public table at a place that nobody knows.

use super::compare::Masks;
use super::thermometer::one_hot;
use super::{Arithmetic, Fault, Products, Shares, join};
use crate::field::Fp;

/// Looks shared numbers up in public tables; good for one time. Depends on no input, so it can be made before there is
/// any.
///
/// For a number x the sum x + R is opened, for a random R whose low bits are known as the shared marks of a place: then
/// x is that place, turned by the opened sum, and the table's value there a sum over the marks. With the place's high and
/// low half marked by themselves, 2^w marks are 2 * 2^(w/2), and their products need never be shared anew.
#[derive(Debug)]
pub(crate) struct Lookup {
    width: u32,
    mask: Shares,
    /// For each value of the mask's high half, and of its low half, whether it has that value.
    high: Vec<Shares>,
    low: Vec<Shares>,
}

impl Lookup {
    /// For so many numbers below 2^`width`: 1 + ceil(log2 ceil(width / 2)) rounds.
    pub(crate) async fn new(arithmetic: &Arithmetic, lanes: usize, width: u32) -> Result<Self, Fault> {
        let masks = Masks::new(arithmetic, lanes).await?;
        let (low, high) = masks.bits()[..width as usize].split_at(width.div_ceil(2) as usize);
        let (low, high) = join(one_hot(arithmetic, low, lanes), one_hot(arithmetic, high, lanes)).await;
        Ok(Self { width, mask: masks.number(), high, low })
    }

    /// How many products it takes to make one and to use it: for each number, local ones left out.
    pub(crate) const fn products(width: u32) -> u64 {
        Masks::BITS as u64 + marks_of(width.div_ceil(2)) + marks_of(width / 2) + 1
    }

    /// `table[x]` for each number x; the table has 2^width entries. One round, and what the caller opens.
    pub(crate) async fn of(
        mut self,
        arithmetic: &Arithmetic,
        numbers: &Products,
        table: &[Fp],
    ) -> Result<Products, Fault> {
        let (width, lanes) = (self.width, numbers.len());
        let top = 1u64 << width;
        let sums = loop {
            let masked = numbers.duplicate().plus(&self.mask.as_products());
            let sums = arithmetic.open_products(masked).await;
            // A sum below 2^width may have wrapped around p. It says nothing about x, as the mask is uniform; but
            // another mask is needed.
            if sums.iter().all(|sum| sum.to_u64() >= top) {
                break sums;
            }
            self = Self::new(arithmetic, lanes, width).await?;
        };
        let places = sums.into_iter().enumerate().map(|(lane, sum)| self.at(lane, sum.to_u64(), table));
        Ok(Products::new(places.collect()))
    }

    /// sum over all places r of the mask's low bits: whether they are r, times `table[(sum - r) mod 2^width]`.
    fn at(&self, lane: usize, sum: u64, table: &[Fp]) -> Fp {
        let (len, low) = (table.len() as u64, self.low.len() as u64);
        let place = |h: usize, l: usize| (sum.wrapping_sub(h as u64 * low + l as u64) & (len - 1)) as usize;
        let row = |h: usize| {
            let marks = self.low.iter().enumerate();
            marks.map(|(l, mark)| mark.as_slice()[lane] * table[place(h, l)]).sum::<Fp>()
        };
        self.high.iter().enumerate().map(|(h, mark)| mark.as_slice()[lane] * row(h)).sum()
    }
}

const fn marks_of(bits: u32) -> u64 {
    (1u64 << bits) - 1 - bits as u64
}
