//! What may be computed on the readings of a cohort.
//!
//! One file per function. Each states its parameters, what its output reveals and how it is computed; the
//! [catalogue](catalogue()) lists them. A function is made once, when a site file is read, and all that can be wrong with
//! it is found then.

mod any_above;
mod argmax;
mod catalogue;
mod categories;
mod correlation;
mod count;
mod count_above;
mod count_below;
mod covariance;
mod distinct_count;
mod entropy;
mod error;
mod heavy_hitters;
mod histogram;
mod inputs;
mod linear_fit;
mod max;
mod mean;
mod mean_above;
mod median;
mod min;
mod moments;
mod output;
mod parameters;
mod quantile;
mod range;
mod rank;
mod ranked;
mod rehearsal;
mod second_price;
mod stddev;
mod sum;
mod threshold;
mod top_k;
mod variance;
mod vector_sum;
mod weighted_mean;

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

pub use self::catalogue::{Entry, MAX_PRODUCTS, catalogue};
pub use self::error::FunctionError;
pub use self::inputs::{Inputs, Reads};
pub use self::output::{Audience, Facts, Final, Kind, Meaning, Output, Shape};
pub use self::parameters::Parameters;
pub use self::rehearsal::{Rehearsal, RehearsalError, Rehearsed};
use crate::arithmetic::{Arithmetic, Fault, Session};
use crate::digest::Digest;
use crate::field::Fp;
use crate::name::{NodeName, QueryName};
use crate::prss::Randomness;
use crate::quantity::Quantity;
use crate::roster::{AgentIndex, QuantityIndex};
use crate::shamir::Sharing;
use crate::value::Value;

/// A standing query, checked against its site.
#[derive(Debug, Clone)]
pub struct Query {
    /// Its name, part of its result's topic.
    pub name: QueryName,
    /// What is computed.
    pub function: Arc<dyn Function>,
    /// The function's own keys, as the site file has them.
    pub parameters: Parameters,
    /// Of what.
    pub quantity: QuantityIndex,
    /// The second quantity, of functions of two.
    pub with: Option<QuantityIndex>,
    /// The agent whose own reading it is about, of functions that are.
    pub agent: Option<AgentIndex>,
    /// For whose eyes alone the output is; everybody's if none.
    pub audience: Option<NodeName>,
    /// Which agents: every label given here must match; empty means all.
    pub scope: BTreeMap<String, String>,
    /// The fewest agents that a result may cover, the site's minimum included.
    pub minimum_cohort: u32,
    /// Why it is asked, for people.
    pub purpose: String,
    /// The digest of all that its results depend on, the purpose included: agents' terms go by it.
    pub digest: Digest,
}

impl Query {
    /// Whether an agent with these labels lies in the scope.
    pub fn covers(&self, labels: &BTreeMap<String, String>) -> bool {
        self.scope.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}

impl PartialEq for Query {
    fn eq(&self, other: &Self) -> bool {
        // The digest covers the function with its parameters.
        (&self.name, &self.digest, &self.purpose) == (&other.name, &other.digest, &other.purpose)
    }
}

/// What a function is computed of.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What was measured.
    pub quantity: &'a Quantity,
    /// The second quantity, of functions of two.
    pub with: Option<&'a Quantity>,
}

/// A function on its way to an output.
pub type Computing = Pin<Box<dyn Future<Output = Result<Output, Fault>> + Send>>;

/// A function with its parameters, checked.
pub trait Function: fmt::Debug + Send + Sync {
    /// Its entry in the catalogue.
    fn entry(&self) -> &'static Entry;

    /// What its values look like.
    fn shape(&self, subject: &Subject<'_>) -> Shape;

    /// How it takes the readings.
    fn reads(&self) -> Reads;

    /// Whether it makes sense of readings with several elements.
    fn takes_vectors(&self) -> bool {
        false
    }

    /// Whether its value names agents, by the lanes that their readings lie in.
    fn names_agents(&self) -> bool {
        false
    }

    /// Whether it multiplies shares, which takes 2t + 1 peers.
    fn multiplies(&self) -> bool;

    /// Whether nobody learns anything before the output: only then can the output be for one client alone.
    fn keeps_peers_blind(&self) -> bool;

    /// The largest number that can come about from so many readings, which must stay below p; twice that where there are
    /// negative ones.
    fn largest(&self, subject: &Subject<'_>, readings: u64) -> u128;

    /// An upper bound for the products of a window, whoever gets to see the output. 64 that a peer computes by itself and
    /// never sends count as one.
    fn products(&self, subject: &Subject<'_>, readings: u64) -> u64;

    /// The steps.
    fn compute(&self, arithmetic: Arithmetic, inputs: Inputs, audience: Audience) -> Computing;

    /// The value that the opened elements of the output stand for; none if no honest computation yields them.
    fn conclude(&self, facts: &Facts<'_>, elements: &[Fp]) -> Option<Value>;
}

/// Computes `function` at one peer; for all to see, or for one client's eyes alone.
pub fn session(
    function: &Arc<dyn Function>,
    sharing: Sharing,
    randomness: Randomness,
    inputs: Inputs,
    audience: Audience,
) -> Session<Result<Final, Fault>> {
    let function = Arc::clone(function);
    Session::new(sharing, randomness, async move |arithmetic| {
        let output = function.compute(arithmetic.clone(), inputs, audience).await?;
        Ok(output.finish(&arithmetic, audience).await)
    })
}
