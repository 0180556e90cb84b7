//! Functions as their definitions say, on readings that everybody sees; and none of the product's code.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Readings by agent, in units of the last digit, of which there are `scale`.
struct Readings<'a> {
    by_agent: &'a BTreeMap<String, i64>,
    ascending: Vec<i64>,
    scale: u32,
    parameters: toml::Table,
}

/// Holds the value of a function, such as `quantile q = 0.9`, against what it is of these readings.
pub(super) fn assert_value(asked: &str, value: &Value, readings: &BTreeMap<String, i64>, scale: u32) {
    let (function, parameters) = asked.split_once(' ').unwrap_or((asked, ""));
    let parameters: toml::Table = toml::from_str(&format!("x = {{ {parameters} }}")).unwrap();
    let parameters = parameters["x"].as_table().unwrap().clone();
    let mut ascending: Vec<i64> = readings.values().copied().collect();
    ascending.sort_unstable();
    let readings = Readings { by_agent: readings, ascending, scale, parameters };
    match function {
        "entropy" => assert!((value.as_f64().unwrap() - readings.entropy()).abs() <= 1e-6, "{value}"),
        "mean" => readings.assert_mean(value),
        "stddev" => readings.assert_stddev(value),
        _ => assert_eq!(*value, readings.exactly(function), "{asked} of {:?}", readings.by_agent),
    }
}

impl Readings<'_> {
    /// A value that needs no rounding.
    fn exactly(&self, function: &str) -> Value {
        let v = &self.ascending;
        let count = |holds: &dyn Fn(i64) -> bool| json!(v.iter().filter(|&&v| holds(v)).count());
        match function {
            "any_above" => json!(v.last().unwrap() > &self.threshold("above")),
            "argmax" => {
                let max = v.last().unwrap();
                let agents = self.by_agent.iter().filter(|&(_, v)| v == max).map(|(agent, _)| agent);
                json!({"agents": agents.collect::<BTreeSet<_>>(), "reading": self.number(*max)})
            }
            "count" => json!(v.len()),
            "count_above" => count(&|v| v > self.threshold("above")),
            "count_below" => count(&|v| v < self.threshold("below")),
            "distinct_count" => json!(self.counts().len()),
            "heavy_hitters" => {
                let at_least = self.parameters["at_least"].as_integer().unwrap();
                let counts = self.counts().into_iter().filter(|&(_, count)| count as i64 >= at_least);
                counts.map(|(v, count)| json!({"count": count, "reading": self.number(v)})).collect()
            }
            "histogram" => {
                let edges: Vec<i64> =
                    self.parameters["edges"].as_array().unwrap().iter().map(|x| self.units(x)).collect();
                let bin = |v: i64| edges.iter().filter(|&&edge| edge <= v).count();
                (0..=edges.len()).map(|i| count(&|v| bin(v) == i)).collect()
            }
            "max" => self.number(*v.last().unwrap()),
            "mean_above" => json!(self.sum() > i128::from(self.threshold("above")) * v.len() as i128),
            "median" => self.number(v[(v.len() - 1) / 2]),
            "min" => self.number(v[0]),
            "quantile" => {
                let q = self.parameters["q"].as_float().unwrap();
                let rank = (q * v.len() as f64 - 1e-9).ceil().max(1.0) as usize;
                self.number(v[rank - 1])
            }
            "sum" => self.number(self.sum() as i64),
            "top_k" => {
                let k = self.parameters["k"].as_integer().unwrap() as usize;
                v.iter().rev().take(k).map(|&v| self.number(v)).collect()
            }
            other => panic!("what is {other}?"),
        }
    }

    fn sum(&self) -> i128 {
        self.ascending.iter().map(|&v| i128::from(v)).sum()
    }

    /// How often each reading occurs.
    fn counts(&self) -> BTreeMap<i64, usize> {
        let mut counts = BTreeMap::new();
        for &v in &self.ascending {
            *counts.entry(v).or_default() += 1;
        }
        counts
    }

    fn entropy(&self) -> f64 {
        let all = self.ascending.len() as f64;
        self.counts().values().map(|&count| count as f64 / all).map(|p| -p * p.log2()).sum()
    }

    /// Two digits finer than the readings, and no number of as many digits is nearer.
    fn assert_mean(&self, value: &Value) {
        let (n, mean) = (self.ascending.len() as i128, self.hundredths(value));
        assert!((2 * (mean * n - 100 * self.sum())).abs() <= n, "{value} is no mean of {:?}", self.by_agent);
    }

    /// The same of the root of the variance (N sum v^2 - (sum v)^2) / N^2.
    fn assert_stddev(&self, value: &Value) {
        let (n, stddev) = (self.ascending.len() as i128, self.hundredths(value));
        let squares: i128 = self.ascending.iter().map(|&v| i128::from(v).pow(2)).sum();
        let spread = 40_000 * (n * squares - self.sum().pow(2));
        let square = |x: i128| (x * n).pow(2);
        assert!(
            spread <= square(2 * stddev + 1),
            "{value} is less than the deviation of {:?}",
            self.by_agent
        );
        let below = stddev == 0 || square(2 * stddev - 1) <= spread;
        assert!(below, "{value} is more than the deviation of {:?}", self.by_agent);
    }

    /// A value with two more digits than the readings, in units of the last one.
    fn hundredths(&self, value: &Value) -> i128 {
        let units = value.as_f64().unwrap() * 10_f64.powi(self.scale as i32 + 2);
        assert!((units - units.round()).abs() < 1e-6, "{value} has too many digits");
        units.round() as i128
    }

    /// As JSON has it.
    fn number(&self, v: i64) -> Value {
        let one = 10_i64.pow(self.scale);
        if v % one == 0 { json!(v / one) } else { json!(v as f64 / one as f64) }
    }

    fn threshold(&self, parameter: &str) -> i64 {
        self.units(&self.parameters[parameter])
    }

    fn units(&self, x: &toml::Value) -> i64 {
        let x = x.as_float().unwrap_or_else(|| x.as_integer().unwrap() as f64);
        (x * 10_f64.powi(self.scale as i32)).round() as i64
    }
}
