//! 5.3 and 5.4: readings of given ranks, digit by digit from the most significant one.
//!
//! Candidates are the readings that agree with all digits known so far; *beyond* are those known to be greater. For each
//! value v of the next digit the peers count the candidates whose digit is at least v, and open whether these and
//! the ones beyond reach the rank. The greatest v that does is the digit of the output: so nothing is opened that the
//! output does not say. With digits of several bits there are fewer rounds and more products. Ranks that count from
//! below descend on the digits upside down.

use super::digits::{Price, cut, total};
use super::reach::{Sums, Test};
use super::thermometer::{thermometer, upside_down};
use super::{Arithmetic, Fault, Products, Shares, join, join_all};
use crate::field::Fp;

/// The first, the second, ...
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rank(pub(crate) u64);

/// The reading that is looked for: the first from above is the greatest, the first from below the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    FromAbove(Rank),
    FromBelow(Rank),
}

/// What a descent comes to.
#[derive(Debug)]
pub(crate) struct Descent {
    /// The reading of that rank.
    pub(crate) value: u64,
    /// For each reading whether it equals the value, shared.
    pub(crate) equal: Shares,
    /// For each reading whether it is above the value, or below it if the rank counts from below; shared.
    pub(crate) beyond: Shares,
}

/// A digit of all readings.
struct Digit {
    /// For each value from 1 up whether it is at least that.
    marks: Vec<Shares>,
    /// One for each target.
    tests: Vec<Test>,
}

impl Target {
    /// The `rank`-th of so many readings, in ascending order, counted from where it is nearer.
    pub(crate) fn ascending(rank: u64, readings: u64) -> Self {
        let from_above = (readings + 1).saturating_sub(rank).max(1);
        if rank < from_above { Self::FromBelow(Rank(rank)) } else { Self::FromAbove(Rank(from_above)) }
    }

    pub(super) const fn rank(self) -> Rank {
        match self {
            Self::FromAbove(rank) | Self::FromBelow(rank) => rank,
        }
    }

    /// The marks of a digit as this target counts.
    pub(super) fn seen(self, marks: &[Shares]) -> Vec<Shares> {
        match self {
            Self::FromAbove(_) => marks.iter().map(Shares::duplicate).collect(),
            Self::FromBelow(_) => upside_down(marks),
        }
    }
}

impl Descent {
    /// Finds the readings of all targets among those with these bits, the least significant first; there are at least
    /// as many as the ranks say, and fewer than 2^32.
    pub(crate) async fn find(
        arithmetic: &Arithmetic,
        bits: &[Shares],
        targets: &[Target],
    ) -> Result<Vec<Self>, Fault> {
        let lanes = bits.first().map_or(0, Shares::len);
        let price = |marks: u64| price(targets, lanes as u64, marks);
        let mut digits = cut(bits, price).map(|bits| Digit::new(arithmetic, bits, targets));
        let mut descents: Vec<_> = targets.iter().map(|_| Self::start(lanes)).collect();
        let Some(first) = digits.next() else { return Ok(descents) };
        // While the first digit is looked for, the others are prepared.
        let start = async { Self::all_next(&mut descents, arithmetic, targets, first.await?, true).await };
        let (rest, started) = join(join_all(digits), start).await;
        started?;
        for digit in rest {
            Self::all_next(&mut descents, arithmetic, targets, digit?, false).await?;
        }
        for (descent, target) in descents.iter_mut().zip(targets) {
            if let Target::FromBelow(_) = target {
                descent.value = ((1 << bits.len()) - 1) - descent.value;
            }
        }
        Ok(descents)
    }

    /// The most products that it takes.
    pub(crate) fn products(bits: u32, readings: u64, targets: &[Target]) -> u64 {
        total(bits as usize, |marks| price(targets, readings, marks))
    }

    fn start(lanes: usize) -> Self {
        Self { value: 0, equal: Shares::public(Fp::ONE, lanes), beyond: Shares::zeros(lanes) }
    }

    /// One digit, of all descents at the same time.
    async fn all_next(
        descents: &mut [Self],
        arithmetic: &Arithmetic,
        targets: &[Target],
        digit: Digit,
        first: bool,
    ) -> Result<(), Fault> {
        let Digit { marks, tests } = digit;
        let each = descents.iter_mut().zip(targets).zip(tests);
        let one = each.map(|((descent, target), test)| {
            let marks = target.seen(&marks);
            descent.next(arithmetic, test, marks, first)
        });
        join_all(one).await.into_iter().collect()
    }

    /// One digit.
    async fn next(
        &mut self,
        arithmetic: &Arithmetic,
        test: Test,
        marks: Vec<Shares>,
        first: bool,
    ) -> Result<(), Fault> {
        let lanes = self.beyond.len();
        let (at_least, reached) = if first {
            // Everybody is a candidate, and nobody beyond.
            let sums = Shares::concat(&marks.iter().map(Shares::sum).collect::<Vec<_>>());
            let reached = test.open(arithmetic, Sums::Shares(sums)).await?;
            (marks, reached)
        } else {
            let beyond = self.beyond.sum().as_products();
            let candidates: Vec<_> = marks.iter().map(|mark| self.equal.times(mark)).collect();
            let sums: Vec<_> = candidates.iter().map(|lanes| lanes.sum().plus(&beyond)).collect();
            let sums = Sums::Products(Products::concat(&sums));
            let reduce = arithmetic.reduce(Products::concat(&candidates));
            let (at_least, reached) = join(reduce, test.open(arithmetic, sums)).await;
            (at_least.chunks(lanes), reached?)
        };
        self.take(at_least, &reached);
        Ok(())
    }

    /// Takes the greatest value that reaches the rank as the digit. `at_least[v - 1]` says of each candidate whether
    /// its digit is at least v.
    fn take(&mut self, mut at_least: Vec<Shares>, reached: &[bool]) {
        let digit = reached.iter().filter(|&&reached| reached).count();
        let beyond = (digit < at_least.len()).then(|| at_least.swap_remove(digit));
        if digit > 0 {
            self.equal = at_least.swap_remove(digit - 1);
        }
        if let Some(beyond) = beyond {
            let nothing = || Shares::zeros(0);
            self.equal = std::mem::replace(&mut self.equal, nothing()).minus(&beyond);
            self.beyond = std::mem::replace(&mut self.beyond, nothing()).plus(&beyond);
        }
        self.value = self.value * (reached.len() as u64 + 1) + digit as u64;
    }
}

impl Digit {
    async fn new(arithmetic: &Arithmetic, bits: &[Shares], targets: &[Target]) -> Result<Self, Fault> {
        let lanes = bits.first().map_or(0, Shares::len);
        let test = |target: &Target| Test::new(arithmetic, target.rank(), lanes, (1 << bits.len()) - 1);
        let (marks, tests) = join(thermometer(arithmetic, bits), join_all(targets.iter().map(test))).await;
        Ok(Self { marks, tests: tests.into_iter().collect::<Result<_, _>>()? })
    }
}

/// What a digit costs: the marks of each candidate, about as many products to make the thermometer, and the tests.
fn price(targets: &[Target], readings: u64, marks: u64) -> Price {
    let tests = |target: &Target| Test::products(target.rank(), readings);
    let per_mark = targets.iter().map(|target| readings + tests(target)).sum::<u64>();
    let rounds = targets.iter().map(|target| Test::rounds(target.rank(), readings, marks as usize));
    Price { rounds: rounds.max().unwrap_or(0), products: marks * (readings + per_mark) }
}
