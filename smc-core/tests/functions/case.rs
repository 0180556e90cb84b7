//! A function on some readings.

use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use smc_core::function::{
    Audience, Entry, Function, FunctionError, Parameters, Rehearsal, Rehearsed, Subject,
};
use smc_core::name::NodeName;
use smc_core::quantity::{Quantity, QuantityDocument};
use smc_core::shamir::Sharing;
use smc_core::time::Period;

/// A function, its parameters and what it is computed of.
#[derive(Debug, Clone)]
pub struct Case {
    pub function: &'static str,
    pub parameters: Parameters,
    pub quantity: Quantity,
    pub with_quantity: Option<Quantity>,
    pub readings: Vec<u64>,
    pub with: Vec<u64>,
    pub own: Option<usize>,
}

impl Case {
    /// A function without parameters.
    pub fn new(function: &'static str, quantity: Quantity, readings: Vec<u64>) -> Self {
        let parameters = Parameters::default();
        Self { function, parameters, quantity, with_quantity: None, readings, with: Vec::new(), own: None }
    }

    pub fn subject(&self) -> Subject<'_> {
        Subject { quantity: &self.quantity, with: self.with_quantity.as_ref() }
    }

    pub fn read(&self) -> Result<Arc<dyn Function>, FunctionError> {
        let entry = Entry::named(self.function).unwrap();
        entry.function(self.parameters.clone(), &self.subject(), self.readings.len() as u64)
    }

    pub fn rehearse(&self, sharing: Sharing, audience: Audience, seed: u64) -> Rehearsed {
        let agents = agents(self.readings.len());
        let rehearsal = Rehearsal {
            sharing,
            subject: self.subject(),
            agents: &agents,
            readings: &self.readings,
            with: &self.with,
            own: self.own,
            audience,
        };
        rehearsal.run(&self.read().unwrap(), &mut ChaCha20Rng::seed_from_u64(seed)).unwrap()
    }
}

pub fn agents(count: usize) -> Vec<NodeName> {
    (0..count).map(|i| format!("room-{i}").parse().unwrap()).collect()
}

/// A quantity from `minimum` in steps of `resolution` up to `maximum`.
pub fn quantity(name: &str, minimum: &str, maximum: &str, resolution: &str) -> Quantity {
    Quantity::new(QuantityDocument {
        name: name.parse().unwrap(),
        unit: "m".to_owned(),
        minimum: minimum.parse().unwrap(),
        maximum: maximum.parse().unwrap(),
        resolution: resolution.parse().unwrap(),
        elements: 1,
        period: Period::from_millis(60_000).unwrap(),
    })
    .unwrap()
}

/// The greatest step.
pub fn steps(quantity: &Quantity) -> u64 {
    let scale = [quantity.minimum(), quantity.maximum(), quantity.resolution()].map(|number| number.scale());
    let scale = scale.into_iter().max().unwrap();
    let at = |number: smc_core::decimal::Decimal| number.mantissa_at(scale).unwrap();
    ((at(quantity.maximum()) - at(quantity.minimum())) / at(quantity.resolution())) as u64
}

pub fn all_sharings() -> Vec<Sharing> {
    (3..=7).flat_map(|n| (1..=(n - 1) / 2).map(move |t| Sharing::new(n, t).unwrap())).collect()
}
