//! Polynomials over F_p: evaluation, Lagrange interpolation and Reed-Solomon decoding.
//!
//! Peers are few, so every routine takes at most [`MAX_POINTS`] points and the textbook's quadratic
//! algorithms are the right ones.

use crate::field::Fp;

/// The most points that can be interpolated or decoded: one for each of nine peers.
pub const MAX_POINTS: usize = 9;

/// A polynomial by its coefficients, the constant term first, without leading zeros; the zero polynomial
/// has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Polynomial(Vec<Fp>);

impl Polynomial {
    /// The polynomial with these coefficients, the constant term first.
    pub fn new(mut coefficients: Vec<Fp>) -> Self {
        while coefficients.last() == Some(&Fp::ZERO) {
            coefficients.pop();
        }
        Self(coefficients)
    }

    /// The coefficients, the constant term first, without leading zeros.
    pub fn coefficients(&self) -> &[Fp] {
        &self.0
    }

    /// Its degree; none for the zero polynomial.
    pub fn degree(&self) -> Option<usize> {
        self.0.len().checked_sub(1)
    }

    /// Its value at `x`.
    pub fn evaluate(&self, x: Fp) -> Fp {
        evaluate(&self.0, x)
    }

    /// Whether its degree is at most `degree`.
    fn fits(&self, degree: usize) -> bool {
        self.0.len() <= degree + 1
    }

    /// The product with `x - root`.
    fn times_root(&self, root: Fp) -> Self {
        let mut product = vec![Fp::ZERO; self.0.len() + 1];
        for (i, &c) in self.0.iter().enumerate() {
            product[i + 1] += c;
            product[i] -= c * root;
        }
        Self::new(product)
    }

    /// `self - factor * other`.
    fn minus_product(&self, factor: &Self, other: &Self) -> Self {
        let mut difference = self.0.clone();
        difference.resize(self.0.len().max(factor.0.len() + other.0.len()), Fp::ZERO);
        for (i, &a) in factor.0.iter().enumerate() {
            for (j, &b) in other.0.iter().enumerate() {
                difference[i + j] -= a * b;
            }
        }
        Self::new(difference)
    }

    /// Quotient and remainder by `divisor`; none if that is zero.
    fn divide(&self, divisor: &Self) -> Option<(Self, Self)> {
        let leading = divisor.0.last()?.inverse()?;
        let mut remainder = self.0.clone();
        let mut quotient = vec![Fp::ZERO; (remainder.len() + 1).saturating_sub(divisor.0.len())];
        for i in (0..quotient.len()).rev() {
            let factor = remainder[i + divisor.0.len() - 1] * leading;
            quotient[i] = factor;
            for (j, &d) in divisor.0.iter().enumerate() {
                remainder[i + j] -= factor * d;
            }
        }
        Some((Self::new(quotient), Self::new(remainder)))
    }
}

/// The value at `x` of the polynomial with these coefficients, the constant term first (Horner's rule).
pub fn evaluate(coefficients: &[Fp], x: Fp) -> Fp {
    coefficients.iter().rev().fold(Fp::ZERO, |value, &c| value * x + c)
}

/// The Lagrange coefficients l_i with `f(at) = sum l_i * f(xs[i])` for every f of degree below `xs.len()`.
///
/// None if two of `xs` are equal or there are more than [`MAX_POINTS`].
pub fn lagrange_at(xs: &[Fp], at: Fp) -> Option<Vec<Fp>> {
    if xs.len() > MAX_POINTS {
        return None;
    }
    xs.iter().enumerate().map(|(i, &x)| basis_at(xs, i, x, at)).collect()
}

/// prod (at - x_j) / (x - x_j) over all j but i.
fn basis_at(xs: &[Fp], i: usize, x: Fp, at: Fp) -> Option<Fp> {
    let others = || xs.iter().enumerate().filter(move |&(j, _)| j != i).map(|(_, &other)| other);
    let numerator = others().fold(Fp::ONE, |product, other| product * (at - other));
    let denominator = others().fold(Fp::ONE, |product, other| product * (x - other));
    Some(numerator * denominator.inverse()?)
}

/// The polynomial of degree below `points.len()` through the points `(x, y)`.
///
/// None if two points have the same x or there are more than [`MAX_POINTS`].
pub fn interpolate(points: &[(Fp, Fp)]) -> Option<Polynomial> {
    if points.len() > MAX_POINTS {
        return None;
    }
    // Newton: with each point, f += (y - f(x)) / g(x) * g for g = prod (x - x_j) over the points so far.
    let mut f = Polynomial::default();
    let mut g = Polynomial::new(vec![Fp::ONE]);
    for &(x, y) in points {
        let step = Polynomial::new(vec![(f.evaluate(x) - y) * g.evaluate(x).inverse()?]);
        f = f.minus_product(&step, &g);
        g = g.times_root(x);
    }
    Some(f)
}

/// What [`decode`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The polynomial.
    pub polynomial: Polynomial,
    /// The indices into the points, ascending, of those that do not lie on it.
    pub errors: Vec<usize>,
}

/// The polynomial of degree at most `degree` that passes through all m points `(x, y)` but at most
/// floor((m - degree - 1) / 2) of them.
///
/// There is at most one. None if there is none, if m is below `degree + 1` or above [`MAX_POINTS`], or if two
/// points have the same x. With more errors than that the points may lie near another polynomial, which is
/// then found instead: how many of them may be wrong is for the caller to know.
pub fn decode(points: &[(Fp, Fp)], degree: usize) -> Option<Decoded> {
    // Gao, "A new algorithm for decoding Reed-Solomon codes" (2003), with n = m and k = degree + 1.
    let (m, k) = (points.len(), degree + 1);
    if m < k {
        return None;
    }
    // Step 1: g1 interpolates all points.
    let g1 = interpolate(points)?;
    let g0 = points.iter().fold(Polynomial::new(vec![Fp::ONE]), |g, &(x, _)| g.times_root(x));
    // Step 2: Euclid on (g0, g1) until the remainder g has degree < (n + k) / 2; then g = u g0 + v g1.
    let (g, v) = partial_euclid(g0, g1, m + k)?;
    // Step 3: f = g / v.
    let (polynomial, remainder) = g.divide(&v)?;
    if remainder.degree().is_some() || !polynomial.fits(degree) {
        return None;
    }
    let wrong = |&(_, &(x, y)): &(usize, &(Fp, Fp))| polynomial.evaluate(x) != y;
    let errors: Vec<usize> = points.iter().enumerate().filter(wrong).map(|(i, _)| i).collect();
    (errors.len() <= (m - k) / 2).then_some(Decoded { polynomial, errors })
}

/// Euclid's algorithm stopped at the first remainder of degree below `twice_bound / 2`: that remainder and its
/// cofactor of `g1`.
fn partial_euclid(g0: Polynomial, g1: Polynomial, twice_bound: usize) -> Option<(Polynomial, Polynomial)> {
    let (mut r0, mut r1) = (g0, g1);
    let (mut v0, mut v1) = (Polynomial::default(), Polynomial::new(vec![Fp::ONE]));
    while r1.degree().is_some_and(|d| 2 * d >= twice_bound) {
        let (quotient, remainder) = r0.divide(&r1)?;
        let cofactor = v0.minus_product(&quotient, &v1);
        (r0, r1) = (r1, remainder);
        (v0, v1) = (v1, cofactor);
    }
    Some((r1, v1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fp(value: u32) -> Fp {
        Fp::from(value)
    }

    /// m points at 1..=m of 7 + 3x + 5x^2.
    fn parabola(m: u32) -> Vec<(Fp, Fp)> {
        let f = Polynomial::new(vec![fp(7), fp(3), fp(5)]);
        (1..=m).map(|x| (fp(x), f.evaluate(fp(x)))).collect()
    }

    #[test]
    fn interpolation_finds_the_polynomial() {
        assert_eq!(interpolate(&parabola(3)).unwrap().coefficients(), [fp(7), fp(3), fp(5)]);
        assert_eq!(interpolate(&parabola(9)).unwrap().degree(), Some(2));
        assert_eq!(interpolate(&[]).unwrap(), Polynomial::default());
    }

    #[test]
    fn lagrange_coefficients_sum_to_the_value() {
        let xs: Vec<Fp> = [2, 5, 9].map(fp).to_vec();
        let f = Polynomial::new(vec![fp(11), fp(0), fp(13)]);
        let l = lagrange_at(&xs, fp(4)).unwrap();
        let value: Fp = xs.iter().zip(&l).map(|(&x, &l)| l * f.evaluate(x)).sum();
        assert_eq!(value, f.evaluate(fp(4)));
    }

    #[test]
    fn equal_points_and_too_many_points_are_refused() {
        let twice = [(fp(1), fp(1)), (fp(1), fp(2)), (fp(3), fp(2))];
        assert_eq!(interpolate(&twice), None);
        assert_eq!(decode(&twice, 1), None);
        assert_eq!(lagrange_at(&[fp(1), fp(1)], Fp::ZERO), None);
        assert_eq!(interpolate(&parabola(10)), None);
        assert_eq!(decode(&parabola(10), 2), None);
        assert_eq!(decode(&parabola(2), 2), None);
    }

    #[test]
    fn decoding_corrects_to_its_bound_and_no_further() {
        let mut points = parabola(7);
        assert!(decode(&points, 2).unwrap().errors.is_empty());
        points[1].1 += Fp::ONE;
        points[6].1 = Fp::ZERO;
        let decoded = decode(&points, 2).unwrap();
        assert_eq!(decoded.errors, [1, 6]);
        assert_eq!(decoded.polynomial.coefficients(), [fp(7), fp(3), fp(5)]);
        points[3].1 += fp(99);
        assert_eq!(decode(&points, 2), None);
    }

    #[test]
    fn the_zero_polynomial_is_decoded() {
        let mut points: Vec<_> = (1..=5).map(|x| (fp(x), Fp::ZERO)).collect();
        assert_eq!(decode(&points, 1).unwrap().polynomial, Polynomial::default());
        points[2].1 = Fp::ONE;
        assert_eq!(decode(&points, 1).unwrap().errors, [2]);
    }
}
