//! The same descent with every digit kept shared, for outputs that the peers must not see.
//!
//! Where the open descent takes a digit that it knows, this one takes all of them, each times whether it is the digit.

use super::digits::{Price, cut, total};
use super::reach::Reach;
use super::thermometer::thermometer;
use super::{Arithmetic, Fault, Products, Rank, Shares, Target, join, join_all};
use crate::field::Fp;

/// What a hidden descent comes to.
#[derive(Debug)]
pub(crate) struct HiddenDescent {
    /// The reading of that rank, as one lane.
    pub(crate) value: Shares,
    /// For each reading whether it equals the value.
    pub(crate) equal: Products,
}

/// A digit that is decided.
struct Decided {
    /// The candidates before.
    candidates: Shares,
    /// For each value from 1 up whether a candidate's digit is at least that.
    marked: Vec<Shares>,
    /// For each value from 1 up whether it reaches the rank.
    reached: Vec<Shares>,
}

impl HiddenDescent {
    /// Finds the readings of all targets among those with these bits, the least significant first; there are at least as
    /// many as the ranks say, and fewer than 2^32. Opens nothing.
    pub(crate) async fn find(
        arithmetic: &Arithmetic,
        bits: &[Shares],
        targets: &[Target],
    ) -> Result<Vec<Self>, Fault> {
        let lanes = bits.first().map_or(0, Shares::len) as u64;
        let digits: Vec<_> = cut(bits, |marks| price(lanes, marks)).collect();
        let reaches = |_: &Target| {
            join_all(digits.iter().map(|bits| Reach::new(arithmetic, lanes, (1 << bits.len()) - 1)))
        };
        let thermometers = join_all(digits.iter().map(|bits| thermometer(arithmetic, bits)));
        let (marks, reaches) = join(thermometers, join_all(targets.iter().map(reaches))).await;
        let searches = targets.iter().zip(reaches);
        let searches = searches.map(|(&target, reaches)| Self::search(arithmetic, &marks, reaches, target));
        join_all(searches).await.into_iter().collect()
    }

    /// One target, given the marks of all digits.
    async fn search(
        arithmetic: &Arithmetic,
        digits: &[Vec<Shares>],
        reaches: Vec<Result<Reach, Fault>>,
        target: Target,
    ) -> Result<Self, Fault> {
        let lanes = digits.first().and_then(|marks| marks.first()).map_or(0, Shares::len);
        let (mut value, mut most) = (Shares::zeros(1), Fp::ONE);
        let mut beyond = Products::zeros(1);
        let mut last: Option<Decided> = None;
        for (marks, reach) in digits.iter().zip(reaches) {
            let marks = target.seen(marks);
            let candidates = match last {
                Some(last) => Some(arithmetic.reduce(last.candidates()).await),
                None => None,
            };
            let decided = Decided::new(arithmetic, candidates, marks, &beyond, reach?, target.rank()).await?;
            let values = Fp::reduce(decided.reached.len() as u64 + 1);
            value = decided.reached.iter().fold(value.times_public(values), Shares::plus);
            most *= values;
            beyond = beyond.plus(&decided.beyond());
            last = Some(decided);
        }
        if let Target::FromBelow(_) = target {
            value = Shares::public(most - Fp::ONE, 1).minus(&value);
        }
        let equal = last.as_ref().map_or_else(|| Products::zeros(lanes), Decided::candidates);
        Ok(Self { value, equal })
    }

    /// The most products that it takes.
    pub(crate) fn products(bits: u32, readings: u64, targets: usize) -> u64 {
        (total(bits as usize, |marks| price(readings, marks)) + readings) * targets as u64
    }
}

impl Decided {
    /// Which values reach the rank. Without candidates everybody is one.
    async fn new(
        arithmetic: &Arithmetic,
        candidates: Option<Shares>,
        marks: Vec<Shares>,
        beyond: &Products,
        reach: Reach,
        rank: Rank,
    ) -> Result<Self, Fault> {
        let lanes = marks.first().map_or(0, Shares::len);
        let mut marked = Vec::new();
        let mut sums: Vec<_> = marks.iter().map(|mark| mark.sum().as_products()).collect();
        if let Some(candidates) = &candidates {
            marked = marks.iter().map(|mark| candidates.times(mark)).collect();
            sums = marked.iter().map(|marked| marked.sum().plus(beyond)).collect();
        }
        let sums = Products::concat(&sums);
        let reached = async {
            let reached = reach.reached(arithmetic, &sums, rank.0).await?;
            Ok(arithmetic.reduce(reached).await)
        };
        let (marked, reached) = join(arithmetic.reduce(Products::concat(&marked)), reached).await;
        let reached = reached?.chunks(1);
        Ok(match candidates {
            Some(candidates) => Self { candidates, marked: marked.chunks(lanes), reached },
            None => Self { candidates: Shares::public(Fp::ONE, lanes), marked: marks, reached },
        })
    }

    /// Whether the digit is v: v is reached, as 0 always is, and v + 1 is not.
    fn is(&self, v: usize) -> Shares {
        let at_least = if v == 0 { Shares::public(Fp::ONE, 1) } else { self.reached[v - 1].duplicate() };
        self.reached.get(v).into_iter().fold(at_least, Shares::minus)
    }

    /// Who is still a candidate: those whose digit is v, for that v that is the digit.
    fn candidates(&self) -> Products {
        let stay = |v: usize| {
            let at_least = if v == 0 { &self.candidates } else { &self.marked[v - 1] };
            self.marked.get(v).into_iter().fold(at_least.duplicate(), Shares::minus)
        };
        let none = Products::zeros(self.candidates.len());
        (0..=self.reached.len()).fold(none, |sum, v| sum.plus(&stay(v).scaled_by(&self.is(v))))
    }

    /// How many have a greater digit.
    fn beyond(&self) -> Products {
        let above = |(v, above): (usize, &Shares)| above.sum().times(&self.is(v));
        self.marked.iter().enumerate().map(above).fold(Products::zeros(1), |sum, lane| sum.plus(&lane))
    }
}

/// What a digit costs: the marks of each candidate and its staying one, about as many products to make the thermometer,
/// and the comparisons.
fn price(readings: u64, marks: u64) -> Price {
    let rounds = 1 + Reach::rounds(readings, marks as usize);
    Price { rounds, products: marks * (2 * readings + Reach::products(readings)) + readings }
}
