//! Whatever the readings, the peers and the audience: the value is that of plain arithmetic.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use smc_core::decimal::Decimal;
use smc_core::function::{Audience, Parameters, catalogue};
use smc_core::quantity::Quantity;
use smc_core::shamir::Sharing;
use smc_core::value::Value;

use crate::case::{Case, all_sharings, quantity, steps, vector};
use crate::plain::{self, same};

/// Of 1 to 9 bits; some with steps up to 2^k - 1, others not.
fn quantities() -> Vec<Quantity> {
    [
        ("flag", "0", "1", "1"),
        ("four", "-1.5", "0", "0.5"),
        ("ten", "0", "10", "1"),
        ("half", "-3.5", "4", "0.5"),
        ("fine", "20", "20.31", "0.01"),
        ("hundred", "0", "100", "1"),
        ("cold", "-7.25", "3.75", "0.05"),
        ("wide", "100", "1633", "3"),
    ]
    .into_iter()
    .map(|(name, min, max, resolution)| quantity(name, min, max, resolution))
    .collect()
}

/// The functions that count how often each step occurs.
const CATEGORICAL: [&str; 3] = ["distinct_count", "entropy", "heavy_hitters"];

/// What a test draws; every function takes of it what it needs.
#[derive(Debug, Clone)]
struct Draw {
    quantity: Quantity,
    with: Quantity,
    readings: Vec<u64>,
    with_readings: Vec<u64>,
    /// Thresholds, some of them readings or next to one.
    thresholds: Vec<Decimal>,
    q: Decimal,
    k: u64,
    own: Index,
}

/// Uniform readings, or few different ones, or the extremes, or all the same.
fn readings(most: u64, count: usize) -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        prop::collection::vec(0..=most, count),
        prop::collection::vec(prop_oneof![Just(most / 3), Just(most / 2), Just(most)], count),
        prop::collection::vec(prop_oneof![Just(0), Just(most)], count),
        (0..=most).prop_map(move |v| vec![v; count]),
    ]
}

fn draw() -> impl Strategy<Value = Draw> {
    let quantity = || prop::sample::select(quantities());
    let counts = prop_oneof![Just(1usize), Just(2), 1usize..9];
    (quantity(), quantity(), counts).prop_flat_map(|(quantity, with, count)| {
        let threshold = threshold(&quantity);
        (
            readings(steps(&quantity), count),
            readings(steps(&with), count),
            prop::collection::vec(threshold, 1..5),
            prop_oneof![0i128..=1000, Just(0), Just(500), Just(1000)],
            1u64..=5,
            any::<Index>(),
        )
            .prop_map(move |(readings, with_readings, thresholds, q, k, own)| Draw {
                quantity: quantity.clone(),
                with: with.clone(),
                readings,
                with_readings,
                thresholds,
                q: Decimal::new(q, 3).unwrap(),
                k,
                own,
            })
    })
}

/// On a step, or between two.
fn threshold(quantity: &Quantity) -> impl Strategy<Value = Decimal> + use<> {
    let quantity = quantity.clone();
    (0..steps(&quantity), prop_oneof![Just(0i128), 1i128..1000]).prop_map(move |(v, part)| {
        let scale = quantity.minimum().scale().max(quantity.resolution().scale());
        let at = |number: Decimal| number.mantissa_at(scale + 3).unwrap();
        let step = at(quantity.resolution());
        Decimal::new(at(quantity.minimum()) + step * i128::from(v) + step / 1000 * part, scale + 3).unwrap()
    })
}

impl Draw {
    fn case(&self, function: &'static str) -> Case {
        let mut case = Case::new(function, self.quantity.clone(), self.readings.clone());
        let p = &mut case.parameters;
        match function {
            "any_above" | "count_above" | "mean_above" => p.above = Some(self.thresholds[0]),
            "count_below" => p.below = Some(self.upper(self.thresholds[0])),
            "heavy_hitters" => p.at_least = Some(self.k + 1),
            "histogram" => p.edges = Some(self.edges()),
            "quantile" => p.q = Some(self.q),
            "rank" => {
                p.agent = Some("room-0".parse().unwrap());
                case.own = Some(self.own.index(self.readings.len()));
            }
            "top_k" => p.k = Some(self.k),
            "correlation" | "covariance" | "linear_fit" | "weighted_mean" => self.pair(&mut case),
            _ => {}
        }
        case
    }

    fn pair(&self, case: &mut Case) {
        let negative = |quantity: &Quantity| quantity.minimum() < Decimal::ZERO;
        let (with, readings) = if case.function == "weighted_mean" && negative(&self.with) {
            // Weights must not be negative.
            (quantity("weight", "0", "100000", "0.5"), self.with_readings.clone())
        } else {
            (self.with.clone(), self.with_readings.clone())
        };
        case.parameters.with = Some(with.name().clone());
        (case.with_quantity, case.with) = (Some(with), readings);
    }

    /// A threshold above the minimum.
    fn upper(&self, x: Decimal) -> Decimal {
        if x > self.quantity.minimum() { x } else { self.quantity.maximum() }
    }

    /// Ascending, one per step.
    fn edges(&self) -> Vec<Decimal> {
        let mut edges: Vec<_> = self.thresholds.iter().map(|&x| self.upper(x)).collect();
        edges.sort();
        let below =
            |x: Decimal| (0..=steps(&self.quantity)).take_while(|&v| self.quantity.decode(v) < x).count();
        edges.dedup_by_key(|&mut x| below(x));
        edges
    }
}

fn check(case: &Case, sharing: Sharing, audience: Audience) {
    let want = plain::value(case);
    let have = case.rehearse(sharing, audience, 7);
    let value = have.value.unwrap_or_else(|| panic!("{case:?}: dishonest {:?}", have.elements));
    assert!(same(case.function, &value, &want), "{case:?} {sharing:?} {audience:?}: {value:?}, not {want:?}");
    assert_ne!(value, Value::Nothing, "a result without a value is none");
    let most = case.read().unwrap().products(&case.subject(), case.count() as u64);
    assert!(have.cost.products <= most, "{}: {} products, not {most}", case.function, have.cost.products);
}

/// All functions on what was drawn.
fn check_all(draw: &Draw, sharing: Sharing, audience: Audience) {
    for entry in catalogue() {
        // Hundreds of categories take their time; another test has them.
        if !CATEGORICAL.contains(&entry.name) || draw.quantity.bits() <= 5 {
            check(&draw.case(entry.name), sharing, audience);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10,
        max_shrink_iters: 50,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_value_is_that_of_plain_arithmetic(
        draw in draw(),
        sharing in prop::sample::select(all_sharings()),
        one in any::<bool>(),
    ) {
        check_all(&draw, sharing, if one { Audience::One } else { Audience::Everybody });
    }
}

#[test]
fn so_it_is_among_any_number_of_peers() {
    let mut runner = TestRunner::deterministic();
    for sharing in all_sharings() {
        for audience in [Audience::Everybody, Audience::One] {
            check_all(&draw().new_tree(&mut runner).unwrap().current(), sharing, audience);
        }
    }
}

#[test]
fn hundreds_of_categories_are_told_apart() {
    let quantity = quantity("categories", "0", "999", "1");
    for function in CATEGORICAL {
        let mut case = Case::new(function, quantity.clone(), vec![999, 0, 999, 512, 31, 32, 0, 999]);
        case.parameters.at_least = (function == "heavy_hitters").then_some(2);
        check(&case, all_sharings()[0], Audience::Everybody);
    }
}

#[test]
fn vectors_are_added_up_element_by_element() {
    let elements = vector("elements", "-1", "1", "0.5", 3);
    let case = Case::new("vector_sum", elements, vec![0, 1, 2, 4, 4, 4, 0, 0, 1]);
    for audience in [Audience::Everybody, Audience::One] {
        let sums = [-1.0, -0.5, 0.5].map(|sum| Value::from(Decimal::from_f64(sum).unwrap()));
        assert_eq!(case.rehearse(all_sharings()[3], audience, 1).value, Some(Value::List(sums.to_vec())));
    }
}

#[test]
fn an_agent_outside_the_cohort_has_no_rank() {
    let mut case = Case::new("rank", quantities().remove(3), vec![1, 2, 3]);
    case.parameters = Parameters { agent: Some("room-9".parse().unwrap()), ..Parameters::default() };
    check(&case, all_sharings()[0], Audience::One);
}
