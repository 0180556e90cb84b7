//! Agents and quantities of a site file, put together one by one.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::document::{AgentTable, QuantityTable, Span, StreamTable};
use super::{
    Agent, AgentIndex, Bundle, BundleIndex, MAX_STREAMS_PER_AGENT, Measured, Node, QuantityIndex,
    RosterError, Stream,
};
use crate::name::{NodeName, QuantityName, StreamName};
use crate::quantity::{Quantity, QuantityDocument};
use crate::time::Period;

/// A roster in the making.
pub(super) struct Builder {
    pub(super) agents: Vec<Agent>,
    pub(super) bundles: Vec<Bundle>,
    pub(super) quantities: Vec<Measured>,
    by_name: BTreeMap<QuantityName, QuantityIndex>,
}

impl Builder {
    /// Starts with the quantities that the file defines and those that everybody knows.
    pub(super) fn new(period: Period, defined: Vec<QuantityTable>) -> Result<Self, RosterError> {
        let mut by_name: BTreeMap<QuantityName, Quantity> = BTreeMap::new();
        for table in defined {
            let quantity = define(table, period)?;
            if let Some(twice) = by_name.insert(quantity.name().clone(), quantity) {
                return Err(RosterError::DuplicateQuantity { name: twice.name().clone() });
            }
        }
        for quantity in Quantity::known_names().filter_map(|name| Quantity::known(name, period)) {
            by_name.entry(quantity.name().clone()).or_insert(quantity);
        }
        let quantities: Vec<_> = by_name
            .into_values()
            .map(|quantity| Measured { digest: quantity.digest(), quantity, streams: Vec::new() })
            .collect();
        let by_name = (0..)
            .map(QuantityIndex)
            .zip(&quantities)
            .map(|(index, m)| (m.quantity.name().clone(), index))
            .collect();
        Ok(Self { agents: Vec::new(), bundles: Vec::new(), quantities, by_name })
    }

    /// Adds an agent and sorts its streams into bundles, one per period.
    pub(super) fn agent(&mut self, table: AgentTable) -> Result<(), RosterError> {
        let agent = AgentIndex(self.agents.len() as u32);
        let AgentTable { name, identity, sealing, labels, streams } = table;
        let mut names = BTreeSet::new();
        let mut by_period: BTreeMap<Period, Vec<Stream>> = BTreeMap::new();
        for entry in streams {
            let stream = self.stream(&name, entry)?;
            if !names.insert(stream.name.clone()) {
                return Err(RosterError::DuplicateStream { agent: name, stream: stream.name });
            }
            let measured = &self.quantities[stream.quantity.at()];
            if names.len() > MAX_STREAMS_PER_AGENT {
                return Err(RosterError::TooManyStreams { quantity: measured.quantity.name().clone() });
            }
            by_period.entry(measured.quantity.period()).or_default().push(stream);
        }
        let bundles = by_period
            .into_iter()
            .map(|(period, streams)| self.bundle(agent, &name, period, streams))
            .collect();
        self.agents.push(Agent { node: Node { name, identity, sealing }, labels, bundles });
        Ok(())
    }

    fn stream(&self, agent: &NodeName, table: StreamTable) -> Result<Stream, RosterError> {
        let (name, quantity) = match table {
            StreamTable::Named { name, quantity } => (name, quantity),
            StreamTable::Plain(quantity) => (StreamName::from(&quantity), quantity),
        };
        let Some(&index) = self.by_name.get(&quantity) else {
            return Err(RosterError::UnknownQuantity { user: agent.to_string(), quantity });
        };
        let bits = self.quantities[index.at()].quantity.bits();
        Ok(Stream { name, quantity: index, bits, first_bit: 0 })
    }

    fn bundle(
        &mut self,
        agent: AgentIndex,
        name: &NodeName,
        period: Period,
        mut streams: Vec<Stream>,
    ) -> BundleIndex {
        let index = BundleIndex(self.bundles.len() as u32);
        let mut first_bit = 0;
        for (place, stream) in streams.iter_mut().enumerate() {
            stream.first_bit = first_bit;
            first_bit += stream.bits as usize;
            self.quantities[stream.quantity.at()].streams.push((index, place));
        }
        let digest = self.definition(name, period, &streams);
        self.bundles.push(Bundle { agent, period, streams, digest });
        index
    }

    /// Names every stream with the digest of its quantity, so that no reading can be taken for another.
    fn definition(&self, agent: &NodeName, period: Period, streams: &[Stream]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"murmuration/1/bundle\0");
        hash.update([agent.as_str().len() as u8]);
        hash.update(agent.as_str());
        hash.update(period.as_millis().to_be_bytes());
        for stream in streams {
            hash.update([stream.name.as_str().len() as u8]);
            hash.update(stream.name.as_str());
            hash.update(self.quantities[stream.quantity.at()].digest);
        }
        hash.finalize().into()
    }
}

fn define(table: QuantityTable, site_period: Period) -> Result<Quantity, RosterError> {
    let QuantityTable { name, unit, minimum, maximum, resolution, period } = table;
    let period = match period {
        Some(span) => self::period(&format!("the period of [[quantity]] `{name}`"), span)?,
        None => site_period,
    };
    Ok(Quantity::new(QuantityDocument { name, unit, minimum, maximum, resolution, period })?)
}

/// A window's length, as the file has it at `key`.
pub(super) fn period(key: &str, span: Span) -> Result<Period, RosterError> {
    Period::try_from(span).map_err(|error| RosterError::Period { key: key.to_owned(), error })
}

/// Notes a node's name.
pub(super) fn claim(names: &mut BTreeSet<NodeName>, name: &NodeName) -> Result<(), RosterError> {
    if names.insert(name.clone()) { Ok(()) } else { Err(RosterError::DuplicateNode { name: name.clone() }) }
}
