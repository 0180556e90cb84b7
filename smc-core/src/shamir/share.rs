//! One peer's share of one secret.

use std::fmt;
use std::ops::{AddAssign, SubAssign};

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::field::Fp;

/// A peer's share of a secret: erased when dropped, never printed, never cloned.
///
/// Shares of equal threshold can be added and scaled by public numbers; the results are shares of the sum and
/// of the product. The default is the share of a public zero.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct Share(Fp);

impl Share {
    /// The share `element`.
    pub const fn new(element: Fp) -> Self {
        Self(element)
    }

    /// The element itself, for the moment it is released to other peers as part of an opening.
    pub const fn reveal(&self) -> Fp {
        self.0
    }

    /// The share that [`Share::to_bytes`] wrote; none unless canonical.
    pub fn from_bytes(bytes: [u8; Fp::BYTES]) -> Option<Self> {
        Fp::from_bytes(bytes).map(Self)
    }

    /// The share's encoding, for a sealed message or the peer's own store: little-endian, canonical.
    pub fn to_bytes(&self) -> Zeroizing<[u8; Fp::BYTES]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Makes it a share of twice the secret.
    pub fn double_assign(&mut self) {
        self.0 = self.0.double();
    }

    /// Makes it a share of `factor` times the secret.
    pub fn scale_assign(&mut self, factor: Fp) {
        self.0 *= factor;
    }

    /// Makes it a share of the secret plus `public`; every peer must do the same.
    pub fn add_public(&mut self, public: Fp) {
        self.0 += public;
    }
}

impl AddAssign<&Share> for Share {
    fn add_assign(&mut self, other: &Share) {
        self.0 += other.0;
    }
}

impl SubAssign<&Share> for Share {
    fn sub_assign(&mut self, other: &Share) {
        self.0 -= other.0;
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_printed() {
        assert_eq!(format!("{:?}", Share::new(Fp::from(812))), "<redacted>");
        assert_eq!(format!("{:?}", [Share::default()]), "[<redacted>]");
    }

    #[test]
    fn linear_operations_are_those_of_the_field() {
        let mut share = Share::new(Fp::from(5));
        share.double_assign();
        share.scale_assign(Fp::from(3));
        share.add_public(Fp::from(7));
        share += &Share::new(Fp::from(100));
        share -= &Share::new(Fp::from(1));
        assert_eq!(share.reveal(), Fp::from(136));
        assert_eq!(Share::from_bytes(*share.to_bytes()).unwrap().reveal(), share.reveal());
        assert!(Share::from_bytes([0xff; 8]).is_none());
    }
}
