//! Whether numbers of readings reach a rank, and nothing else about them.

use super::compare::{Masks, at_least};
use super::digits::PRODUCTS_PER_ROUND;
use super::lookup::Lookup;
use super::{Arithmetic, Fault, Products, Rank, Shares};
use crate::field::Fp;

/// Compares shared numbers with public thresholds; good for one time. Depends on no input.
#[derive(Debug)]
pub(crate) enum Reach {
    /// Bit by bit.
    Bits {
        /// How many bits the numbers have.
        width: u32,
        /// One for each number.
        masks: Masks,
    },
    /// By looking up.
    Table(u32, Lookup),
}

impl Reach {
    /// For `lanes` numbers of at most `largest`.
    pub(crate) async fn new(arithmetic: &Arithmetic, largest: u64, lanes: usize) -> Result<Self, Fault> {
        let width = width_of(largest);
        if Self::by_table(width, lanes) {
            return Ok(Self::Table(width, Lookup::new(arithmetic, lanes, width).await?));
        }
        Ok(Self::Bits { width, masks: Masks::new(arithmetic, lanes).await? })
    }

    /// In each lane whether the number is at least the threshold.
    pub(crate) async fn reached(
        self,
        arithmetic: &Arithmetic,
        numbers: &Products,
        threshold: u64,
    ) -> Result<Products, Fault> {
        match self {
            Self::Bits { width, masks } => {
                // What is larger is never reached, and neither is 2^width.
                let thresholds = vec![threshold.min(1 << width); numbers.len()];
                at_least(arithmetic, numbers, &thresholds, width, masks).await
            }
            Self::Table(width, lookup) => {
                let reached = |x| if x >= threshold { Fp::ONE } else { Fp::ZERO };
                let table: Vec<Fp> = (0..1 << width).map(reached).collect();
                lookup.of(arithmetic, numbers, &table).await
            }
        }
    }

    /// How many rounds [`Reach::reached`] takes, with the one that opens or reduces what it yields.
    pub(crate) fn rounds(largest: u64, lanes: usize) -> u64 {
        let width = width_of(largest);
        if Self::by_table(width, lanes) { 2 } else { 1 + levels(width) }
    }

    /// The most products that it takes for each number, in all.
    pub(crate) fn products(largest: u64) -> u64 {
        let width = width_of(largest);
        Lookup::products(width.min(MAX_TABLE)).max(Masks::BITS as u64 + 2 * u64::from(width) + 2)
    }

    /// Whether a table takes less time: fewer rounds, but more products, and all of the table for each number.
    fn by_table(width: u32, lanes: usize) -> bool {
        if width > MAX_TABLE {
            return false;
        }
        let table = lanes as u64 * (Lookup::products(width) + ((1 << width) >> 6));
        let bits = lanes as u64 * (Masks::BITS as u64 + 3 * u64::from(width) / 2);
        table < bits + (levels(width) - 1) * PRODUCTS_PER_ROUND
    }
}

/// The widest numbers that are looked up.
const MAX_TABLE: u32 = 16;

/// How often a number's bits can be halved; the last time when the outcome is opened.
fn levels(width: u32) -> u64 {
    u64::from(width.next_power_of_two().ilog2().max(1))
}

/// How many bits a number of at most `largest` has.
pub(crate) fn width_of(largest: u64) -> u32 {
    u64::BITS - largest.max(1).leading_zeros()
}

/// How to find out about numbers of readings; good for one opening.
#[derive(Debug)]
pub(super) enum Test {
    /// At least one: a zero test.
    Any,
    /// At least so many: a comparison.
    Reach(Rank, Reach),
}

/// Numbers of readings, as they come.
#[derive(Debug)]
pub(super) enum Sums {
    Products(Products),
    Shares(Shares),
}

impl Test {
    /// Prepares the test of `sums` numbers of at most `readings`.
    pub(super) async fn new(
        arithmetic: &Arithmetic,
        rank: Rank,
        readings: usize,
        sums: usize,
    ) -> Result<Self, Fault> {
        match rank.0 {
            0 | 1 => Ok(Self::Any),
            _ => Ok(Self::Reach(rank, Reach::new(arithmetic, readings as u64, sums).await?)),
        }
    }

    /// How many rounds [`Test::open`] takes.
    pub(super) fn rounds(rank: Rank, readings: u64, sums: usize) -> u64 {
        match rank.0 {
            0 | 1 => 2,
            _ => Reach::rounds(readings, sums),
        }
    }

    /// The most products that it takes for each number.
    pub(super) fn products(rank: Rank, readings: u64) -> u64 {
        match rank.0 {
            0 | 1 => 2,
            _ => 1 + Reach::products(readings),
        }
    }

    /// Opens of each number whether it reaches the rank.
    pub(super) async fn open(self, arithmetic: &Arithmetic, sums: Sums) -> Result<Vec<bool>, Fault> {
        match self {
            Self::Any => {
                let sums = sums.reduce(arithmetic).await;
                Ok(arithmetic.are_zero(&sums).await.into_iter().map(|zero| !zero).collect())
            }
            Self::Reach(rank, reach) => {
                let reached = reach.reached(arithmetic, &sums.into_products(), rank.0).await?;
                let opened = arithmetic.open_products(reached).await;
                Ok(opened.into_iter().map(|bit| bit == Fp::ONE).collect())
            }
        }
    }
}

impl Sums {
    fn into_products(self) -> Products {
        match self {
            Self::Products(products) => products,
            Self::Shares(shares) => shares.as_products(),
        }
    }

    async fn reduce(self, arithmetic: &Arithmetic) -> Shares {
        match self {
            Self::Products(products) => arithmetic.reduce(products).await,
            Self::Shares(shares) => shares,
        }
    }
}
