//! Functions on readings in the clear, without any cryptography: what published values are held against.

use std::cmp::Ordering;

use smc_core::decimal::Decimal;
use smc_core::function::Parameters;
use smc_core::value::Value;

/// The value of a function on readings that everybody sees, of a quantity with this resolution; none if nobody here knows
/// the function.
pub(crate) fn compute(
    function: &str,
    parameters: &Parameters,
    resolution: Decimal,
    mut readings: Vec<Decimal>,
) -> Option<Value> {
    readings.sort_unstable();
    let count =
        |holds: &dyn Fn(&Decimal) -> bool| number(readings.iter().filter(|reading| holds(reading)).count());
    let above = parameters.above.as_ref();
    Some(match function {
        "any_above" => Value::from(readings.last()? > above?),
        "count" => number(readings.len())?,
        "count_above" => above.and_then(|above| count(&|reading| reading > above))?,
        "count_below" => parameters.below.and_then(|below| count(&|reading| *reading < below))?,
        "distinct_count" => number(readings.chunk_by(|a, b| a == b).count())?,
        "histogram" => Value::List(bins(&readings, parameters.edges.as_ref()?)?),
        "max" => (*readings.last()?).into(),
        "mean" => {
            let digits = resolution.scale() + 2;
            let mean = divide(sum(&readings)?.mantissa_at(digits)?, readings.len() as i128)?;
            Decimal::new(mean, digits)?.into()
        }
        "median" => readings.get(readings.len().checked_sub(1)? / 2).copied()?.into(),
        "min" => (*readings.first()?).into(),
        "sum" => sum(&readings)?.into(),
        "top_k" => {
            Value::List(readings.iter().rev().take(parameters.k? as usize).map(|&x| x.into()).collect())
        }
        _ => return None,
    })
}

fn number(count: usize) -> Option<Value> {
    Decimal::new(count as i128, 0).map(Value::from)
}

/// How many of these readings, which ascend, lie below the first edge, between each and the next, and above the last.
fn bins(readings: &[Decimal], edges: &[Decimal]) -> Option<Vec<Value>> {
    let mut ends: Vec<usize> =
        edges.iter().map(|edge| readings.partition_point(|reading| reading < edge)).collect();
    ends.push(readings.len());
    let begins = std::iter::once(0).chain(ends.iter().copied());
    begins.zip(&ends).map(|(begin, end)| number(end - begin)).collect()
}

/// The nearest whole number, of two the even one; for a positive divisor.
fn divide(dividend: i128, divisor: i128) -> Option<i128> {
    let (below, rest) = (dividend.checked_div_euclid(divisor)?, dividend.checked_rem_euclid(divisor)?);
    let up = match (2 * rest).cmp(&divisor) {
        Ordering::Less => 0,
        Ordering::Equal => below.rem_euclid(2),
        Ordering::Greater => 1,
    };
    Some(below + up)
}

/// The exact sum.
fn sum(readings: &[Decimal]) -> Option<Decimal> {
    let scale = readings.iter().map(|reading| reading.scale()).max()?;
    let mantissas = readings.iter().map(|reading| reading.mantissa_at(scale));
    Decimal::new(mantissas.sum::<Option<i128>>()?, scale)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_two_digits_more_than_the_resolution_even_if_the_sum_has_none() {
        let mean = |readings: &[&str]| {
            let readings = readings.iter().map(|reading| reading.parse().unwrap()).collect();
            compute("mean", &Parameters::default(), "0.01".parse().unwrap(), readings)
        };
        let number = |text: &str| Some(Value::from(text.parse::<Decimal>().unwrap()));
        assert_eq!(mean(&["23.5", "23.5", "23"]), number("23.3333"));
        assert_eq!(mean(&["-1", "-0.99", "-1"]), number("-0.9967"));
        assert_eq!(mean(&[]), None);
    }
}
