//! Quantities: what is encoded comes back, and sums are exact.

use proptest::prelude::*;
use smc_core::decimal::Decimal;
use smc_core::quantity::{Quantity, QuantityDocument, RefusedReading};
use smc_core::time::Period;

/// Any valid quantity: up to 2^31 steps of 1 to 1000 units of 10^-scale, from anywhere.
fn quantity() -> impl Strategy<Value = Quantity> {
    (0..=9_u8, 1..=1_000_i64, 1..1_i64 << 31, -100_000_000_i64..100_000_000).prop_map(
        |(scale, resolution, steps, minimum)| {
            let decimal = |mantissa: i64| Decimal::new(mantissa.into(), scale).unwrap();
            Quantity::new(QuantityDocument {
                name: "x".parse().unwrap(),
                unit: "m".to_owned(),
                minimum: decimal(minimum),
                maximum: decimal(minimum + steps * resolution),
                resolution: decimal(resolution),
                elements: 1,
                period: Period::from_millis(1_000).unwrap(),
            })
            .unwrap()
        },
    )
}

/// A quantity and readings across its range.
fn readings() -> impl Strategy<Value = (Quantity, Vec<f64>)> {
    quantity().prop_flat_map(|quantity| {
        let (minimum, maximum) = (quantity.minimum().to_f64(), quantity.maximum().to_f64());
        (Just(quantity), prop::collection::vec(minimum..=maximum, 1..20))
    })
}

/// In units of 10^-20, exactly.
fn exact(number: Decimal) -> i128 {
    number.mantissa_at(20).unwrap()
}

proptest! {
    #[test]
    fn a_reading_comes_back_within_half_a_step((quantity, readings) in readings()) {
        for x in readings {
            let v = quantity.encode(x).unwrap();
            prop_assert!(v < 1 << quantity.bits());
            let distance = (exact(quantity.decode(v)) - exact(Decimal::from_f64(x).unwrap())).abs();
            prop_assert!(2 * distance <= exact(quantity.resolution()));
        }
    }

    #[test]
    fn every_step_comes_back_as_itself(quantity in quantity(), v: prop::sample::Index) {
        let steps = exact(quantity.maximum()) - exact(quantity.minimum());
        let v = v.index((steps / exact(quantity.resolution())) as usize + 1) as u64;
        prop_assert_eq!(quantity.encode(quantity.decode(v).to_f64()), Ok(v));
    }

    #[test]
    fn sums_are_exact_and_means_rounded_once((quantity, readings) in readings()) {
        let steps: Vec<u64> = readings.iter().map(|&x| quantity.encode(x).unwrap()).collect();
        let (sum, count) = (steps.iter().sum::<u64>(), steps.len() as u64);
        let decoded: i128 = steps.iter().map(|&v| exact(quantity.decode(v))).sum();
        prop_assert_eq!(exact(quantity.decode_sum(sum, count)), decoded);
        let mean = quantity.decode_mean(sum, count).unwrap();
        prop_assert!(mean.scale() <= quantity.resolution().scale() + 2);
        let error = (exact(mean) * i128::from(count) - decoded).abs();
        let last_digit = 10_i128.pow(u32::from(18 - quantity.resolution().scale()));
        prop_assert!(2 * error <= last_digit * i128::from(count));
    }

    #[test]
    fn nothing_outside_the_range_is_encoded(quantity in quantity(), x: f64) {
        let expected = match x {
            _ if x.is_nan() => Some(RefusedReading::NotANumber),
            _ if x > quantity.maximum().to_f64() => Some(RefusedReading::AboveMaximum),
            _ if x < quantity.minimum().to_f64() => Some(RefusedReading::BelowMinimum),
            _ => None,
        };
        prop_assert_eq!(quantity.encode(x).err(), expected);
    }

    #[test]
    fn documents_round_trip(quantity in quantity()) {
        let json = serde_json::to_string(&quantity).unwrap();
        let read: Quantity = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read.digest(), quantity.digest());
        prop_assert_eq!(read, quantity);
    }

    #[test]
    fn decimals_print_and_read_alike(mantissa in -999_999_999_999_999_999..=999_999_999_999_999_999_i128, scale in 0..=17_u8) {
        let number = Decimal::new(mantissa, scale).unwrap();
        prop_assert_eq!(number.to_string().parse::<Decimal>().unwrap(), number);
        let json = serde_json::to_string(&number).unwrap();
        prop_assert_eq!(serde_json::from_str::<Decimal>(&json).unwrap(), number);
    }

    #[test]
    fn floating_point_numbers_come_back_from_decimals(x in -1e15..1e15_f64) {
        prop_assert_eq!(Decimal::from_f64(x).unwrap().to_f64(), x);
    }

    #[test]
    fn garbage_is_no_decimal_or_reads_back(text in "[-+0-9.eE ]{0,24}") {
        if let Ok(number) = text.parse::<Decimal>() {
            prop_assert_eq!(number.to_string().parse::<Decimal>().unwrap(), number);
        }
    }
}
