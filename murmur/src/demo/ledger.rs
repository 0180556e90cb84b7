//! The truth: what the agents shared in the clear, summed without any cryptography. Only a demonstration has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use sensor_agent::Witness;
use smc_core::agent::GapReason;
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

    /// What a published value should be; none if the window has no value, or its plan was not told.
    pub(super) fn truth(&self, result: &ResultDocument) -> Option<f64> {
        if result.status != Status::Ok {
            return None;
        }
        let quantity = self.roster.quantity_named(result.quantity.as_str())?;
        let measured = self.roster.quantity(quantity);
        let plan = self.plans.get(&(result.window.index, quantity))?;
        let mut sum = 0.0;
        for member in &plan.cohort {
            let (bundle, place) = measured.streams[member.stream];
            let reading = self.readings.get(&(member.window, bundle))?[place].as_ref().ok()?;
            // No function of single numbers is computed on vectors: they are counted, no more.
            if let &Steps::One(v) = reading {
                sum += measured.quantity.decode(v.into()).to_f64();
            }
        }
        let count = plan.cohort.len() as f64;
        Some(match result.function.as_str() {
            "count" => count,
            "mean" => sum / count,
            "sum" => sum,
            _ => return None,
        })
    }

    /// Whether a published value is the true one: exactly, but for a mean's last digit and the rounding of floats.
    pub(super) fn agrees(&self, result: &ResultDocument, truth: f64) -> bool {
        let Some(value) = result.value.as_ref().and_then(Value::as_number) else { return false };
        let resolution = self
            .roster
            .quantity_named(result.quantity.as_str())
            .map_or(1.0, |quantity| self.roster.quantity(quantity).quantity.resolution().to_f64());
        (value - truth).abs() <= resolution / 100.0 + truth.abs() * 1e-12
    }
}
