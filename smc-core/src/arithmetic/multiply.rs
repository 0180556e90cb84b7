//! 5.1: multiplication (Damgard and Nielsen, "Scalable and unconditionally secure multiparty computation", 2007).

use super::{Arithmetic, Products, Shares};

impl Arithmetic {
    /// The same numbers with degree t again: opens each product plus a random [r] of degrees t and 2t, and takes the
    /// [r] of degree t away. One round for any number of them.
    ///
    /// The only place where products come back to degree t: a check on whoever deviates here belongs here.
    pub(crate) async fn reduce(&self, products: Products) -> Shares {
        let masks = self.random(products.len());
        // Opening adds the sharing of zero that makes of [r]_t a [r]_2t.
        let opened = self.open_products(products.plus(&masks.as_products())).await;
        masks.map(|lane, mask| opened[lane] - mask)
    }

    /// The products, lane by lane, with degree t. One round.
    pub async fn multiply(&self, a: &Shares, b: &Shares) -> Shares {
        self.reduce(a.times(b)).await
    }
}
