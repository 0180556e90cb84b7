//! F_p against arithmetic in 128 bits.

use proptest::prelude::*;
use smc_core::field::Fp;
use smc_core::polynomial::{Polynomial, interpolate, lagrange_at};

const P: u128 = Fp::P as u128;

/// Any element, the edges of the field often.
pub(crate) fn element() -> impl Strategy<Value = Fp> {
    prop_oneof![
        4 => (0..Fp::P).prop_map(|value| Fp::from_canonical(value).unwrap()),
        1 => prop::sample::select(vec![0, 1, 2, Fp::P / 2, Fp::P - 2, Fp::P - 1])
            .prop_map(|value| Fp::from_canonical(value).unwrap()),
    ]
}

fn wide(element: Fp) -> u128 {
    u128::from(element.to_u64())
}

proptest! {
    #[test]
    fn arithmetic_is_that_of_the_integers_modulo_p(a in element(), b in element()) {
        prop_assert_eq!(wide(a + b), (wide(a) + wide(b)) % P);
        prop_assert_eq!(wide(a - b), (wide(a) + P - wide(b)) % P);
        prop_assert_eq!(wide(a * b), wide(a) * wide(b) % P);
        prop_assert_eq!(wide(-a), (P - wide(a)) % P);
        prop_assert_eq!(a.double(), a + a);
    }

    #[test]
    fn it_is_a_field(a in element(), b in element(), c in element()) {
        prop_assert_eq!((a + b) + c, a + (b + c));
        prop_assert_eq!((a * b) * c, a * (b * c));
        prop_assert_eq!(a * (b + c), a * b + a * c);
        prop_assert_eq!(a + -a, Fp::ZERO);
        match a.inverse() {
            Some(inverse) => prop_assert_eq!(a * inverse, Fp::ONE),
            None => prop_assert_eq!(a, Fp::ZERO),
        }
    }

    #[test]
    fn any_number_reduces(value: u64) {
        prop_assert_eq!(wide(Fp::reduce(value)), u128::from(value) % P);
        prop_assert_eq!(Fp::from_canonical(value).is_some(), value < Fp::P);
    }

    #[test]
    fn powers_add_their_exponents(a in element(), m in 0..1_u64 << 60, n in 0..1_u64 << 60) {
        prop_assert_eq!(a.pow(m) * a.pow(n), a.pow(m + n));
        prop_assert_eq!(a.pow(Fp::P), a);
    }

    #[test]
    fn encodings_round_trip(a in element()) {
        prop_assert_eq!(Fp::from_bytes(a.to_bytes()), Some(a));
        let json = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<Fp>(&json).unwrap(), a);
    }

    #[test]
    fn interpolation_inverts_evaluation(coefficients in prop::collection::vec(element(), 0..=9), at in element()) {
        let f = Polynomial::new(coefficients);
        let xs: Vec<Fp> = (1..=9).map(Fp::from).collect();
        let points: Vec<(Fp, Fp)> = xs.iter().map(|&x| (x, f.evaluate(x))).collect();
        prop_assert_eq!(&interpolate(&points).unwrap(), &f);
        let l = lagrange_at(&xs, at).unwrap();
        let value: Fp = l.iter().zip(&points).map(|(&l, &(_, y))| l * y).sum();
        prop_assert_eq!(value, f.evaluate(at));
    }
}
