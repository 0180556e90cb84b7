//! Many shares side by side.

use std::fmt;
use std::marker::PhantomData;

use zeroize::Zeroizing;

use crate::field::Fp;
use crate::shamir::Share;

/// One peer's shares of many numbers. Erased when dropped, never printed, never cloned.
///
/// `D` says of which degree, and with it what may be done: numbers of degree t can be multiplied and opened; products
/// have degree 2t and must be masked before anybody sees them.
pub struct Lanes<D>(Zeroizing<Vec<Fp>>, PhantomData<D>);

/// Of degree t.
#[derive(Debug)]
pub enum Single {}

/// Of degree 2t, with factors that an opening would show: masked first, always.
#[derive(Debug)]
pub enum Double {}

/// Shares of degree t.
pub type Shares = Lanes<Single>;

/// Local products of shares, and sums of them.
pub type Products = Lanes<Double>;

impl<D> Lanes<D> {
    pub(crate) fn new(elements: Vec<Fp>) -> Self {
        Self(Zeroizing::new(elements), PhantomData)
    }

    /// Shares of `len` public zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        Self::public(Fp::ZERO, len)
    }

    /// Shares of a public number, `len` times.
    pub(crate) fn public(value: Fp, len: usize) -> Self {
        Self::new(vec![value; len])
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn as_slice(&self) -> &[Fp] {
        &self.0
    }

    pub(crate) fn into_elements(self) -> Zeroizing<Vec<Fp>> {
        self.0
    }

    pub(super) fn as_mut_slice(&mut self) -> &mut [Fp] {
        &mut self.0
    }

    /// `self + other`, lane by lane.
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(a, &b)| *a += b);
        self
    }

    /// `self - other`, lane by lane.
    pub(crate) fn minus(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(a, &b)| *a -= b);
        self
    }

    /// `self + public` in each lane.
    pub(crate) fn plus_public(mut self, public: Fp) -> Self {
        self.0.iter_mut().for_each(|a| *a += public);
        self
    }

    /// `self * public` in each lane.
    pub(crate) fn times_public(mut self, public: Fp) -> Self {
        self.0.iter_mut().for_each(|a| *a *= public);
        self
    }

    /// `1 - self` in each lane: the opposite of a shared bit.
    pub(crate) fn complement(mut self) -> Self {
        self.0.iter_mut().for_each(|a| *a = Fp::ONE - *a);
        self
    }

    /// The sum of all lanes, as one lane.
    pub(crate) fn sum(&self) -> Self {
        Self::new(vec![self.0.iter().copied().sum()])
    }

    /// The same shares once more, where a step needs them twice.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }

    /// All lanes one after the other.
    pub(crate) fn concat<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self
    where
        D: 'a,
    {
        let parts: Vec<&Self> = parts.into_iter().collect();
        // The capacity is known first, so that no buffer is outgrown and left behind.
        let mut all = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.into_iter().for_each(|part| all.extend_from_slice(&part.0));
        Self::new(all)
    }

    /// The lanes in groups of `len`.
    pub(crate) fn chunks(&self, len: usize) -> Vec<Self> {
        self.0.chunks(len.max(1)).map(|chunk| Self::new(chunk.to_vec())).collect()
    }

    /// The lane `i` alone; no lane if there is none.
    pub(crate) fn lane(&self, i: usize) -> Self {
        Self::new(self.0.get(i).copied().into_iter().collect())
    }

    /// A single lane, `len` times.
    pub(crate) fn repeat(&self, len: usize) -> Self {
        let mut all = Vec::with_capacity(self.len() * len);
        (0..len).for_each(|_| all.extend_from_slice(&self.0));
        Self::new(all)
    }

    /// Lane i of the result is `change(i, lane i)`.
    pub(crate) fn map(mut self, change: impl Fn(usize, Fp) -> Fp) -> Self {
        self.0.iter_mut().enumerate().for_each(|(i, a)| *a = change(i, *a));
        self
    }
}

impl Shares {
    /// No lanes, with room for `capacity`.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self::new(Vec::with_capacity(capacity))
    }

    /// Adds a lane.
    pub(crate) fn push(&mut self, share: &Share) {
        self.0.push(share.reveal());
    }

    /// The products, lane by lane.
    pub(crate) fn times(&self, other: &Self) -> Products {
        let products = self.0.iter().zip(other.0.iter()).map(|(&a, &b)| a * b);
        Products::new(products.collect())
    }

    /// The products with a single lane.
    pub(crate) fn scaled_by(&self, factor: &Self) -> Products {
        let factor = factor.0.first().copied().unwrap_or_default();
        Products::new(self.0.iter().map(|&a| a * factor).collect())
    }

    /// The sum of the products lane by lane, as one lane.
    pub(crate) fn dot(&self, other: &Self) -> Products {
        Products::new(vec![self.0.iter().zip(other.0.iter()).map(|(&a, &b)| a * b).sum()])
    }

    /// The same numbers as sums of products: a degree of t is one of 2t as well.
    pub(crate) fn as_products(&self) -> Products {
        Products::new(self.0.to_vec())
    }
}

impl<D> fmt::Debug for Lanes<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} redacted>", self.len())
    }
}
