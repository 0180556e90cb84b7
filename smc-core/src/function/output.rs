//! What comes out of a function, and what it means.

use zeroize::Zeroizing;

use crate::arithmetic::{Arithmetic, Products, Shares};
use crate::field::Fp;
use crate::name::NodeName;
use crate::quantity::Quantity;
use crate::shamir::Degree;

/// Who gets to see the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// All peers, and whoever they tell. Steps may open whatever the output says anyway.
    Everybody,
    /// One client alone: the peers open nothing that tells of the readings.
    One,
}

/// What a function's steps come to.
#[derive(Debug)]
pub enum Output {
    /// Elements that the steps have opened on their way, and nothing besides.
    Known(Vec<Fp>),
    /// Elements of degree 2t, to be masked and opened.
    Products(Products),
    /// Elements of degree t, to be opened.
    Shares(Shares),
}

/// The end of a computation at one peer.
#[derive(Debug)]
pub enum Final {
    /// The opened elements of the output.
    Opened(Vec<Fp>),
    /// This peer's shares of the elements, for the client alone.
    Sealed(Degree, Zeroizing<Vec<Fp>>),
}

impl Output {
    /// Opens the output, or masks it for the client.
    pub(super) async fn finish(self, arithmetic: &Arithmetic, audience: Audience) -> Final {
        let sealed = audience == Audience::One;
        match self {
            Self::Known(elements) => Final::Opened(elements),
            Self::Products(products) if sealed => {
                Final::Sealed(Degree::Double, arithmetic.mask(products).into_elements())
            }
            Self::Products(products) => Final::Opened(arithmetic.open_products(products).await),
            Self::Shares(shares) if sealed => Final::Sealed(Degree::Single, shares.into_elements()),
            Self::Shares(shares) => Final::Opened(arithmetic.open(shares).await),
        }
    }
}

/// What is known beside the output when its value is concluded.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What was measured.
    pub quantity: &'a Quantity,
    /// The second quantity, of functions of two.
    pub with: Option<&'a Quantity>,
    /// How many readings there are; at least one.
    pub readings: u64,
    /// Whose reading lies in which lane.
    pub agents: &'a [NodeName],
}

/// What a function's values look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// What kind of value.
    pub kind: Kind,
    /// Its unit; empty for a plain number.
    pub unit: String,
    /// How many decimal digits make sense to people.
    pub digits: u8,
    /// What it is beside the readings.
    pub meaning: Meaning,
}

/// Kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    Flag,
    /// A list.
    List,
    /// A number.
    Number,
    /// Several named parts; the one named here says most.
    Record(&'static str),
}

/// What a value is beside the readings that it was computed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Something else: a count, a variance.
    Other,
    /// A reading, or something like one: a mean, a maximum.
    Reading,
    /// A total of readings.
    Total,
}

impl Shape {
    /// Yes or no.
    pub fn flag() -> Self {
        Self { kind: Kind::Flag, ..Self::plain(0) }
    }

    /// A number without a unit, with so many decimal digits.
    pub fn plain(digits: u8) -> Self {
        Self { kind: Kind::Number, unit: String::new(), digits, meaning: Meaning::Other }
    }

    /// Something like a reading of `quantity`.
    pub fn reading(quantity: &Quantity) -> Self {
        let (unit, digits) = (quantity.unit().to_owned(), quantity.resolution().scale());
        Self { kind: Kind::Number, unit, digits, meaning: Meaning::Reading }
    }
}
