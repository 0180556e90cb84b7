//! Random bits that nobody knows.

use super::{Arithmetic, Fault, Shares};
use crate::field::Fp;

impl Arithmetic {
    /// Shares of `count` random bits. One round.
    ///
    /// Damgard, Fitzi, Kiltz, Nielsen and Toft, "Unconditionally secure constant-rounds multi-party computation" (TCC
    /// 2006): for a random r open a = r^2; then r / sqrt(a) is 1 or -1, and nobody knows which.
    ///
    /// # Errors
    /// [`Fault::Unlucky`] if some r is zero.
    pub(crate) async fn random_bits(&self, count: usize) -> Result<Shares, Fault> {
        let r = self.random(count);
        let squares = self.open_products(r.times(&r)).await;
        if squares.contains(&Fp::ZERO) {
            return Err(Fault::Unlucky);
        }
        // (r / sqrt(a) + 1) / 2
        const HALF: Fp = Fp::reduce(1 << 60);
        Ok(r.map(|lane, r| (r * inverse_root(squares[lane]) + Fp::ONE) * HALF))
    }
}

/// 1 / sqrt(a) for a square a, where of the two roots that one is meant that is a square itself.
fn inverse_root(a: Fp) -> Fp {
    // p = 3 (mod 4), so sqrt(a) = a^((p+1)/4) = a^(2^59). The order of a square divides (p-1)/2 = 2^60 - 1, hence
    // its inverse is a^(2^60 - 1 - 2^59) = a^(2^59 - 1). With e(m) = a^(2^m - 1), e(m + n) = e(m)^(2^n) e(n).
    let join = |high: Fp, n: u32, low: Fp| (0..n).fold(high, |power, _| power * power) * low;
    let e2 = join(a, 1, a);
    let e3 = join(e2, 1, a);
    let e6 = join(e3, 3, e3);
    let e7 = join(e6, 1, a);
    let e14 = join(e7, 7, e7);
    let e28 = join(e14, 14, e14);
    let e29 = join(e28, 1, a);
    let e58 = join(e29, 29, e29);
    join(e58, 1, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_times_the_square_of_its_inverse_root_is_one() {
        let mut rng = crate::testing::rng(1);
        for _ in 0..100 {
            let r = Fp::random(&mut rng);
            let root = inverse_root(r * r);
            assert_eq!(r * r * root * root, Fp::ONE);
            assert_eq!(root, (r * r).pow((1 << 59) - 1));
        }
    }
}
