//! Nothing is opened that the output does not say.
//!
//! For two inputs with one output, all that the peers open must look alike: as many rounds with as many values each, and
//! over many runs values of the same distribution, by a chi-square test on each value, on its difference to the one before
//! and on their ratio.

use std::collections::BTreeMap;

use smc_core::field::Fp;
use smc_core::function::{Audience, Parameters, Rehearsed, catalogue};
use smc_core::shamir::Sharing;

use crate::case::{Case, quantity};

/// How often each input is run.
const RUNS: u64 = 32;

/// Readings and those of the second quantity.
type Input = ([u64; 6], [u64; 6]);

const NONE: [u64; 6] = [0; 6];
const ONE: [u64; 6] = [1, 5, 3, 0, 9, 2];
const SHIFTED: [u64; 6] = [5, 9, 7, 4, 13, 6];
const OTHER: [u64; 6] = [2, 8, 2, 1, 6, 7];
const OTHER_SHIFTED: [u64; 6] = [5, 11, 5, 4, 9, 10];
/// The first pair in another order.
const ONE_TURNED: [u64; 6] = [2, 1, 5, 3, 0, 9];
const OTHER_TURNED: [u64; 6] = [7, 2, 8, 2, 1, 6];

/// Two inputs with the same output, and one that has another.
fn inputs(function: &str) -> [Input; 3] {
    let alone = |a, b| [(a, NONE), (b, NONE), ([0, 1, 15, 15, 15, 14], NONE)];
    let pairs = |a, b| [a, b, (OTHER_SHIFTED, [9, 9, 0, 0, 0, 1])];
    match function {
        // Above 7.
        "any_above" => [([8, 0, 0, 0, 0, 0], NONE), ([15, 14, 13, 12, 11, 10], NONE), ([7; 6], NONE)],
        "argmax" => alone([9, 1, 0, 0, 2, 3], [9, 8, 8, 7, 8, 8]),
        "correlation" | "covariance" => pairs((ONE, OTHER), (SHIFTED, OTHER_SHIFTED)),
        "count" => alone([0; 6], [15; 6]),
        "count_above" => alone([8, 8, 8, 0, 0, 0], [15, 0, 7, 14, 9, 1]),
        // Below 8.
        "count_below" => alone([7, 7, 7, 8, 8, 8], [0, 15, 1, 9, 14, 2]),
        "distinct_count" => alone([1, 1, 1, 2, 3, 3], [15, 14, 14, 14, 14, 0]),
        "entropy" => alone([1, 1, 1, 2, 2, 3], [15, 9, 9, 9, 0, 0]),
        // At least three times.
        "heavy_hitters" => alone([4, 4, 4, 1, 2, 3], [0, 4, 0, 4, 15, 4]),
        // With edges 4 and 8.
        "histogram" => alone([0, 0, 4, 4, 15, 15], [3, 7, 8, 2, 5, 9]),
        "linear_fit" | "weighted_mean" => pairs((ONE, OTHER), (ONE_TURNED, OTHER_TURNED)),
        "max" => alone([13, 0, 0, 0, 0, 0], [13, 12, 13, 13, 12, 11]),
        "mean" | "sum" | "vector_sum" => alone([15, 15, 0, 0, 0, 0], [5; 6]),
        // Above 7.
        "mean_above" => [([8; 6], NONE), ([15, 15, 15, 14, 14, 14], NONE), ([7; 6], NONE)],
        "median" => alone([0, 0, 7, 7, 7, 7], [15, 5, 15, 6, 7, 15]),
        "min" => alone([4, 15, 15, 15, 15, 15], [4, 4, 5, 6, 4, 5]),
        // 0.7: the fifth.
        "quantile" => alone([0, 0, 0, 0, 11, 11], [11, 10, 11, 11, 15, 11]),
        "range" => alone([2, 12, 2, 2, 2, 2], [12, 2, 12, 11, 12, 3]),
        // Of the first.
        "rank" => alone([5, 9, 0, 0, 0, 0], [14, 15, 13, 12, 1, 14]),
        "second_price" => alone([7, 7, 7, 0, 0, 0], [15, 7, 0, 0, 0, 1]),
        "stddev" | "variance" => alone(ONE, SHIFTED),
        "top_k" => alone([12, 9, 0, 0, 0, 0], [9, 8, 12, 9, 9, 8]),
        other => panic!("no inputs for {other}"),
    }
}

fn case(function: &'static str, (readings, with): Input) -> Case {
    let mut case = Case::new(function, quantity("sixteen", "0", "15", "1"), readings.to_vec());
    let number = |text: &str| Some(text.parse().unwrap());
    let p = Parameters::default();
    case.parameters = match function {
        "any_above" | "count_above" | "mean_above" => Parameters { above: number("7"), ..p },
        "correlation" | "covariance" | "linear_fit" | "weighted_mean" => {
            (case.with_quantity, case.with) = (Some(quantity("other", "0", "15", "1")), with.to_vec());
            Parameters { with: Some("other".parse().unwrap()), ..p }
        }
        "count_below" => Parameters { below: number("8"), ..p },
        "heavy_hitters" => Parameters { at_least: Some(3), ..p },
        "histogram" => Parameters { edges: Some(vec!["4".parse().unwrap(), "8".parse().unwrap()]), ..p },
        "quantile" => Parameters { q: number("0.7"), ..p },
        "rank" => {
            case.own = Some(0);
            Parameters { agent: Some("room-0".parse().unwrap()), ..p }
        }
        "top_k" => Parameters { k: Some(2), ..p },
        _ => p,
    };
    case
}

/// What a value looks like: small numbers at either side of zero one by one, all others by some of their bits.
fn look(value: Fp) -> u64 {
    const SMALL: u64 = 1 << 20;
    let (value, opposite) = (value.to_u64(), (-value).to_u64());
    match (value, opposite) {
        (value, _) if value < SMALL => 100 + value % 64,
        (_, opposite) if opposite < SMALL => 200 + opposite % 64,
        (value, _) => value >> 59 << 1 | value & 1,
    }
}

/// What a run opened looks like: of each value, of the difference to the one before and of the ratio to it.
fn looks(run: &Rehearsed) -> Vec<u64> {
    let mut looks = Vec::new();
    for round in &run.opened {
        looks.extend(round.iter().map(|&value| look(value)));
        looks.extend(round.windows(2).map(|pair| look(pair[1] - pair[0])));
        let ratio = |pair: &[Fp]| look(pair[1] * pair[0].inverse().unwrap_or_default());
        looks.extend(round.windows(2).map(ratio));
    }
    looks
}

/// How many of the normal distribution's deviations the two samples are apart.
fn distance(one: &[Vec<u64>], other: &[Vec<u64>]) -> f64 {
    let (mut statistic, mut freedom) = (0.0, 0.0);
    for place in 0..one[0].len() {
        let mut counts: BTreeMap<u64, [f64; 2]> = BTreeMap::new();
        for (i, sample) in [one, other].into_iter().enumerate() {
            sample.iter().for_each(|looks| counts.entry(looks[place]).or_default()[i] += 1.0);
        }
        statistic += counts.values().map(|[a, b]| (a - b).powi(2) / (a + b)).sum::<f64>();
        // What is expected of samples without replacement.
        let both = (one.len() + other.len()) as f64;
        freedom += (counts.len() as f64 - 1.0) * both / (both - 1.0);
    }
    if freedom == 0.0 { 0.0 } else { (statistic - freedom) / (2.0 * freedom).sqrt() }
}

fn shape(run: &Rehearsed) -> Vec<usize> {
    run.opened.iter().map(Vec::len).collect()
}

fn check(function: &'static str, audience: Audience) {
    let sharing = Sharing::new(3, 1).unwrap();
    let [one, other, third] = inputs(function).map(|input| case(function, input));
    let run = |case: &Case, seed: u64| case.rehearse(sharing, audience, seed);
    let (first, second, stranger) = (run(&one, 0), run(&other, 0), run(&third, 0));
    assert_eq!(first.elements, second.elements, "{function}: the inputs have one output");
    assert!(function == "count" || stranger.elements != first.elements, "{function}: the third has another");
    // The shape depends on no reading.
    assert_eq!((shape(&first), first.cost), (shape(&second), second.cost), "{function}");
    assert_eq!((shape(&first), first.cost), (shape(&stranger), stranger.cost), "{function}");
    let sample =
        |case: &Case, offset| (0..RUNS).map(|seed| looks(&run(case, offset + seed))).collect::<Vec<_>>();
    let distance = distance(&sample(&one, 1), &sample(&other, 1 + RUNS));
    assert!(distance < 5.0, "{function} {audience:?}: {distance} deviations apart");
}

fn check_all(audience: Audience, functions: impl Fn(&str) -> bool) {
    for entry in catalogue().iter().filter(|entry| functions(entry.name)) {
        check(entry.name, audience);
    }
}

#[test]
fn from_any_above_to_linear_fit_nothing_else_is_opened() {
    check_all(Audience::Everybody, |name| name < "m");
}

#[test]
fn from_max_to_weighted_mean_nothing_else_is_opened() {
    check_all(Audience::Everybody, |name| name >= "m");
}

/// For one client alone the peers must not learn the output either, so here the inputs may differ in it.
#[test]
fn peers_learn_nothing_of_what_is_for_one_client_alone() {
    let sharing = Sharing::new(3, 1).unwrap();
    for entry in catalogue() {
        let [one, _, other] = inputs(entry.name).map(|input| case(entry.name, input));
        if !one.read().unwrap().keeps_peers_blind() {
            continue;
        }
        let run = |case: &Case, seed: u64| case.rehearse(sharing, Audience::One, seed);
        assert_eq!(shape(&run(&one, 0)), shape(&run(&other, 0)), "{}", entry.name);
        let runs = 0..RUNS / 2;
        let sample = |case: &Case, offset| {
            runs.clone().map(|seed| looks(&run(case, offset + seed))).collect::<Vec<_>>()
        };
        let distance = distance(&sample(&one, 1), &sample(&other, 1 + RUNS));
        assert!(distance < 5.0, "{}: {distance} deviations apart", entry.name);
    }
}

#[test]
fn what_does_not_multiply_opens_no_products() {
    for entry in catalogue() {
        let case = case(entry.name, inputs(entry.name)[0]);
        let function = case.read().unwrap();
        let products = case.rehearse(Sharing::new(3, 1).unwrap(), Audience::Everybody, 1).cost.products;
        assert_eq!(function.multiplies(), products > 0, "{}", entry.name);
    }
}
