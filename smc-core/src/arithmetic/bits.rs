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
        let roots = inverse_roots(&squares);
        Ok(r.map(|lane, r| (r * roots[lane] + Fp::ONE) * HALF))
    }
}

/// Several at a time, for each alone is a long chain of products in which one waits for the other.
const ABREAST: usize = 8;

/// 1 / sqrt(a) for each square a, where of the two roots that one is meant that is a square itself.
fn inverse_roots(squares: &[Fp]) -> Vec<Fp> {
    let (whole, rest) = squares.as_chunks::<ABREAST>();
    let mut last = [Fp::ONE; ABREAST];
    last[..rest.len()].copy_from_slice(rest);
    let roots = whole.iter().chain([&last]).flat_map(|&squares| abreast(squares));
    roots.take(squares.len()).collect()
}

fn abreast(a: [Fp; ABREAST]) -> [Fp; ABREAST] {
    // p = 3 (mod 4), so sqrt(a) = a^((p+1)/4) = a^(2^59). The order of a square divides (p-1)/2 = 2^60 - 1, hence
    // its inverse is a^(2^60 - 1 - 2^59) = a^(2^59 - 1). With e(m) = a^(2^m - 1), e(m + n) = e(m)^(2^n) e(n).
    let times = |a: [Fp; ABREAST], b: [Fp; ABREAST]| std::array::from_fn(|i| a[i] * b[i]);
    let join = |high, n: u32, low| times((0..n).fold(high, |power, _| times(power, power)), low);
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
        for count in [0, 1, ABREAST - 1, ABREAST, 100] {
            let squares: Vec<_> = (0..count).map(|_| Fp::random(&mut rng)).map(|r| r * r).collect();
            let roots = inverse_roots(&squares);
            assert_eq!(roots.len(), count);
            for (square, root) in squares.into_iter().zip(roots) {
                assert_eq!(square * root * root, Fp::ONE);
                assert_eq!(root, square.pow((1 << 59) - 1));
            }
        }
    }
}
