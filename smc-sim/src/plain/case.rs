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
    /// Its name.
    pub function: &'static str,
    /// Its own keys.
    pub parameters: Parameters,
    /// What was measured.
    pub quantity: Quantity,
    /// The second quantity, of functions of two.
    pub with_quantity: Option<Quantity>,
    /// The readings as steps; of vectors one element after the other.
    pub readings: Vec<u64>,
    /// Those of the second quantity.
    pub with: Vec<u64>,
    /// Whose reading lies where; `room-0`, `room-1` and so on, if the case has no names of its own.
    pub agents: Vec<NodeName>,
    /// Which reading the query's own agent has.
    pub own: Option<usize>,
}

impl Case {
    /// A function without parameters.
    pub fn new(function: &'static str, quantity: Quantity, readings: Vec<u64>) -> Self {
        let agents = agents(readings.len() / quantity.elements() as usize);
        Self {
            function,
            parameters: Parameters::default(),
            quantity,
            with_quantity: None,
            readings,
            with: Vec::new(),
            agents,
            own: None,
        }
    }

    /// What it is computed of.
    pub fn subject(&self) -> Subject<'_> {
        Subject { quantity: &self.quantity, with: self.with_quantity.as_ref() }
    }

    /// The function, checked.
    #[allow(clippy::missing_errors_doc, reason = "as the function itself")]
    pub fn read(&self) -> Result<Arc<dyn Function>, FunctionError> {
        let entry = Entry::named(self.function).unwrap();
        entry.function(self.parameters.clone(), &self.subject(), self.count() as u64)
    }

    /// How many readings there are.
    pub fn count(&self) -> usize {
        self.readings.len() / self.quantity.elements() as usize
    }

    /// Computes it on shares, all peers in this process.
    pub fn rehearse(&self, sharing: Sharing, audience: Audience, seed: u64) -> Rehearsed {
        let rehearsal = Rehearsal {
            sharing,
            subject: self.subject(),
            agents: &self.agents,
            readings: &self.readings,
            with: &self.with,
            own: self.own,
            audience,
        };
        rehearsal.run(&self.read().unwrap(), &mut ChaCha20Rng::seed_from_u64(seed)).unwrap()
    }
}

/// So many names.
pub fn agents(count: usize) -> Vec<NodeName> {
    (0..count).map(|i| format!("room-{i}").parse().unwrap()).collect()
}

/// A quantity from `minimum` in steps of `resolution` up to `maximum`.
pub fn quantity(name: &str, minimum: &str, maximum: &str, resolution: &str) -> Quantity {
    vector(name, minimum, maximum, resolution, 1)
}

/// A quantity of so many elements.
pub fn vector(name: &str, minimum: &str, maximum: &str, resolution: &str, elements: u32) -> Quantity {
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
pub fn steps(quantity: &Quantity) -> u64 {
    let scale = [quantity.minimum(), quantity.maximum(), quantity.resolution()].map(|number| number.scale());
    let scale = scale.into_iter().max().unwrap();
    let at = |number: smc_core::decimal::Decimal| number.mantissa_at(scale).unwrap();
    ((at(quantity.maximum()) - at(quantity.minimum())) / at(quantity.resolution())) as u64
}

/// Every n from 3 to 7 with every t.
pub fn all_sharings() -> Vec<Sharing> {
    (3..=7).flat_map(|n| (1..=(n - 1) / 2).map(move |t| Sharing::new(n, t).unwrap())).collect()
}
