//! The prime field F_p with p = 2^61 - 1, in which every secret is shared.
//!
//! A Mersenne prime makes reduction a shift and an addition, and leaves room for sums of a million 32-bit
//! readings. Arithmetic takes the same time whatever the operands; only [`Fp::pow`] depends on its (public)
//! exponent.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::DefaultIsZeroes;

/// An element of F_p.
///
/// Not a secret by its type: a share is a [`crate::shamir::Share`], which hides and erases its element.
/// In documents it is a decimal text, because JSON numbers lose digits beyond 2^53.
// Invariant of the representation: 0 <= self.0 < P, so that equality of numbers is equality of elements.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Fp(u64);

impl Fp {
    /// The characteristic p = 2^61 - 1.
    pub const P: u64 = (1 << 61) - 1;
    /// The neutral element of addition.
    pub const ZERO: Self = Self(0);
    /// The neutral element of multiplication.
    pub const ONE: Self = Self(1);
    /// How many bytes an element takes on the wire.
    pub const BYTES: usize = 8;

    /// The element `value`, or none unless `value < P`.
    pub const fn from_canonical(value: u64) -> Option<Self> {
        if value < Self::P { Some(Self(value)) } else { None }
    }

    /// The element congruent to any `value`.
    pub const fn reduce(value: u64) -> Self {
        // 2^61 = 1 (mod P), so the bits above the 61st count as units: the sum is <= P + 7 < 2P.
        Self(subtract_p_once((value & Self::P) + (value >> 61)))
    }

    /// The canonical number, below [`Fp::P`].
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// Twice the element.
    #[must_use]
    pub const fn double(self) -> Self {
        // 2 * self.0 <= 2P - 2
        Self(subtract_p_once(self.0 << 1))
    }

    /// The element to the power `exponent`; `0^0` is 1. Takes time that depends on the exponent alone.
    #[must_use]
    pub fn pow(self, exponent: u64) -> Self {
        let mut power = Self::ONE;
        for i in (0..u64::BITS - exponent.leading_zeros()).rev() {
            power *= power;
            if exponent >> i & 1 == 1 {
                power *= self;
            }
        }
        power
    }

    /// The element's multiplicative inverse; none for zero.
    #[must_use]
    pub fn inverse(self) -> Option<Self> {
        // Fermat: a^(P-1) = 1 for a != 0.
        if self == Self::ZERO { None } else { Some(self.pow(Self::P - 2)) }
    }

    /// A uniformly random element.
    pub fn random(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        loop {
            if let Some(element) = Self::from_random_bits(rng.next_u64()) {
                return element;
            }
        }
    }

    /// A uniform element from 64 uniform bits; none (once in 2^61 draws) when they must be drawn anew.
    pub(crate) const fn from_random_bits(bits: u64) -> Option<Self> {
        // The 61 high bits are uniform over 0..=P; refusing P leaves each element equally likely.
        Self::from_canonical(bits >> 3)
    }

    /// The element plus `number`, which is at most P, times `factor`: reduced once.
    pub(crate) const fn plus_product(self, number: u64, factor: Self) -> Self {
        // At most P (P - 1) + P - 1 < P^2, so that low <= P and high < P: their sum is < 2P.
        let sum = number as u128 * factor.0 as u128 + self.0 as u128;
        let low = sum as u64 & Self::P;
        let high = (sum >> 61) as u64;
        Self(subtract_p_once(low + high))
    }

    /// The element congruent to `sum`, a sum of at most 64 products of elements.
    pub(crate) const fn reduce_wide(sum: u128) -> Self {
        // Each product is < 2^122, so the sum is < 2^128. As 2^61 = 1 (mod P), three limbs of 61 bits add up to it:
        // two below 2^61 and one below 2^6.
        let low = sum as u64 & Self::P;
        let middle = (sum >> 61) as u64 & Self::P;
        let high = (sum >> 122) as u64;
        Self(subtract_p_once(subtract_p_once(low + middle) + high))
    }

    /// The product, not reduced: for sums of at most 64 of them that are reduced once.
    pub(crate) const fn widening_mul(self, other: Self) -> u128 {
        self.0 as u128 * other.0 as u128
    }

    /// The canonical little-endian encoding.
    pub const fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0.to_le_bytes()
    }

    /// The element that `bytes` encode, or none unless they are its canonical encoding.
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Option<Self> {
        Self::from_canonical(u64::from_le_bytes(bytes))
    }
}

/// For `value < 2P`, `value mod P` without a branch.
const fn subtract_p_once(value: u64) -> u64 {
    // value < 2P < 2^62, so the difference wraps (top bit set) exactly if value < P; then P is added back.
    let difference = value.wrapping_sub(Fp::P);
    difference.wrapping_add(Fp::P & (difference >> 63).wrapping_neg())
}

impl Add for Fp {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        // Both are <= P - 1, so the sum is <= 2P - 2.
        Self(subtract_p_once(self.0 + other.0))
    }
}

impl Sub for Fp {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        // 1 <= self + P - other <= 2P - 1
        Self(subtract_p_once(self.0 + Self::P - other.0))
    }
}

impl Mul for Fp {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        // The product is <= (P-1)^2 < 2^122. Split it as high * 2^61 + low with low <= P and
        // high <= (P-1)^2 / 2^61 < P - 1; because 2^61 = 1 (mod P) it is congruent to high + low < 2P.
        let product = u128::from(self.0) * u128::from(other.0);
        let low = product as u64 & Self::P;
        let high = (product >> 61) as u64;
        Self(subtract_p_once(low + high))
    }
}

impl Neg for Fp {
    type Output = Self;
    fn neg(self) -> Self {
        // 1 <= P - self <= P
        Self(subtract_p_once(Self::P - self.0))
    }
}

impl AddAssign for Fp {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Fp {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl MulAssign for Fp {
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

impl Sum for Fp {
    fn sum<I: Iterator<Item = Self>>(elements: I) -> Self {
        elements.fold(Self::ZERO, Add::add)
    }
}

impl From<u32> for Fp {
    fn from(value: u32) -> Self {
        Self(u64::from(value))
    }
}

impl DefaultIsZeroes for Fp {}

impl fmt::Debug for Fp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Fp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Fp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Fp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DecimalText)
    }
}

struct DecimalText;

impl de::Visitor<'_> for DecimalText {
    type Value = Fp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field element: a whole number below 2^61 - 1 as decimal text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Fp, E> {
        let refused = || E::invalid_value(de::Unexpected::Str(text), &self);
        // One text per element: neither a sign nor leading zeros.
        let digits_only = text.bytes().all(|b| b.is_ascii_digit());
        if !digits_only || (text.len() > 1 && text.starts_with('0')) {
            return Err(refused());
        }
        text.parse().ok().and_then(Fp::from_canonical).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_the_field_wrap() {
        let last = Fp::from_canonical(Fp::P - 1).unwrap();
        assert_eq!(last + Fp::ONE, Fp::ZERO);
        assert_eq!(Fp::ZERO - Fp::ONE, last);
        assert_eq!(last * last, Fp::ONE);
        assert_eq!(-Fp::ZERO, Fp::ZERO);
        assert_eq!(-Fp::ONE, last);
        assert_eq!(last.double(), last - Fp::ONE);
        assert_eq!(Fp::reduce(Fp::P), Fp::ZERO);
        assert_eq!(Fp::reduce(u64::MAX), Fp::from(7));
        assert_eq!(Fp::ZERO.inverse(), None);
        assert_eq!(Fp::ZERO.pow(0), Fp::ONE);
    }

    #[test]
    fn a_product_is_added_as_if_each_were_reduced() {
        let edges = [0, 1, 2, 1 << 60, Fp::P - 2, Fp::P - 1].map(Fp::reduce);
        for element in edges {
            for factor in edges {
                for number in edges.map(Fp::to_u64).into_iter().chain([Fp::P]) {
                    let apart = element + Fp::reduce(number) * factor;
                    assert_eq!(
                        element.plus_product(number, factor),
                        apart,
                        "{element} + {number} * {factor}"
                    );
                }
            }
        }
    }

    #[test]
    fn only_canonical_encodings_are_elements() {
        assert_eq!(Fp::from_bytes((Fp::P - 1).to_le_bytes()), Some(-Fp::ONE));
        assert_eq!(Fp::from_bytes(Fp::P.to_le_bytes()), None);
        assert_eq!(Fp::from_bytes([0xff; 8]), None);
        assert_eq!(Fp::from_random_bits(u64::MAX), None);
    }

    #[test]
    fn documents_hold_one_text_per_element() {
        assert_eq!(serde_json::to_string(&-Fp::ONE).unwrap(), "\"2305843009213693950\"");
        assert_eq!(serde_json::from_str::<Fp>("\"0\"").unwrap(), Fp::ZERO);
        for refused in ["\"\"", "\"01\"", "\"+1\"", "\"-1\"", "\"2305843009213693951\"", "1", "\"1 \""] {
            assert!(serde_json::from_str::<Fp>(refused).is_err(), "{refused}");
        }
    }
}
