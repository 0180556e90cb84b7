//! One request as a policy sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use smc_core::function::Entry;
use smc_core::name::{NodeName, QuantityName};
use smc_core::request::Request;
use smc_core::roster::{QuantityIndex, Roster};
use smc_core::time::Timestamp;

use crate::zone::{Moment, Zone};

/// What is asked, by whom, of what, how, why and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Who asks.
    pub client: NodeName,
    /// The groups that the site file puts it in.
    pub groups: Vec<String>,
    /// The function, by its name in the catalogue.
    pub function: &'static str,
    /// The quantity, and the second one of functions of two.
    pub quantities: Vec<QuantityName>,
    /// The labels that agents must have; empty means all agents.
    pub scope: BTreeMap<String, String>,
    /// How many agents measure the quantity within the scope.
    pub agents: u32,
    /// The time from one result to the next.
    pub period: Duration,
    /// The fewest agents that any result may cover, the site's minimum included.
    pub minimum_cohort: u32,
    /// Why it is asked, in the client's words.
    pub purpose: String,
    /// For whose eyes alone the output is; everybody's if none.
    pub audience: Option<NodeName>,
    /// Whether one value is enough.
    pub once: bool,
    /// From now or its beginning to its end.
    pub life: Duration,
    /// When it is judged.
    pub at: Timestamp,
    /// The same on the wall.
    pub moment: Moment,
    /// What runs by now.
    pub running: Running,
}

/// How many queries run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Running {
    /// Everybody's.
    pub all: u32,
    /// Those of the client that asks.
    pub client: u32,
}

/// When a request is judged, and beside what.
#[derive(Debug, Clone)]
pub struct Circumstances<'a> {
    /// Now.
    pub at: Timestamp,
    /// Where it is that hours and weekdays are told.
    pub zone: &'a Zone,
    /// What runs by now.
    pub running: Running,
}

/// Why a request is no case for a policy: the client asks for what the site does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// Nobody that the site knows.
    #[error("`{client}` is no [[client]] of the site file")]
    UnknownClient {
        /// Who asks.
        client: NodeName,
    },
    /// A function that nobody knows.
    #[error("there is no function `{function}`; `murmur functions` lists them")]
    UnknownFunction {
        /// As asked for, shortened.
        function: String,
    },
    /// A quantity that nobody measures.
    #[error("the site has no quantity `{quantity}`")]
    UnknownQuantity {
        /// As asked for.
        quantity: QuantityName,
    },
}

impl Case {
    /// The case that `request` makes at this site.
    ///
    /// # Errors
    /// If the site has no such client, function or quantity. All else is for the site's own checks.
    pub fn new(roster: &Roster, request: &Request, here: &Circumstances<'_>) -> Result<Self, CaseError> {
        let query = &request.query;
        let client = roster
            .client(&request.client)
            .ok_or_else(|| CaseError::UnknownClient { client: request.client.clone() })?;
        let entry = Entry::named(&query.function).ok_or_else(|| CaseError::UnknownFunction {
            function: query.function.chars().take(40).collect(),
        })?;
        let find = |name: &QuantityName| {
            let unknown = || CaseError::UnknownQuantity { quantity: name.clone() };
            roster.quantity_named(name.as_str()).ok_or_else(unknown)
        };
        let quantity = find(&query.quantity)?;
        query.with.as_ref().map(find).transpose()?;
        let own = roster.quantity(quantity).quantity.period().as_duration();
        Ok(Self {
            client: request.client.clone(),
            groups: client.groups.clone(),
            function: entry.name,
            quantities: std::iter::once(&query.quantity).chain(&query.with).cloned().collect(),
            scope: query.scope.clone(),
            agents: covered(roster, quantity, &query.scope),
            period: request.every.map_or(own, |every| every.get()),
            minimum_cohort: query.minimum_cohort.max(roster.minimum_cohort()),
            purpose: query.purpose.clone(),
            // What is asked about one agent's own reading is for that agent alone.
            audience: query.agent.clone().or_else(|| query.audience.clone()),
            once: request.once,
            life: request.until.since(request.not_before.max(here.at)),
            at: here.at,
            moment: here.zone.moment(here.at),
            running: here.running,
        })
    }
}

/// How many agents measure `quantity` and have all labels of the scope.
fn covered(roster: &Roster, quantity: QuantityIndex, scope: &BTreeMap<String, String>) -> u32 {
    let streams = &roster.quantity(quantity).streams;
    let mut agents: Vec<_> = streams.iter().map(|&(bundle, _)| roster.bundle(bundle).agent).collect();
    agents.retain(|&agent| {
        let labels = &roster.agent(agent).labels;
        scope.iter().all(|(key, value)| labels.get(key) == Some(value))
    });
    agents.sort_unstable();
    agents.dedup();
    agents.len() as u32 // at most MAX_AGENTS
}
