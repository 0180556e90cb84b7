//! Agents and quantities of a site file, put together one by one.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::document::{AgentTable, QuantityTable, Span, StreamTable};
use super::{
    Agent, AgentIndex, Bundle, BundleIndex, MAX_BITS_PER_AGENT, MAX_PART_BITS, MAX_PARTS,
    MAX_STREAMS_PER_AGENT, Measured, Node, QuantityIndex, RosterError, Stream,
};
use crate::name::{NodeName, QuantityName, StreamName};
use crate::quantity::{Quantity, QuantityDocument};
use crate::time::Period;

/// A roster in the making.
pub(super) struct Builder {
    pub(super) agents: Vec<Agent>,
    pub(super) bundles: Vec<Bundle>,
    pub(super) quantities: Vec<Measured>,
    /// How many parts all vectors have.
    pub(super) parts: usize,
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
        Ok(Self { agents: Vec::new(), bundles: Vec::new(), quantities, parts: 0, by_name })
    }

    /// Adds an agent and sorts its streams into bundles: one per period, and one for each part of a vector.
    pub(super) fn agent(&mut self, table: AgentTable) -> Result<(), RosterError> {
        let agent = AgentIndex(self.agents.len() as u32);
        let AgentTable { name, identity, sealing, labels, streams } = table;
        let mut names = BTreeSet::new();
        let mut by_period: BTreeMap<Period, Vec<Stream>> = BTreeMap::new();
        let mut bits = 0;
        for entry in streams {
            let stream = self.stream(&name, entry)?;
            if !names.insert(stream.name.clone()) {
                return Err(RosterError::DuplicateStream { agent: name, stream: stream.name });
            }
            let measured = &self.quantities[stream.quantity.at()];
            if names.len() > MAX_STREAMS_PER_AGENT {
                return Err(RosterError::TooManyStreams { quantity: measured.quantity.name().clone() });
            }
            bits += stream.width();
            by_period.entry(measured.quantity.period()).or_default().push(stream);
        }
        if bits > MAX_BITS_PER_AGENT {
            return Err(RosterError::TooManyBits { agent: name, have: bits });
        }
        let mut bundles = Vec::with_capacity(by_period.len());
        for (period, streams) in by_period {
            let (vectors, numbers): (Vec<_>, _) = streams.into_iter().partition(|s| s.elements > 1);
            if !numbers.is_empty() {
                bundles.push(self.bundle(agent, &name, (period, 0), numbers));
            }
            let mut part = 1;
            for vector in vectors {
                let parts = self.vector(agent, &name, (period, part), &vector);
                part += parts.len() as u32;
                bundles.extend(parts);
            }
        }
        if self.parts > MAX_PARTS {
            return Err(RosterError::TooManyParts);
        }
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
        let measured = &self.quantities[index.at()].quantity;
        let (bits, elements) = (measured.bits(), measured.elements());
        Ok(Stream { name, quantity: index, bits, first_bit: 0, first_element: 0, elements })
    }

    /// Cuts a vector into parts that fit into a message each.
    fn vector(
        &mut self,
        agent: AgentIndex,
        name: &NodeName,
        (period, first_part): (Period, u32),
        whole: &Stream,
    ) -> Vec<BundleIndex> {
        let most = MAX_PART_BITS / whole.bits;
        let parts = whole.elements.div_ceil(most);
        self.parts += parts as usize;
        let cut = |part: u32| {
            let first_element = part * most;
            let elements = most.min(whole.elements - first_element);
            let piece = Stream { first_element, elements, ..whole.clone() };
            let bundle = self.bundle(agent, name, (period, first_part + part), vec![piece]);
            self.bundles[bundle.at()].rest = parts - 1 - part;
            bundle
        };
        (0..parts).map(cut).collect()
    }

    fn bundle(
        &mut self,
        agent: AgentIndex,
        name: &NodeName,
        (period, part): (Period, u32),
        mut streams: Vec<Stream>,
    ) -> BundleIndex {
        let index = BundleIndex(self.bundles.len() as u32);
        let mut first_bit = 0;
        for (place, stream) in streams.iter_mut().enumerate() {
            stream.first_bit = first_bit;
            first_bit += stream.width();
            if stream.first_element == 0 {
                self.quantities[stream.quantity.at()].streams.push((index, place));
            }
        }
        let digest = self.definition(name, (period, part), &streams);
        self.bundles.push(Bundle { agent, period, part, rest: 0, streams, digest });
        index
    }

    /// Names every stream with the digest of its quantity, and every part with its place in the vector, so that no
    /// reading can be taken for another.
    fn definition(&self, agent: &NodeName, (period, part): (Period, u32), streams: &[Stream]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(if part == 0 { &b"murmuration/1/bundle\0"[..] } else { b"murmuration/1/part\0" });
        hash.update([agent.as_str().len() as u8]);
        hash.update(agent.as_str());
        hash.update(period.as_millis().to_be_bytes());
        for stream in streams {
            hash.update([stream.name.as_str().len() as u8]);
            hash.update(stream.name.as_str());
            hash.update(self.quantities[stream.quantity.at()].digest);
            if part > 0 {
                for number in [part, stream.first_element, stream.elements] {
                    hash.update(u64::from(number).to_be_bytes());
                }
            }
        }
        hash.finalize().into()
    }
}

fn define(table: QuantityTable, site_period: Period) -> Result<Quantity, RosterError> {
    let QuantityTable { name, unit, minimum, maximum, resolution, elements, period } = table;
    let period = match period {
        Some(span) => self::period(&format!("the period of [[quantity]] `{name}`"), span)?,
        None => site_period,
    };
    Ok(Quantity::new(QuantityDocument { name, unit, minimum, maximum, resolution, elements, period })?)
}

/// A window's length, as the file has it at `key`.
pub(super) fn period(key: &str, span: Span) -> Result<Period, RosterError> {
    Period::try_from(span).map_err(|error| RosterError::Period { key: key.to_owned(), error })
}

/// Notes a node's name.
pub(super) fn claim(names: &mut BTreeSet<NodeName>, name: &NodeName) -> Result<(), RosterError> {
    if names.insert(name.clone()) { Ok(()) } else { Err(RosterError::DuplicateNode { name: name.clone() }) }
}
