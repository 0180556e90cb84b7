//! What is written together.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use smc_core::desk::Saved;
use smc_core::name::{NodeName, QuantityName, QueryName};
use smc_core::protocol::standing::Standing;
use smc_core::time::{Period, Timestamp, WindowIndex};

/// What belongs together: written all or not at all, and on disk when [`super::Store::write`] returns.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Inputs to keep.
    pub(crate) inputs: Vec<StoredInput>,
    /// Inputs to erase.
    pub(crate) forgotten: Vec<InputKey>,
    /// Votes to remember.
    pub(crate) votes: Vec<(QuantityName, Standing)>,
    /// How queries stand, or that nobody has to know of them any more.
    pub(crate) decisions: BTreeMap<QueryName, Option<Saved>>,
    /// When the last order of the operator was made.
    pub(crate) order: Option<Timestamp>,
}

impl Batch {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.forgotten.is_empty() && !self.is_urgent()
    }

    /// Whether something has to be on disk before anybody hears of it.
    pub(crate) fn is_urgent(&self) -> bool {
        !self.votes.is_empty() || !self.decisions.is_empty() || self.order.is_some()
    }

    /// How many bytes of inputs are to be kept.
    pub(crate) fn bytes(&self) -> usize {
        self.inputs.iter().map(|input| input.envelope.len()).sum()
    }

    /// Takes a later batch in: as if both were written one after the other.
    pub(crate) fn absorb(&mut self, later: Self) {
        self.inputs.extend(later.inputs);
        let mut forgotten: HashSet<_> = later.forgotten.into_iter().collect();
        self.inputs.retain(|input| !forgotten.remove(&input.key));
        self.forgotten.extend(forgotten);
        for (quantity, vote) in later.votes {
            self.votes.retain(|(voted, _)| *voted != quantity);
            self.votes.push((quantity, vote));
        }
        self.decisions.extend(later.decisions);
        self.order = later.order.or(self.order);
    }

    /// Gives up the oldest inputs beyond `max_bytes`; returns how many.
    pub(crate) fn shrink(&mut self, max_bytes: usize) -> u64 {
        let mut bytes = self.bytes();
        let too_many = self.inputs.iter().take_while(|input| {
            let over = bytes > max_bytes;
            bytes -= if over { input.envelope.len() } else { 0 };
            over
        });
        let count = too_many.count();
        self.inputs.drain(..count);
        count as u64
    }
}

/// Which input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct InputKey {
    /// Whose.
    pub(crate) agent: NodeName,
    /// Of the bundle with this period.
    pub(crate) period: Period,
    /// And with this number.
    pub(crate) part: u32,
    /// Of this window.
    pub(crate) window: WindowIndex,
}

/// An input as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredInput {
    /// Which.
    pub(crate) key: InputKey,
    /// The envelope.
    pub(crate) envelope: Bytes,
}
