//! The truth: what the agents shared in the clear, summed without any cryptography. Only a demonstration has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use sensor_agent::Witness;
use smc_core::agent::GapReason;
use smc_core::decimal::Decimal;
use smc_core::protocol::input::Steps;
use smc_core::protocol::plan::Plan;
use smc_core::result::{ResultDocument, Status};
use smc_core::roster::{BundleIndex, QuantityIndex, Roster};
use smc_core::time::WindowIndex;
use smc_core::value::Value;

use crate::clear;

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
        clear::compute(&result.function, &query.parameters, measured.quantity.resolution(), readings)
    }
}
