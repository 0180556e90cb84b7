//! What a function costs: measured by computing it, with all peers in this process.

use std::sync::Arc;
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::Serialize;
use smc_core::arithmetic::Cost;
use smc_core::decimal::Decimal;
use smc_core::field::Fp;
use smc_core::function::{
    Audience, Entry, Function, FunctionError, Parameters, Reads, Rehearsal, RehearsalError, Subject,
};
use smc_core::name::{NameError, NodeName};
use smc_core::quantity::{Quantity, QuantityDocument, QuantityError};
use smc_core::roster::document::QueryTable;
use smc_core::shamir::{Sharing, SharingError};
use smc_core::time::{Period, PeriodError};

/// Why a function could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalFailure {
    /// The catalogue's example is none.
    #[error("the example `{parameters}` of the catalogue can't be read: {error}")]
    Example {
        /// The example.
        parameters: &'static str,
        /// Why.
        error: toml::de::Error,
    },
    /// The function refuses readings like these.
    #[error("{name} can't be computed of {agents} readings of {bits} bits: {error}")]
    Function {
        /// Which function.
        name: &'static str,
        /// Of how many readings.
        agents: u32,
        /// Of how many bits.
        bits: u32,
        /// Why.
        error: FunctionError,
    },
    /// A name could not be made.
    #[error("a name could not be made: {0}")]
    Name(#[from] NameError),
    /// There is no such period.
    #[error(transparent)]
    Period(#[from] PeriodError),
    /// There is no such quantity.
    #[error(transparent)]
    Quantity(#[from] QuantityError),
    /// The computation came to nothing.
    #[error("the rehearsal came to nothing: {0}")]
    Rehearsal(#[from] RehearsalError),
    /// Peers and threshold do not fit.
    #[error("--peers and --threshold: {0}")]
    Sharing(#[from] SharingError),
}

/// What is rehearsed.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// How many readings, each of another agent.
    pub agents: u32,
    /// How many bits a reading has.
    pub bits: u32,
    /// How many numbers a reading has, where the function takes vectors.
    pub elements: u32,
    /// n
    pub peers: u8,
    /// t
    pub threshold: u8,
}

/// What it costs each peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// How often the peers exchange something.
    pub rounds: u32,
    /// How many products they open.
    pub products: u64,
    /// How many bytes of shares one peer sends to all others.
    pub bytes_per_peer: u64,
    /// How many shares it gives each of them, round by round.
    #[serde(skip)]
    pub opened: Vec<u64>,
}

/// What a function costs at one size.
#[derive(Debug)]
pub struct Measurement {
    /// At which.
    pub size: Size,
    /// How many numbers a reading has.
    pub elements: u32,
    /// If everybody gets to see the output.
    pub everybody: Measured,
    /// None if the function can't be sealed for one client.
    pub one_client: Option<Measured>,
}

/// Readings as wide as CO2's; or as wide as functions of categories take them.
const BITS: [u32; 2] = [14, 10];
/// Rehearsals are the same each time; nothing in them is secret.
const SEED: u64 = 0;

/// Measures the function with `bits`, or with the first of a few widths that it takes.
///
/// # Errors
/// If it can't be computed so.
pub fn measure(
    entry: &'static Entry,
    bits: Option<u32>,
    size: impl Fn(u32) -> Size,
) -> Result<Measurement, RehearsalFailure> {
    let [first, second] = BITS;
    match measured(entry, size(bits.unwrap_or(first))) {
        Err(RehearsalFailure::Function { .. }) if bits.is_none() => measured(entry, size(second)),
        measured => measured,
    }
}

fn measured(entry: &'static Entry, size: Size) -> Result<Measurement, RehearsalFailure> {
    let prepared = prepare(entry, size)?;
    let everybody = prepared.cost()?;
    let Prepared { stage, function, quantity } = &prepared;
    let one_client = match function.keeps_peers_blind() {
        true => Some(stage.rehearse(function, quantity, Audience::One)?),
        false => None,
    };
    Ok(Measurement { size, elements: quantity.elements(), everybody, one_client })
}

/// The catalogue's example of a function, as a query with thresholds among readings of so many bits.
///
/// # Errors
/// If the catalogue's example is none.
pub fn example(entry: &'static Entry, bits: u32) -> Result<QueryTable, RehearsalFailure> {
    let Entry { name, parameters, .. } = *entry;
    let query = format!("name = \"x\"\nfunction = \"{name}\"\nquantity = \"reading\"\n{parameters}\n");
    let example: QueryTable =
        toml::from_str(&query).map_err(|error| RehearsalFailure::Example { parameters, error })?;
    let most = greatest(bits);
    let spread = |edges: Vec<Decimal>| {
        let bins = edges.len() as u64 + 1;
        (1..bins).map(|edge| whole((most * edge).div_ceil(bins))).collect()
    };
    Ok(QueryTable {
        above: example.above.map(|_| whole(most / 2)),
        below: example.below.map(|_| whole(most.div_ceil(2))),
        edges: example.edges.map(spread),
        ..example
    })
}

/// The function with the parameters of the catalogue's example, its thresholds among readings of this size.
///
/// # Errors
/// If it can't be computed so.
pub fn prepare(entry: &'static Entry, size: Size) -> Result<Prepared, RehearsalFailure> {
    let stage = Stage::new(size)?;
    let (function, quantity) = stage.function(entry)?;
    let quantity = quantity.clone();
    Ok(Prepared { stage, function, quantity })
}

/// Whether [`prepare`] would do, for as many readings as there may be: nothing is made of them.
///
/// # Errors
/// If the function can't be computed so.
pub fn check(entry: &'static Entry, size: Size) -> Result<(), RehearsalFailure> {
    let stage = Stage::new(Size { agents: 1, ..size })?;
    let (_, quantity) = stage.function_of(entry, size.agents)?;
    let Size { agents, bits, elements, .. } = size;
    match quantity.elements() == elements {
        true => Ok(()),
        false => {
            let error = FunctionError::Vector { function: entry.name, elements };
            Err(RehearsalFailure::Function { name: entry.name, agents, bits, error })
        }
    }
}

/// A function that can be rehearsed at one size.
#[derive(Debug)]
pub struct Prepared {
    stage: Stage,
    function: Arc<dyn Function>,
    quantity: Quantity,
}

impl Prepared {
    /// What it costs each peer if everybody gets to see the output.
    ///
    /// # Errors
    /// If it comes to no output.
    pub fn cost(&self) -> Result<Measured, RehearsalFailure> {
        self.stage.rehearse(&self.function, &self.quantity, Audience::Everybody)
    }
}

/// How often the cost of products is measured; the quickest run counts, since whatever disturbs makes it longer.
const RUNS: usize = 5;

/// What a product costs one peer on this machine, in nanoseconds: from 1000 readings that are compared with a threshold by
/// all peers in one thread, without messages.
///
/// # Errors
/// If that comes to no output.
pub fn product_ns(peers: u8, threshold: u8) -> Result<f64, RehearsalFailure> {
    let Some(entry) = Entry::named("count_above") else { return Ok(0.0) };
    let size = Size { agents: 1_000, bits: 16, elements: 1, peers, threshold };
    let Prepared { stage, function, quantity } = prepare(entry, size)?;
    let readings = stage.readings(1);
    let rehearsal = stage.rehearsal(&quantity, &readings, &[], Audience::Everybody);
    let mut rng = ChaCha20Rng::seed_from_u64(SEED);
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let shares = rehearsal.deal(&function, &mut rng).map_err(RehearsalError::from)?;
        let begin = Instant::now();
        let cost = rehearsal.run_on(&function, shares, &mut rng)?.cost;
        let products = cost.products * u64::from(size.peers);
        best = best.min(begin.elapsed().as_nanos() as f64 / products.max(1) as f64);
    }
    Ok(best)
}

/// Made-up quantities and agents.
#[derive(Debug)]
struct Stage {
    size: Size,
    sharing: Sharing,
    agents: Vec<NodeName>,
    single: Quantity,
    second: Quantity,
    vector: Quantity,
}

impl Stage {
    fn new(size: Size) -> Result<Self, RehearsalFailure> {
        let quantity = |name: &str, elements| -> Result<Quantity, RehearsalFailure> {
            let document = QuantityDocument {
                name: name.parse()?,
                unit: String::new(),
                minimum: Decimal::ZERO,
                maximum: whole(greatest(size.bits)),
                resolution: Decimal::from(1),
                elements,
                period: Period::from_millis(60_000)?,
            };
            Ok(Quantity::new(document)?)
        };
        Ok(Self {
            size,
            sharing: Sharing::new(size.peers, size.threshold)?,
            agents: (1..=size.agents).map(room).collect::<Result<_, _>>()?,
            single: quantity("reading", 1)?,
            second: quantity("second", 1)?,
            vector: quantity("vector", size.elements)?,
        })
    }

    /// The function, and what it is rehearsed on: vectors if it takes them.
    fn function(&self, entry: &'static Entry) -> Result<(Arc<dyn Function>, &Quantity), RehearsalFailure> {
        self.function_of(entry, self.size.agents)
    }

    fn function_of(
        &self,
        entry: &'static Entry,
        agents: u32,
    ) -> Result<(Arc<dyn Function>, &Quantity), RehearsalFailure> {
        let Size { bits, .. } = self.size;
        let parameters = self.parameters(entry)?;
        let with = parameters.with.is_some().then_some(&self.second);
        let function = |quantity| {
            let subject = Subject { quantity, with };
            let refused = |error| RehearsalFailure::Function { name: entry.name, agents, bits, error };
            entry.function(parameters.clone(), &subject, agents.into()).map_err(refused)
        };
        let of_single = function(&self.single)?;
        let of_vectors = of_single.takes_vectors() && of_single.reads() != Reads::Nothing;
        if of_vectors { Ok((function(&self.vector)?, &self.vector)) } else { Ok((of_single, &self.single)) }
    }

    /// The parameters of the catalogue's example, with agents and quantities that there are here.
    fn parameters(&self, entry: &'static Entry) -> Result<Parameters, RehearsalFailure> {
        let example = example(entry, self.size.bits)?;
        Ok(Parameters {
            above: example.above,
            agent: example.agent.and_then(|_| self.agents.first().cloned()),
            at_least: example.at_least,
            below: example.below,
            edges: example.edges,
            k: example.k,
            q: example.q,
            with: example.with.map(|_| self.second.name().clone()),
        })
    }

    fn rehearse(
        &self,
        function: &Arc<dyn Function>,
        quantity: &Quantity,
        audience: Audience,
    ) -> Result<Measured, RehearsalFailure> {
        let (readings, with) = (self.readings(quantity.elements()), self.readings(1));
        let rehearsal = self.rehearsal(quantity, &readings, &with, audience);
        let rehearsed = rehearsal.run(function, &mut ChaCha20Rng::seed_from_u64(SEED))?;
        let Cost { rounds, shares, products } = rehearsed.cost;
        let others = u64::from(self.size.peers) - 1;
        let opened = rehearsed.opened.iter().map(|round| round.len() as u64).collect();
        Ok(Measured { rounds, products, bytes_per_peer: shares * Fp::BYTES as u64 * others, opened })
    }

    /// Spread over the whole range.
    fn readings(&self, elements: u32) -> Vec<u64> {
        let many = u64::from(self.size.agents) * u64::from(elements);
        (0..many).map(|i| greatest(self.size.bits) * i / many).collect()
    }

    fn rehearsal<'a>(
        &'a self,
        quantity: &'a Quantity,
        readings: &'a [u64],
        with: &'a [u64],
        audience: Audience,
    ) -> Rehearsal<'a> {
        let subject = Subject { quantity, with: Some(&self.second) };
        Rehearsal {
            sharing: self.sharing,
            subject,
            agents: &self.agents,
            readings,
            with,
            own: Some(0),
            audience,
        }
    }
}

fn room(number: u32) -> Result<NodeName, NameError> {
    format!("room-{number}").parse()
}

/// The greatest reading of so many bits.
fn greatest(bits: u32) -> u64 {
    (1 << bits) - 1
}

fn whole(number: u64) -> Decimal {
    Decimal::new(number.into(), 0).unwrap_or(Decimal::ZERO)
}

#[cfg(test)]
mod tests {
    use smc_core::function::catalogue;

    use super::*;

    fn small(bits: u32) -> Size {
        Size { agents: 5, bits, elements: 16, peers: 3, threshold: 1 }
    }

    #[test]
    fn every_function_can_be_rehearsed() {
        for entry in catalogue() {
            let Measurement { everybody, one_client, .. } = measure(entry, None, small).unwrap();
            let known = entry.name == "count";
            assert_eq!(everybody.rounds == 0, known, "{}: {everybody:?}", entry.name);
            assert_eq!(everybody.bytes_per_peer == 0, known, "{}", entry.name);
            assert!(one_client.is_none_or(|sealed| sealed.bytes_per_peer > 0 || !known), "{}", entry.name);
        }
    }

    #[test]
    fn more_readings_cost_more_products() {
        let max = Entry::named("max").unwrap();
        let of = |agents| measure(max, None, |bits| Size { agents, ..small(bits) }).unwrap().everybody;
        assert!(of(50).products > 5 * of(5).products);
    }

    #[test]
    fn too_wide_readings_are_refused() {
        let entropy = Entry::named("entropy").unwrap();
        assert_eq!(measure(entropy, None, small).unwrap().size.bits, 10);
        let refused = measure(entropy, Some(14), small).unwrap_err().to_string();
        assert!(refused.starts_with("entropy can't be computed of 5 readings of 14 bits: "), "{refused}");
    }
}
