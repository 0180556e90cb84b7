//! What the functions mean, without shares: on the readings themselves, as their definitions say.

pub mod case;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use smc_core::decimal::Decimal;
use smc_core::quantity::Quantity;
use smc_core::value::Value;

pub use self::case::Case;

/// The value of the case's function.
pub fn value(case: &Case) -> Value {
    let value = counted(case).or_else(|| ranked(case)).or_else(|| summed(case));
    value.unwrap_or_else(|| panic!("there is no plain {}", case.function))
}

/// Equal; where the last digit is a double's, nearly so.
pub fn same(function: &str, have: &Value, want: &Value) -> bool {
    let near = |a: &Value, b: &Value, slack: fn(f64) -> f64| match (a.as_number(), b.as_number()) {
        (Some(a), Some(b)) => (a - b).abs() <= slack(b),
        (a, b) => a == b,
    };
    match (function, have, want) {
        ("entropy", _, _) => near(have, want, |_| 1.01e-6),
        ("linear_fit", Value::Record(have), Value::Record(want)) => {
            have["intercept"] == want["intercept"]
                && near(&have["slope"], &want["slope"], |slope| 1e-12 * slope.abs() + 1e-18)
        }
        _ => have == want,
    }
}

fn readings(case: &Case) -> Vec<Decimal> {
    case.readings.iter().map(|&v| case.quantity.decode(v)).collect()
}

fn sorted(case: &Case) -> Vec<Decimal> {
    let mut sorted = readings(case);
    sorted.sort();
    sorted
}

/// Counts, flags and categories.
fn counted(case: &Case) -> Option<Value> {
    let (x, sorted, p) = (readings(case), sorted(case), &case.parameters);
    let count = |is: &dyn Fn(Decimal) -> bool| number(x.iter().filter(|&&x| is(x)).count());
    Some(match case.function {
        "any_above" => Value::from(x.iter().any(|&x| x > p.above.unwrap())),
        "count" => number(x.len()),
        "count_above" => count(&|x| x > p.above.unwrap()),
        "count_below" => count(&|x| x < p.below.unwrap()),
        "distinct_count" => number(sorted.iter().collect::<BTreeSet<_>>().len()),
        "entropy" => entropy(&counts(&sorted)),
        "heavy_hitters" => {
            let often = counts(&sorted).into_iter().filter(|&(_, n)| n as u64 >= p.at_least.unwrap());
            let hitter =
                |(x, n): (Decimal, usize)| Value::record([("count", number(n)), ("reading", x.into())]);
            Value::List(often.map(hitter).collect())
        }
        "histogram" => {
            let edges = p.edges.as_ref().unwrap();
            let bin = |i: usize| {
                let inside = |x: Decimal| (i == 0 || x >= edges[i - 1]) && (i == edges.len() || x < edges[i]);
                count(&inside)
            };
            Value::List((0..=edges.len()).map(bin).collect())
        }
        "mean_above" => {
            let scale = x.iter().map(|x| x.scale()).max().unwrap().max(p.above.unwrap().scale());
            let sum: i128 = x.iter().map(|x| x.mantissa_at(scale).unwrap()).sum();
            Value::from(sum > p.above.unwrap().mantissa_at(scale).unwrap() * x.len() as i128)
        }
        _ => return None,
    })
}

/// Single readings and whose they are.
fn ranked(case: &Case) -> Option<Value> {
    let (x, mut sorted, p) = (readings(case), sorted(case), &case.parameters);
    Some(match case.function {
        "argmax" => {
            let max = *sorted.last().unwrap();
            let names = case.agents.iter().zip(&x).filter(|&(_, &x)| x == max);
            let names: BTreeSet<String> = names.map(|(name, _)| name.to_string()).collect();
            let names = names.into_iter().map(Value::Text).collect();
            Value::record([("agents", Value::List(names)), ("reading", max.into())])
        }
        "max" => (*sorted.last().unwrap()).into(),
        "median" => sorted[(x.len() - 1) / 2].into(),
        "min" => sorted[0].into(),
        "quantile" => {
            let q = p.q.unwrap();
            let unit = 10_i128.pow(q.scale().into());
            // The smallest reading x such that at least q N readings are at most x.
            let enough = |x: &&Decimal| {
                sorted.iter().filter(|other| other <= x).count() as i128 * unit
                    >= q.mantissa() * sorted.len() as i128
            };
            (*sorted.iter().find(enough).unwrap()).into()
        }
        "range" => {
            let (min, max) = (sorted[0], *sorted.last().unwrap());
            let scale = min.scale().max(max.scale());
            let apart = max.mantissa_at(scale).unwrap() - min.mantissa_at(scale).unwrap();
            let apart = Decimal::new(apart, scale).unwrap();
            Value::record([("max", max.into()), ("min", min.into()), ("range", apart.into())])
        }
        "rank" => match case.own {
            Some(own) => number(1 + x.iter().filter(|&&other| other > x[own]).count()),
            None => number(0),
        },
        "second_price" if x.len() < 2 => {
            Value::record([("price", Value::Nothing), ("winner", Value::Nothing)])
        }
        "second_price" => {
            let first = x.iter().position(|x| x == sorted.last().unwrap()).unwrap();
            let (price, winner) = (sorted[x.len() - 2], case.agents[first].to_string());
            Value::record([("price", price.into()), ("winner", Value::Text(winner))])
        }
        "top_k" => {
            sorted.sort_by_key(|&x| Reverse(x));
            Value::List(sorted.into_iter().take(p.k.unwrap() as usize).map(Value::from).collect())
        }
        _ => return None,
    })
}

/// Sums and moments.
fn summed(case: &Case) -> Option<Value> {
    let pairs = whole(case);
    Some(match case.function {
        "correlation" => correlation(&pairs),
        "covariance" => {
            let (x, y) = (pairs.digits_x, pairs.digits_y);
            let scale = case.quantity.resolution().scale() + resolution_y(case).scale() + 2;
            rounded(pairs.co_spread(), pairs.n().pow(2), x + y, scale)
        }
        "linear_fit" => line(case, &pairs),
        "mean" => rounded(pairs.sum_x(), pairs.n(), pairs.digits_x, case.quantity.resolution().scale() + 2),
        "stddev" => root(pairs.spread_x(), pairs.n(), pairs.digits_x, case.quantity.resolution().scale() + 2),
        "sum" => Decimal::new(pairs.sum_x(), pairs.digits_x).unwrap().into(),
        "variance" => {
            let scale = 2 * case.quantity.resolution().scale() + 2;
            rounded(pairs.spread_x(), pairs.n().pow(2), 2 * pairs.digits_x, scale)
        }
        "vector_sum" => {
            let elements = case.quantity.elements() as usize;
            let sum = |i: usize| pairs.x.iter().skip(i).step_by(elements).sum();
            let sums = (0..elements).map(|i| Decimal::new(sum(i), pairs.digits_x).unwrap().into());
            Value::List(sums.collect())
        }
        "weighted_mean" => {
            let weights: i128 = pairs.y.iter().sum();
            let sum: i128 = pairs.x.iter().zip(&pairs.y).map(|(x, y)| x * y).sum();
            let mean = match weights {
                0 => Value::Nothing,
                _ => rounded(sum, weights, pairs.digits_x, case.quantity.resolution().scale() + 2),
            };
            let weight = Decimal::new(weights, pairs.digits_y).unwrap();
            Value::record([("mean", mean), ("weight", weight.into())])
        }
        _ => return None,
    })
}

/// Readings without their points.
struct Pairs {
    x: Vec<i128>,
    y: Vec<i128>,
    digits_x: u8,
    digits_y: u8,
}

impl Pairs {
    fn n(&self) -> i128 {
        self.x.len() as i128
    }

    fn sum_x(&self) -> i128 {
        self.x.iter().sum()
    }

    /// N times the sum of (x - mean) (y - mean): the sum of (x_i - x_j) (y_i - y_j) over all pairs i < j.
    fn co_spread(&self) -> i128 {
        co_spread(&self.x, &self.y)
    }

    fn spread_x(&self) -> i128 {
        co_spread(&self.x, &self.x)
    }

    fn spread_y(&self) -> i128 {
        co_spread(&self.y, &self.y)
    }
}

fn co_spread(x: &[i128], y: &[i128]) -> i128 {
    let pairs = (0..x.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    pairs.map(|(i, j)| (x[i] - x[j]) * (y[i] - y[j])).sum()
}

fn whole(case: &Case) -> Pairs {
    let numbers = |quantity: &Quantity, readings: &[u64]| {
        let digits = quantity.minimum().scale().max(quantity.resolution().scale());
        let number = |&v: &u64| quantity.decode(v).mantissa_at(digits).unwrap();
        (readings.iter().map(number).collect(), digits)
    };
    let (x, digits_x) = numbers(&case.quantity, &case.readings);
    let (y, digits_y) = match &case.with_quantity {
        Some(with) => numbers(with, &case.with),
        None => (Vec::new(), 0),
    };
    Pairs { x, y, digits_x, digits_y }
}

fn resolution_y(case: &Case) -> Decimal {
    case.with_quantity.as_ref().unwrap().resolution()
}

fn number(n: usize) -> Value {
    Decimal::from(n as i64).into()
}

fn counts(sorted: &[Decimal]) -> BTreeMap<Decimal, usize> {
    let mut counts = BTreeMap::new();
    sorted.iter().for_each(|&x| *counts.entry(x).or_default() += 1);
    counts
}

fn entropy(counts: &BTreeMap<Decimal, usize>) -> Value {
    let n = counts.values().sum::<usize>() as f64;
    let bits: f64 = counts.values().map(|&c| c as f64 / n).map(|p| -p * p.log2()).sum();
    Decimal::new((bits * 1e6).round() as i128, 6).unwrap().into()
}

/// numerator / denominator / 10^from with `to` digits after the point, halves to even.
fn rounded(numerator: i128, denominator: i128, from: u8, to: u8) -> Value {
    let power = |digits: u8| 10_i128.pow(digits.into());
    let (numerator, denominator) = (numerator * power(to), denominator * power(from));
    let below = numerator.div_euclid(denominator);
    let twice = 2 * numerator.rem_euclid(denominator);
    let up = twice > denominator || (twice == denominator && below % 2 != 0);
    Decimal::new(below + i128::from(up), to).unwrap().into()
}

/// sqrt(square) / n / 10^from with `to` digits after the point.
fn root(square: i128, n: i128, from: u8, to: u8) -> Value {
    let power = |digits: u8| 10_i128.pow(digits.into());
    // x such that (x - 1/2)^2 <= square 10^(2 to) / (n 10^from)^2 <= (x + 1/2)^2
    let square = 4 * square * power(2 * to);
    let unit = n * power(from);
    let guess = ((square as f64).sqrt() / 2.0 / unit as f64) as i128;
    let fits = |x: &i128| {
        let below = ((2 * x - 1).max(0) * unit).pow(2);
        let above = ((2 * x + 1) * unit).pow(2);
        // Halves to even: a bound counts for the even neighbour.
        if x % 2 == 0 { below <= square && square <= above } else { below < square && square < above }
    };
    Decimal::new(((guess - 2).max(0)..guess + 3).find(fits).unwrap(), to).unwrap().into()
}

fn correlation(pairs: &Pairs) -> Value {
    let (x, y) = (pairs.spread_x() as f64, pairs.spread_y() as f64);
    let correlation = if x == 0.0 || y == 0.0 {
        Value::Nothing
    } else {
        let correlation = pairs.co_spread() as f64 / x.sqrt() / y.sqrt();
        Decimal::new((correlation * 1e6).round() as i128, 6).unwrap().into()
    };
    Value::record([("correlation", correlation)])
}

/// The line y = slope x + intercept, where the case's own quantity is y and the second one x.
fn line(case: &Case, pairs: &Pairs) -> Value {
    let (both, spread) = (pairs.co_spread(), pairs.spread_y());
    if spread == 0 {
        return Value::record([("intercept", Value::Nothing), ("slope", Value::Nothing)]);
    }
    let scale = |digits: u8| 10_f64.powi(digits.into());
    let slope = both as f64 / spread as f64 * scale(pairs.digits_y) / scale(pairs.digits_x);
    // mean y - slope mean x, as one fraction.
    let x: i128 = pairs.y.iter().sum();
    let intercept = pairs.sum_x() * spread - both * x;
    let digits = case.quantity.resolution().scale() + 2;
    let intercept = rounded(intercept, spread * pairs.n(), pairs.digits_x, digits);
    Value::record([("intercept", intercept), ("slope", Decimal::from_f64(slope).unwrap().into())])
}
