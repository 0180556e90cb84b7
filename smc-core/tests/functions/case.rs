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
pub(crate) struct Case {
    pub(crate) function: &'static str,
    pub(crate) parameters: Parameters,
    pub(crate) quantity: Quantity,
    pub(crate) with_quantity: Option<Quantity>,
    pub(crate) readings: Vec<u64>,
    pub(crate) with: Vec<u64>,
    pub(crate) own: Option<usize>,
}

impl Case {
    /// A function without parameters.
    pub(crate) fn new(function: &'static str, quantity: Quantity, readings: Vec<u64>) -> Self {
        let parameters = Parameters::default();
        Self { function, parameters, quantity, with_quantity: None, readings, with: Vec::new(), own: None }
    }

    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject { quantity: &self.quantity, with: self.with_quantity.as_ref() }
    }

    pub(crate) fn read(&self) -> Result<Arc<dyn Function>, FunctionError> {
        let entry = Entry::named(self.function).unwrap();
        entry.function(self.parameters.clone(), &self.subject(), self.count() as u64)
    }

    /// How many readings there are.
    pub(crate) fn count(&self) -> usize {
        self.readings.len() / self.quantity.elements() as usize
    }

    pub(crate) fn rehearse(&self, sharing: Sharing, audience: Audience, seed: u64) -> Rehearsed {
        let agents = agents(self.count());
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

pub(crate) fn agents(count: usize) -> Vec<NodeName> {
    (0..count).map(|i| format!("room-{i}").parse().unwrap()).collect()
}

/// A quantity from `minimum` in steps of `resolution` up to `maximum`.
pub(crate) fn quantity(name: &str, minimum: &str, maximum: &str, resolution: &str) -> Quantity {
    vector(name, minimum, maximum, resolution, 1)
}

/// A quantity of so many elements.
pub(crate) fn vector(name: &str, minimum: &str, maximum: &str, resolution: &str, elements: u32) -> Quantity {
    Quantity::new(QuantityDocument {
        name: name.parse().unwrap(),
        unit: "m".to_owned(),
        minimum: minimum.parse().unwrap(),
        maximum: maximum.parse().unwrap(),
        resolution: resolution.parse().unwrap(),
        elements,
        period: Period::from_millis(60_000).unwrap(),
    })
    .unwrap()
}

/// The greatest step.
pub(crate) fn steps(quantity: &Quantity) -> u64 {
    let scale = [quantity.minimum(), quantity.maximum(), quantity.resolution()].map(|number| number.scale());
    let scale = scale.into_iter().max().unwrap();
    let at = |number: smc_core::decimal::Decimal| number.mantissa_at(scale).unwrap();
    ((at(quantity.maximum()) - at(quantity.minimum())) / at(quantity.resolution())) as u64
}

pub(crate) fn all_sharings() -> Vec<Sharing> {
    (3..=7).flat_map(|n| (1..=(n - 1) / 2).map(move |t| Sharing::new(n, t).unwrap())).collect()
}
