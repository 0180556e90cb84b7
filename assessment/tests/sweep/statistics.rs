//! Statistics, held against values from tables and closed forms.

use assessment::statistics::{Median, line, non_negative, percentile};
use proptest::prelude::*;

fn counted(n: u32) -> Vec<f64> {
    (1..=n).rev().map(f64::from).collect()
}

#[test]
fn intervals_are_those_of_the_sign_tests_tables() {
    // The ranks that tables of the two-sided sign test give for 95 %: n, first rank, coverage in percent.
    for (n, rank, percent) in
        [(6, 1, 96.875), (10, 2, 97.852), (20, 6, 95.861), (50, 18, 96.716), (100, 40, 96.480)]
    {
        let Median { low, high, confidence_percent, samples, median } = Median::of(&counted(n)).unwrap();
        assert_eq!((low, high), (f64::from(rank), f64::from(n + 1 - rank)), "{n}");
        assert!((confidence_percent - percent).abs() < 0.001, "{n}: {confidence_percent}");
        assert_eq!((samples, median), (n as usize, f64::from(n + 1) / 2.0));
    }
}

#[test]
fn few_samples_say_how_little_they_say() {
    let Median { low, high, confidence_percent, .. } = Median::of(&counted(5)).unwrap();
    assert_eq!((low, high, confidence_percent), (1.0, 5.0, 93.75));
    assert_eq!(Median::of(&[7.0]).unwrap().confidence_percent, 0.0);
    assert_eq!(Median::of(&[]), None);
}

#[test]
fn many_samples_do_not_outgrow_floating_point() {
    let Median { low, high, confidence_percent, .. } = Median::of(&counted(10_000)).unwrap();
    // The normal approximation: 5000 -+ 0.98 * 100.
    assert!((low - 4902.0).abs() <= 2.0 && (high - 5099.0).abs() <= 2.0, "{low} {high}");
    assert!((95.0..95.2).contains(&confidence_percent));
}

#[test]
fn percentiles_take_the_nearest_rank() {
    assert_eq!(percentile(&counted(100), 0.99), Some(99.0));
    assert_eq!(percentile(&counted(4), 0.5), Some(2.0));
    assert_eq!(percentile(&[], 0.5), None);
}

#[test]
fn a_line_is_found_and_points_above_each_other_have_none() {
    let (slope, zero) = line(&[(3.0, 10.0), (5.0, 14.0), (9.0, 22.0)]).unwrap();
    assert!((slope - 2.0).abs() < 1e-12 && (zero - 4.0).abs() < 1e-12);
    assert_eq!(line(&[(3.0, 10.0), (3.0, 11.0)]), None);
}

proptest! {
    #[test]
    fn costs_that_are_not_negative_are_found_again(
        costs in prop::collection::vec(0.0..10.0_f64, 3),
        rows in prop::collection::vec(prop::collection::vec(0.1..1.0_f64, 3), 8..20),
    ) {
        let targets: Vec<f64> =
            rows.iter().map(|row| row.iter().zip(&costs).map(|(x, cost)| x * cost).sum()).collect();
        let found = non_negative(&rows, &targets);
        for (row, target) in rows.iter().zip(&targets) {
            let says: f64 = row.iter().zip(&found).map(|(x, cost)| x * cost).sum();
            prop_assert!((says - target).abs() < 1e-3 * target.max(1.0), "{found:?} for {costs:?}");
        }
    }
}

#[test]
fn no_cost_is_below_zero() {
    // y = 2 - x would fit best.
    let found = non_negative(&[vec![1.0, 0.0], vec![1.0, 1.0], vec![1.0, 2.0]], &[2.0, 1.0, 0.0]);
    assert!((found[0] - 1.0).abs() < 1e-9 && found[1] == 0.0, "{found:?}");
    assert_eq!(non_negative(&[vec![0.0]], &[1.0]), [0.0]);
}
