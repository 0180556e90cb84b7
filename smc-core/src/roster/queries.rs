//! Standing queries of a site file: known function, known quantity, and no scope that singles anybody out.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::document::QueryTable;
use super::{AgentIndex, MAX_QUERIES, QuantityIndex, Roster, RosterError};
use crate::digest::Digest;
use crate::document::canonical;
use crate::function::{Function, Query};
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

fn read(roster: &Roster, table: QueryTable) -> Result<Query, RosterError> {
    let minimum_cohort = table.minimum_cohort.max(roster.minimum_cohort());
    let digest = definition(QueryTable { minimum_cohort, purpose: String::new(), ..table.clone() });
    let QueryTable { name, function, quantity, scope, minimum_cohort: _, purpose } = table;
    let Some(function) = Function::named(&function) else {
        return Err(RosterError::UnknownFunction { query: name, function });
    };
    let Some(quantity) = roster.quantity_named(quantity.as_str()) else {
        return Err(RosterError::UnknownQuantity { user: name.to_string(), quantity });
    };
    let measured = &roster.quantity(quantity).quantity;
    if measured.is_vector() && !takes_vectors(function) {
        let (quantity, elements) = (measured.name().clone(), measured.elements());
        return Err(RosterError::Vector { query: name, function, quantity, elements });
    }
    Ok(Query { name, function, quantity, scope, minimum_cohort, purpose, digest })
}

/// Whether a function makes sense of readings with several elements.
const fn takes_vectors(function: Function) -> bool {
    match function {
        // It counts readings, whatever they are.
        Function::Count => true,
        Function::Mean | Function::Sum => false,
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
pub(super) fn scope(roster: &Roster, query: &Query) -> Members {
    let covered = |agent: &usize| query.covers(&roster.agents()[*agent].labels);
    Members::new(roster.agents().len(), (0..roster.agents().len()).filter(covered))
}

/// The agents of the site that a query would cover if all took part, ascending.
fn scoped_agents(roster: &Roster, query: &Query) -> Vec<AgentIndex> {
    let streams = &roster.quantity(query.quantity).streams;
    let mut agents: Vec<_> = streams.iter().map(|&(bundle, _)| roster.bundle(bundle).agent).collect();
    agents.retain(|&agent| query.covers(&roster.agent(agent).labels));
    agents.dedup();
    agents
}
