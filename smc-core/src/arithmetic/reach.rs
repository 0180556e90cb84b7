//! Whether numbers of readings reach a rank, and nothing else about them.

use super::compare::{Masks, at_least};
use super::{Arithmetic, Fault, Products, Rank, Shares};
use crate::field::Fp;

/// How to find out; good for one opening of a known number of sums.
#[derive(Debug)]
pub(super) enum Test {
    /// At least one: a zero test.
    Any,
    /// At least so many: a comparison, with masks that were made beforehand.
    Reach { rank: Rank, width: u32, masks: Masks },
    /// At least two: x (x - 1) is zero for none and for one.
    Two,
}

/// Numbers of readings, as they come.
#[derive(Debug)]
pub(super) enum Sums {
    Products(Products),
    Shares(Shares),
}

impl Test {
    /// Prepares the test of `sums` numbers of at most `readings`. At most one round.
    pub(super) async fn new(
        arithmetic: &Arithmetic,
        rank: Rank,
        readings: usize,
        sums: usize,
    ) -> Result<Self, Fault> {
        match rank.0 {
            0 | 1 => Ok(Self::Any),
            2 => Ok(Self::Two),
            _ => {
                let masks = Masks::new(arithmetic, sums).await?;
                Ok(Self::Reach { rank, width: bits_to_count(readings), masks })
            }
        }
    }

    /// How many rounds [`Test::open`] takes.
    pub(super) fn rounds(rank: Rank, readings: usize) -> u64 {
        match rank.0 {
            0 | 1 => 2,
            2 => 3,
            _ => 1 + u64::from(bits_to_count(readings).next_power_of_two().ilog2()),
        }
    }

    /// Opens of each number whether it reaches the rank.
    pub(super) async fn open(self, arithmetic: &Arithmetic, sums: Sums) -> Result<Vec<bool>, Fault> {
        let not = |zero: Vec<bool>| zero.into_iter().map(|zero| !zero).collect();
        match self {
            Self::Any => {
                let sums = sums.reduce(arithmetic).await;
                Ok(not(arithmetic.are_zero(&sums).await))
            }
            Self::Reach { rank, width, masks } => {
                let sums = sums.into_products();
                let ranks = vec![rank.0; sums.len()];
                let reached = at_least(arithmetic, &sums, &ranks, width, masks).await?;
                let opened = arithmetic.open_products(reached).await;
                Ok(opened.into_iter().map(|bit| bit == Fp::ONE).collect())
            }
            Self::Two => {
                let sums = sums.reduce(arithmetic).await;
                let others = sums.duplicate().plus_public(-Fp::ONE);
                let pairs = arithmetic.multiply(&sums, &others).await;
                Ok(not(arithmetic.are_zero(&pairs).await))
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

/// How many bits a number of at most `readings` has.
fn bits_to_count(readings: usize) -> u32 {
    usize::BITS - readings.leading_zeros()
}
