//! Functions on readings in the clear, without any cryptography: what published values are held against.

use smc_core::decimal::Decimal;
use smc_core::function::Parameters;
use smc_core::value::Value;

/// The value of a function on readings that everybody sees; none if nobody here knows the function.
pub(crate) fn compute(function: &str, parameters: &Parameters, mut readings: Vec<Decimal>) -> Option<Value> {
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
            let sum = sum(&readings)?;
            let (hundredfold, readings) = (sum.mantissa().checked_mul(100)?, readings.len() as i128);
            Decimal::new(hundredfold / readings, sum.scale() + 2)?.into()
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

/// Whether a published value is the true one: exactly, but for a mean's last digit, which `resolution` says.
pub(crate) fn agrees(function: &str, value: &Value, truth: &Value, resolution: Option<Decimal>) -> bool {
    match (value.as_number(), truth.as_number()) {
        (Some(value), Some(truth)) if function == "mean" => {
            let digit = resolution.map_or(1.0, Decimal::to_f64) / 100.0;
            (value - truth).abs() <= digit + truth.abs() * 1e-12
        }
        _ => value == truth,
    }
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

/// The exact sum.
fn sum(readings: &[Decimal]) -> Option<Decimal> {
    let scale = readings.iter().map(|reading| reading.scale()).max()?;
    let mantissas = readings.iter().map(|reading| reading.mantissa_at(scale));
    Decimal::new(mantissas.sum::<Option<i128>>()?, scale)
}
