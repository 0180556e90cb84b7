//! Standing queries of a site file: known function, known quantity, and no scope that singles anybody out.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::document::QueryTable;
use super::{AgentIndex, MAX_QUERIES, QuantityIndex, Roster, RosterError};
use crate::digest::Digest;
use crate::document::canonical;
use crate::function::{Entry, Function, FunctionError, Parameters, Query, Subject};
use crate::name::{NodeName, QuantityName, QueryName};
use crate::protocol::release::Atoms;
use crate::protocol::standing::Members;

/// Checks the queries against the roster and against each other, in the order of names.
pub(super) fn admit(roster: &Roster, mut tables: Vec<QueryTable>) -> Result<Vec<Query>, RosterError> {
    if tables.len() > MAX_QUERIES {
        return Err(RosterError::TooManyQueries { have: tables.len() });
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let mut seen = BTreeSet::new();
    let mut atoms: BTreeMap<QuantityIndex, Atoms> = BTreeMap::new();
    let mut queries = Vec::with_capacity(tables.len());
    for table in tables {
        if !seen.insert(table.name.clone()) {
            return Err(RosterError::DuplicateQuery { name: table.name });
        }
        let query = read(roster, table)?;
        let agents = scoped_agents(roster, &query);
        let minimum = query.minimum_cohort;
        let atoms = atoms.entry(query.quantity).or_insert_with(|| Atoms::new(roster.agents().len()));
        // A scope that is too small by itself is no contradiction in the file: its windows are withheld until
        // enough agents have joined.
        if agents.len() as u32 >= minimum
            && let Err(agents) = atoms.admit(&agents, minimum)
        {
            let quantity = roster.quantity(query.quantity).quantity.name().clone();
            return Err(RosterError::Overlap { query: query.name, quantity, agents, minimum });
        }
        queries.push(query);
    }
    Ok(queries)
}

/// What a table asks for, checked against the site.
/// What a table asks for, checked against the site.
pub(crate) fn read(roster: &Roster, table: QueryTable) -> Result<Query, RosterError> {
    let minimum_cohort = table.minimum_cohort.max(roster.minimum_cohort());
    let digest = definition(QueryTable { minimum_cohort, ..table.clone() });
    let quantity_named = |user: &QueryName, name: &QuantityName| {
        let unknown = || RosterError::UnknownQuantity { user: user.to_string(), quantity: name.clone() };
        roster.quantity_named(name.as_str()).ok_or_else(unknown)
    };
    let quantity = quantity_named(&table.name, &table.quantity)?;
    let with = table.with.as_ref().map(|with| quantity_named(&table.name, with)).transpose()?;
    let refused = |error| RosterError::Function { query: table.name.clone(), error };
    let period = |quantity| roster.quantity(quantity).quantity.period();
    if with.is_some_and(|with| with == quantity || period(with) != period(quantity)) {
        let must = "another quantity with the same period".to_owned();
        return Err(refused(FunctionError::OutOfRange { parameter: "with", must }));
    }
    let agent = match &table.agent {
        Some(agent) => Some(roster.agent_named(agent.as_str()).ok_or_else(|| {
            refused(FunctionError::OutOfRange {
                parameter: "agent",
                must: format!("`{agent}` is no agent of the site"),
            })
        })?),
        None => None,
    };
    let entry = Entry::named(&table.function)
        .ok_or_else(|| refused(FunctionError::Unknown(table.function.clone())))?;
    let subject = Subject {
        quantity: &roster.quantity(quantity).quantity,
        with: with.map(|with| &roster.quantity(with).quantity),
    };
    let readings = roster.quantity(quantity).streams.len() as u64;
    let parameters = parameters(&table);
    let function = entry.function(parameters.clone(), &subject, readings).map_err(refused)?;
    let audience = audience(roster, &table, function.as_ref()).map_err(refused)?;
    let QueryTable { name, scope, purpose, .. } = table;
    Ok(Query {
        name,
        function,
        parameters,
        quantity,
        with,
        agent,
        audience,
        scope,
        minimum_cohort,
        purpose,
        digest,
    })
}

/// For whose eyes the output is. What is about one agent's own reading is for that agent alone.
fn audience(
    roster: &Roster,
    table: &QueryTable,
    function: &dyn Function,
) -> Result<Option<NodeName>, FunctionError> {
    let refused = |must: String| Err(FunctionError::OutOfRange { parameter: "audience", must });
    let audience = match (&table.agent, &table.audience) {
        (Some(agent), Some(audience)) if agent != audience => {
            return refused(format!("what is asked about `{agent}` is for `{agent}` alone; remove it"));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return Ok(None),
    };
    if roster.recipient(audience).is_none() {
        return refused(format!("`{audience}` is no [[client]] and no [[agent]] of the site"));
    }
    let name = function.entry().name;
    if function.keeps_peers_blind() {
        Ok(Some(audience.clone()))
    } else {
        Err(FunctionError::Audience { function: name })
    }
}

fn parameters(table: &QueryTable) -> Parameters {
    Parameters {
        above: table.above,
        agent: table.agent.clone(),
        at_least: table.at_least,
        below: table.below,
        edges: table.edges.clone(),
        k: table.k,
        q: table.q,
        with: table.with.clone(),
    }
}

/// Peers whose files differ here compute different things under one name.
fn definition(table: QueryTable) -> Digest {
    let mut hash = Sha256::new();
    hash.update(b"murmuration/1/query\0");
    hash.update(canonical(&table));
    Digest(hash.finalize().into())
}

/// The agents that a query covers, whatever they measure.
pub(crate) fn scope(roster: &Roster, query: &Query) -> Members {
    let covered = |agent: &usize| query.covers(&roster.agents()[*agent].labels);
    Members::new(roster.agents().len(), (0..roster.agents().len()).filter(covered))
}

/// The agents of the site that a query would cover if all took part, ascending.
pub(crate) fn scoped_agents(roster: &Roster, query: &Query) -> Vec<AgentIndex> {
    let streams = &roster.quantity(query.quantity).streams;
    let mut agents: Vec<_> = streams.iter().map(|&(bundle, _)| roster.bundle(bundle).agent).collect();
    agents.retain(|&agent| query.covers(&roster.agent(agent).labels));
    agents.dedup();
    agents
}
