//! The truth: what the agents shared in the clear, summed without any cryptography. Only a demonstration has it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use sensor_agent::Witness;
use smc_core::agent::GapReason;
use smc_core::decimal::Decimal;
use smc_core::function::Parameters;
use smc_core::protocol::input::Steps;
use smc_core::protocol::plan::Plan;
use smc_core::result::{ResultDocument, Status};
use smc_core::roster::{BundleIndex, QuantityIndex, Roster};
use smc_core::time::WindowIndex;
use smc_core::value::Value;

/// How many cohort epochs of readings are kept: the running one, and the one whose last windows are not out yet.
const EPOCHS_KEPT: u32 = 2;

/// All readings in the clear, and which of them each window covers.
#[derive(Debug)]
pub(super) struct Ledger {
    roster: Arc<Roster>,
    readings: BTreeMap<(WindowIndex, BundleIndex), Vec<Result<Steps, GapReason>>>,
    plans: BTreeMap<(WindowIndex, QuantityIndex), Arc<Plan>>,
}

impl Ledger {
    pub(super) fn new(roster: Arc<Roster>) -> Self {
        Self { roster, readings: BTreeMap::new(), plans: BTreeMap::new() }
    }

    /// Notes what an agent shared.
    pub(super) fn note(&mut self, shared: Witness) {
        let period = self.roster.bundle(shared.bundle).period;
        let kept = EPOCHS_KEPT * self.roster.timing().cohort_epoch;
        let oldest = period.window_at(period.start(shared.window) - kept);
        self.readings = self.readings.split_off(&(oldest, BundleIndex(0)));
        self.plans = self.plans.split_off(&(oldest, QuantityIndex(0)));
        self.readings.insert((shared.window, shared.bundle), shared.readings);
    }

    /// Notes on whose readings the peers agreed.
    pub(super) fn agreed(&mut self, quantity: QuantityIndex, window: WindowIndex, plan: Arc<Plan>) {
        self.plans.insert((window, quantity), plan);
    }

    /// What an agent read in a window, for people.
    pub(super) fn reading(&self, bundle: BundleIndex, window: WindowIndex) -> Option<String> {
        let readings = self.readings.get(&(window, bundle))?;
        let streams = &self.roster.bundle(bundle).streams;
        let tell = |(stream, reading): (&smc_core::roster::Stream, &Result<Steps, GapReason>)| {
            let quantity = &self.roster.quantity(stream.quantity).quantity;
            match reading {
                Ok(Steps::Many(elements)) => format!("{} of {} elements", stream.name, elements.len()),
                Ok(Steps::One(v)) => {
                    format!("{} {} {}", stream.name, quantity.decode((*v).into()), quantity.unit())
                }
                Err(reason) => format!("{} {reason}", stream.name),
            }
        };
        Some(streams.iter().zip(readings).map(tell).collect::<Vec<_>>().join(", "))
    }

    /// What a published value should be; none if the window has no value, its plan was not told, or nobody here knows the
    /// function.
    pub(super) fn truth(&self, result: &ResultDocument) -> Option<Value> {
        if result.status != Status::Ok {
            return None;
        }
        let query = self.roster.query(self.roster.query_named(&result.query)?);
        let measured = self.roster.quantity(query.quantity);
        let plan = self.plans.get(&(result.window.index, query.quantity))?;
        let mut readings = Vec::with_capacity(plan.cohort.len());
        for member in &plan.cohort {
            let (bundle, place) = measured.streams[member.stream];
            // No function of single numbers is computed on vectors: they are counted, no more.
            readings.push(match self.readings.get(&(member.window, bundle))?[place].as_ref().ok()? {
                &Steps::One(v) => measured.quantity.decode(v.into()),
                Steps::Many(_) => Decimal::ZERO,
            });
        }
        plainly(&result.function, &query.parameters, measured.quantity.resolution(), readings)
    }
}

/// The value of a function on readings that everybody sees.
fn plainly(
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
            plainly("mean", &Parameters::default(), "0.01".parse().unwrap(), readings)
        };
        let number = |text: &str| Some(Value::from(text.parse::<Decimal>().unwrap()));
        assert_eq!(mean(&["23.5", "23.5", "23"]), number("23.3333"));
        assert_eq!(mean(&["-1", "-0.99", "-1"]), number("-0.9967"));
        assert_eq!(mean(&[]), None);
    }
}
