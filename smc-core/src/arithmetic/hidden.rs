//! The same descent with every digit kept shared, for outputs that the peers must not see.
//!
//! Where the open descent takes a digit that it knows, this one takes all of them, each times whether it is the digit.

use super::digits::{Price, cheapest};
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

/// A digit of all readings.
struct Digit {
    marks: Vec<Shares>,
    reach: Reach,
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
    /// Finds the reading of `target` among those with these bits, the least significant first; there are at least as
    /// many as the rank says, and fewer than 2^32. Opens nothing.
    pub(crate) async fn find(
        arithmetic: &Arithmetic,
        bits: &[Shares],
        target: Target,
    ) -> Result<Self, Fault> {
        let lanes = bits.first().map_or(0, Shares::len);
        let price = |marks: u64| price(lanes as u64, marks);
        let digits = cheapest(bits, price).map(|bits| Digit::new(arithmetic, bits, target));
        let mut value = Shares::zeros(1);
        let mut beyond = Products::zeros(1);
        let mut last: Option<Decided> = None;
        for digit in join_all(digits).await {
            let candidates = match last {
                Some(last) => arithmetic.reduce(last.candidates()).await,
                None => Shares::public(Fp::ONE, lanes),
            };
            let decided = digit?.decide(arithmetic, candidates, &beyond, target.rank()).await?;
            let values = Fp::reduce(decided.reached.len() as u64 + 1);
            value = decided.reached.iter().fold(value.times_public(values), Shares::plus);
            beyond = beyond.plus(&decided.beyond());
            last = Some(decided);
        }
        if let Target::FromBelow(_) = target {
            value = Shares::public(Fp::reduce((1 << bits.len()) - 1), 1).minus(&value);
        }
        let equal = last.as_ref().map_or_else(|| Products::zeros(lanes), Decided::candidates);
        Ok(Self { value, equal })
    }
}

impl Digit {
    async fn new(arithmetic: &Arithmetic, bits: &[Shares], target: Target) -> Result<Self, Fault> {
        let lanes = bits.first().map_or(0, Shares::len);
        let reach = Reach::new(arithmetic, lanes as u64, (1 << bits.len()) - 1);
        let (marks, reach) = join(thermometer(arithmetic, bits), reach).await;
        Ok(Self { marks: target.seen(&marks), reach: reach? })
    }

    /// Which values reach the rank.
    async fn decide(
        self,
        arithmetic: &Arithmetic,
        candidates: Shares,
        beyond: &Products,
        rank: Rank,
    ) -> Result<Decided, Fault> {
        let lanes = candidates.len();
        let marked: Vec<_> = self.marks.iter().map(|mark| candidates.times(mark)).collect();
        let sums: Vec<_> = marked.iter().map(|marked| marked.sum().plus(beyond)).collect();
        let sums = Products::concat(&sums);
        let reached = async {
            let reached = self.reach.reached(arithmetic, &sums, rank.0).await?;
            Ok(arithmetic.reduce(reached).await)
        };
        let (marked, reached) = join(arithmetic.reduce(Products::concat(&marked)), reached).await;
        Ok(Decided { candidates, marked: marked.chunks(lanes), reached: reached?.chunks(1) })
    }
}

impl Decided {
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
