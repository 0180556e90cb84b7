//! What passed, added up.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::explained::{Explained, Signature, size};

/// The most senders that are told apart; whoever comes later is counted as one.
const MAX_SENDERS: usize = 100_000;
/// How many senders are listed for people: those that sent most.
const SENDERS_SHOWN: usize = 20;
const OTHERS: &str = "(others)";

/// Messages and bytes.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    messages: u64,
    bytes: u64,
}

/// Counts by kind and by sender.
#[derive(Debug, Default)]
pub(super) struct Summary {
    kinds: BTreeMap<&'static str, Count>,
    senders: BTreeMap<String, Count>,
    bad: u64,
}

impl Count {
    fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }

    fn json(self) -> Value {
        json!({ "messages": self.messages, "bytes": self.bytes })
    }

    fn text(self, name: &str) -> String {
        let bytes = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        format!("  {name:<20} {:>10} messages {:>10}", self.messages, size(bytes))
    }
}

impl Summary {
    /// Counts a message of so many bytes, topic and payload.
    pub(super) fn count(&mut self, told: &Explained, bytes: usize) {
        self.kinds.entry(told.kind.name()).or_default().add(bytes);
        let sender = told.from.as_ref().map_or(OTHERS, |from| from.as_str());
        let known = self.senders.len() < MAX_SENDERS || self.senders.contains_key(sender);
        self.senders.entry(if known { sender } else { OTHERS }.to_owned()).or_default().add(bytes);
        self.bad += u64::from(matches!(told.signature, Signature::Bad(_)));
    }

    /// How many signatures were none.
    pub(super) fn bad(&self) -> u64 {
        self.bad
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut lines = vec!["by kind".to_owned()];
        lines.extend(self.kinds.iter().map(|(name, count)| count.text(name)));
        lines.push("by sender".to_owned());
        let mut senders: Vec<_> = self.senders.iter().collect();
        senders.sort_by_key(|(_, count)| std::cmp::Reverse(count.bytes));
        lines.extend(senders.iter().take(SENDERS_SHOWN).map(|(name, count)| count.text(name)));
        if let Some(more) = senders.len().checked_sub(SENDERS_SHOWN).filter(|&more| more > 0) {
            lines.push(format!("  and {more} more"));
        }
        if self.bad > 0 {
            lines.push(format!("{} signatures are bad", self.bad));
        }
        lines.join("\n")
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let kinds: BTreeMap<_, _> = self.kinds.iter().map(|(&name, count)| (name, count.json())).collect();
        let senders: BTreeMap<_, _> =
            self.senders.iter().map(|(name, count)| (name.as_str(), count.json())).collect();
        json!({ "summary": { "by_kind": kinds, "by_sender": senders, "bad_signatures": self.bad } })
    }
}
