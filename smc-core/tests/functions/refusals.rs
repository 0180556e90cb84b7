//! Queries that can't be computed as asked are refused when they are read, and told what to change.

use smc_core::decimal::Decimal;
use smc_core::function::{FunctionError, Parameters, catalogue};
use smc_core::quantity::Quantity;

use crate::case::{Case, quantity, vector};

fn co2() -> Quantity {
    quantity("co2", "0", "10000", "1")
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Why `function` is refused with these parameters, of `quantity` and with `with`.
fn refusal(
    function: &'static str,
    quantity: Quantity,
    with: Option<Quantity>,
    parameters: Parameters,
) -> FunctionError {
    let readings = vec![0; 5 * quantity.elements() as usize];
    let mut case = Case::new(function, quantity, readings);
    (case.parameters, case.with_quantity) = (parameters, with);
    case.read().unwrap_err()
}

fn of(function: &'static str, change: impl FnOnce(&mut Parameters)) -> String {
    let mut parameters = Parameters::default();
    change(&mut parameters);
    refusal(function, co2(), None, parameters).to_string()
}

#[test]
fn what_is_missing_is_named_with_an_example() {
    for entry in catalogue().iter().filter(|entry| !entry.parameters.is_empty()) {
        let error = refusal(entry.name, co2(), None, Parameters::default());
        let (key, _) = entry.parameters.split_once(" = ").unwrap();
        let FunctionError::Missing { function, parameter, example } = error else { panic!("{error}") };
        assert_eq!((function, parameter, example), (entry.name, key, entry.parameters));
    }
}

#[test]
fn what_a_function_does_not_take_is_refused() {
    for entry in catalogue().iter().filter(|entry| entry.parameters.is_empty()) {
        let mut case = Case::new(entry.name, quantity("few", "0", "9", "1"), vec![0; 5]);
        assert!(case.read().is_ok(), "{}", entry.name);
        case.parameters.k = Some(3);
        let superfluous = FunctionError::Superfluous { function: entry.name, parameter: "k" };
        assert_eq!(case.read().unwrap_err(), superfluous);
    }
}

#[test]
fn thresholds_must_leave_the_answer_open() {
    for function in ["any_above", "count_above", "mean_above"] {
        for above in ["-1", "10000", "10000.5"] {
            let error = of(function, |p| p.above = Some(decimal(above)));
            assert!(error.contains("`above`: choose 0 to below 10000"), "{error}");
        }
    }
    for below in ["0", "10001"] {
        let error = of("count_below", |p| p.below = Some(decimal(below)));
        assert!(error.contains("`below`: choose above 0 to 10000"), "{error}");
    }
}

#[test]
fn edges_must_ascend_and_part_readings() {
    let edges = |edges: &[&str]| {
        of("histogram", |p| p.edges = Some(edges.iter().map(|edge| decimal(edge)).collect()))
    };
    assert!(edges(&[]).contains("1 to 256 edges"));
    assert!(edges(&["800", "600"]).contains("ascending"));
    assert!(edges(&["800", "800"]).contains("ascending"));
    assert!(edges(&["800.2", "800.7"]).contains("between 800.2 and 800.7"));
    assert!(edges(&["0", "800"]).contains("choose above 0 to 10000"));
    let many: Vec<String> = (1..=257).map(|edge| edge.to_string()).collect();
    assert!(edges(&many.iter().map(String::as_str).collect::<Vec<_>>()).contains("1 to 256 edges"));
}

#[test]
fn numbers_must_lie_in_their_ranges() {
    for q in ["-0.1", "1.000001"] {
        assert!(of("quantile", |p| p.q = Some(decimal(q))).contains("`q`: choose 0 to 1"));
    }
    for k in [0, 17] {
        assert!(of("top_k", |p| p.k = Some(k)).contains("`k`: choose 1 to 16"));
    }
    for at_least in [0, 1] {
        assert!(of("heavy_hitters", |p| p.at_least = Some(at_least)).contains("`at_least`: choose 2"));
    }
}

#[test]
fn quantities_must_suit_the_function() {
    for function in ["distinct_count", "entropy"] {
        assert!(of(function, |_| {}).contains("`co2` has more than 1024 steps"));
    }
    assert!(of("heavy_hitters", |p| p.at_least = Some(5)).contains("`co2` has more than 1024 steps"));
    let with = |function, with: Quantity| {
        let parameters = Parameters { with: Some(with.name().clone()), ..Parameters::default() };
        refusal(function, co2(), Some(with), parameters).to_string()
    };
    assert!(with("weighted_mean", quantity("cold", "-10", "0", "1")).contains("`cold` can be negative"));
    assert!(with("covariance", vector("parts", "0", "1", "1", 2)).contains("`parts` is a vector"));
    let odd = || quantity("odd", "0", "246913578", "123456789");
    assert!(with("linear_fit", odd()).contains("`odd` has too many digits"));
    assert!(with("covariance", odd()).contains("`odd` has more than 7 digits"));
    for function in ["variance", "stddev"] {
        let error = refusal(function, odd(), None, Parameters::default()).to_string();
        assert!(error.contains("`odd` has more than 7 digits"), "{error}");
    }
    let error = refusal("max", vector("parts", "0", "1", "1", 2), None, Parameters::default());
    assert!(matches!(error, FunctionError::Vector { function: "max", elements: 2 }));
}

#[test]
fn numbers_that_outgrow_the_field_or_the_window_are_refused() {
    let read = |function, quantity: &Quantity, readings: u64| {
        let case = Case::new(function, quantity.clone(), vec![]);
        let entry = smc_core::function::Entry::named(function).unwrap();
        entry.function(Parameters::default(), &case.subject(), readings)
    };
    assert!(matches!(read("variance", &co2(), 1_000_000), Err(FunctionError::Overflow { .. })));
    assert!(read("variance", &co2(), 100_000).is_ok());
    assert!(matches!(read("max", &co2(), 1_000_000), Err(FunctionError::Costly { .. })));
    assert!(read("max", &co2(), 100_000).is_ok());
    assert!(read("sum", &co2(), 1_000_000).is_ok());
    let few = quantity("few", "0", "1000", "1");
    assert!(matches!(read("entropy", &few, 1_000_000), Err(FunctionError::Costly { .. })));
    assert!(read("entropy", &few, 50_000).is_ok());
}
