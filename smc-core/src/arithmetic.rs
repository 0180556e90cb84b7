//! Computing on shares (docs/protocol.md, 5), without I/O.
//!
//! A function is an `async` block that reads like the paper's steps. All that it can wait for is an **opening**: the
//! peers show each other their shares of masked values. What all its branches open at the same time goes out together,
//! as one round; `join` and `join_all` run branches side by side and so merge their rounds. A [`Session`] runs one
//! function at one peer, and hands over what is to be exchanged; in [`local`] all peers sit in one process.

mod bits;
mod compare;
mod descent;
mod digits;
mod edges;
mod hidden;
mod join;
mod lanes;
pub mod local;
mod lookup;
mod multiply;
mod opening;
mod reach;
mod session;
#[cfg(test)]
mod tests;
mod thermometer;
mod zero;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

pub(crate) use self::compare::less_than;
pub(crate) use self::descent::{Descent, Rank, Target};
pub(crate) use self::edges::{count_above_each, products_above_each};
pub(crate) use self::hidden::HiddenDescent;
pub(crate) use self::join::{join, join_all};
pub use self::lanes::{Lanes, Products, Shares};
pub(crate) use self::lookup::Lookup;
pub(crate) use self::opening::Opening;
pub(crate) use self::reach::{Reach, width_of};
pub use self::session::{Batch, Opened, Progress, Session};
pub(crate) use self::thermometer::one_hot;
use crate::field::Fp;
use crate::prss::Randomness;
use crate::shamir::Sharing;

/// What a computation has cost one peer so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// How often the peers exchanged something.
    pub rounds: u32,
    /// How many shares this peer gave away, to each other peer.
    pub shares: u64,
    /// How many of these were of products: of degree 2t, masked.
    pub products: u64,
}

/// Why a function came to no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A random number was zero, or one of the few that do not mask; which hardly ever happens.
    #[error("a random number did not serve as a mask; the next window will do")]
    Unlucky,
}

/// A peer's handle to the computation that it takes part in.
#[derive(Clone)]
pub struct Arithmetic {
    sharing: Sharing,
    desk: Arc<Mutex<Desk>>,
}

/// What lies on the table between two rounds.
struct Desk {
    randomness: Randomness,
    /// The number of the round that is being prepared.
    round: u32,
    /// Placed for this round: shares of degree t, and of degree 2t, the latter masked.
    single: Zeroizing<Vec<Fp>>,
    double: Zeroizing<Vec<Fp>>,
    /// What the round before opened, in the order in which it was placed.
    opened: Opened,
    cost: Cost,
}

impl Arithmetic {
    fn new(sharing: Sharing, randomness: Randomness) -> Self {
        let desk = Desk {
            randomness,
            round: 0,
            single: Zeroizing::default(),
            double: Zeroizing::default(),
            opened: Opened::default(),
            cost: Cost::default(),
        };
        Self { sharing, desk: Arc::new(Mutex::new(desk)) }
    }

    /// Opens values shared with degree t.
    pub(crate) fn open(&self, shares: Shares) -> Opening {
        Opening::single(self.clone(), shares)
    }

    /// Opens products and sums of products, after adding to each a sharing of zero that hides its factors.
    pub(crate) fn open_products(&self, products: Products) -> Opening {
        Opening::double(self.clone(), products)
    }

    /// Hides the factors of products from whoever gets to see all peers' shares.
    pub(crate) fn mask(&self, mut products: Products) -> Products {
        self.desk().randomness.add_zeros(products.as_mut_slice());
        products
    }

    /// Shares of `count` random numbers that nobody knows.
    pub(crate) fn random(&self, count: usize) -> Shares {
        let mut shares = Shares::zeros(count);
        self.desk().randomness.add_random(shares.as_mut_slice());
        shares
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // One thread runs a session; a panic in it would have ended the process.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Arithmetic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arithmetic {{ {:?}, <redacted> }}", self.sharing)
    }
}
