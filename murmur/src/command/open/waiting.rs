//! Which outputs can be opened, and when: as soon as all peers that computed have answered, or enough of them and the
//! others stay silent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use smc_core::name::{NodeName, QueryName};
use smc_core::output::{Gathering, SealedOutput};
use smc_core::roster::Roster;
use smc_core::time::WindowIndex;

/// How many windows of a query are kept of one peer, whatever others say.
const WINDOWS: usize = 4;
/// How many shares are kept of one peer, over all queries: 64 MiB, eight vectors of a million elements.
const SHARES: usize = 8 << 20;

/// One window of one query.
type Key = (QueryName, WindowIndex);

/// What was sealed for one client and is not opened yet.
#[derive(Debug)]
pub(super) struct Waiting {
    /// How long to wait for the others once enough peers have answered.
    patience: Duration,
    senders: BTreeMap<NodeName, BTreeMap<Key, Gathering>>,
    /// Since when enough peers have answered.
    enough: BTreeMap<Key, Instant>,
    /// The newest window that was given out of each query: outputs may come again after a reconnection.
    done: BTreeMap<QueryName, WindowIndex>,
}

/// What is to be opened together: the outputs of peers that agree on what they are about.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) query: QueryName,
    pub(super) window: WindowIndex,
    pub(super) outputs: BTreeMap<NodeName, SealedOutput>,
    /// Peers that computed and did not answer.
    pub(super) silent: Vec<NodeName>,
}

/// Why a part was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The same peer said something else before.
    Contradicts,
    /// Its window is opened already, or newer ones wait.
    Late,
}

impl Waiting {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, senders: BTreeMap::new(), enough: BTreeMap::new(), done: BTreeMap::new() }
    }

    /// Takes in what a peer sealed, whole or in part.
    pub(super) fn take(&mut self, roster: &Roster, now: Instant, part: SealedOutput) -> Result<(), Refused> {
        let (sender, key) = (part.from.clone(), (part.query.clone(), part.window));
        if self.done.get(&key.0).is_some_and(|&done| key.1 <= done) {
            return Err(Refused::Late);
        }
        let kept = self.senders.entry(sender).or_default();
        match kept.get_mut(&key) {
            Some(gathering) => gathering.take(part).map_err(|_| Refused::Contradicts)?,
            None => drop(kept.insert(key.clone(), Gathering::new(part))),
        }
        make_room(kept, &key.0);
        if !kept.contains_key(&key) {
            return Err(Refused::Late);
        }
        if kept[&key].is_whole() && self.alike(roster, &key).is_some() {
            self.enough.entry(key).or_insert(now);
        }
        Ok(())
    }

    /// When the next window is opened even if some peers stay silent.
    pub(super) fn due(&self) -> Option<Instant> {
        self.enough.values().min().map(|&since| since + self.patience)
    }

    /// What can be opened now. Windows of one query come in their order: a newer one that is complete does not wait for
    /// an older one, which is then opened as it is.
    pub(super) fn pop(&mut self, roster: &Roster, now: Instant) -> Option<Whole> {
        let complete = |key: &Key| self.alike(roster, key).is_some_and(|alike| alike.silent.is_empty());
        let due = |(key, since): &(&Key, &Instant)| **since + self.patience <= now || complete(key);
        let query = self.enough.iter().find(due).map(|((query, _), _)| query.clone())?;
        let key = self.enough.keys().find(|(of, _)| *of == query)?.clone();
        self.enough.remove(&key);
        let alike = self.alike(roster, &key);
        self.done.insert(query.clone(), key.1);
        let mut outputs = BTreeMap::new();
        let Alike { senders, silent } = alike?;
        for sender in senders {
            let whole = self.senders.get_mut(&sender).and_then(|kept| kept.remove(&key)?.join());
            outputs.extend(whole.map(|whole| (sender, whole)));
        }
        for kept in self.senders.values_mut() {
            kept.retain(|(of, window), _| *of != query || *window > key.1);
        }
        Some(Whole { query, window: key.1, outputs, silent })
    }

    /// The peers whose outputs of one window are whole and about the same, if they are enough to open it: t + 1 or, of
    /// products, 2t + 1, so that an honest one is among them. What they call P must be a quorum.
    fn alike(&self, roster: &Roster, key: &Key) -> Option<Alike> {
        let whole = |(sender, kept): (&'_ NodeName, &'_ BTreeMap<Key, Gathering>)| {
            let gathering = kept.get(key).filter(|gathering| gathering.is_whole())?;
            let peer = roster.peer_named(sender.as_str())?;
            gathering.about().peers.contains(peer).then(|| (sender.clone(), key.clone()))
        };
        let candidates: Vec<NodeName> =
            self.senders.iter().filter_map(whole).map(|(sender, _)| sender).collect();
        let of = |sender: &NodeName| self.senders.get(sender)?.get(key);
        let group = |first: &NodeName| -> Vec<NodeName> {
            let same = |other: &&NodeName| {
                of(first).zip(of(other)).is_some_and(|(one, other)| one.is_about_the_same_as(other))
            };
            candidates.iter().filter(same).cloned().collect()
        };
        let senders = candidates.iter().map(group).max_by_key(Vec::len)?;
        let about = of(senders.first()?)?.about();
        let enough = senders.len() >= roster.sharing().needed(about.degree)
            && about.peers.len() >= roster.quorum().size();
        let name = |peer| Some(roster.peer(peer)?.name.clone());
        let silent = about.peers.iter().filter_map(name).filter(|name| !senders.contains(name)).collect();
        enough.then_some(Alike { senders, silent })
    }
}

/// Peers that agree on what their outputs are about, and those of P that don't or have not answered.
struct Alike {
    senders: Vec<NodeName>,
    silent: Vec<NodeName>,
}

/// Keeps what one peer can have waiting within bounds; older windows give way.
fn make_room(kept: &mut BTreeMap<Key, Gathering>, query: &QueryName) {
    let windows = kept.keys().filter(|(of, _)| of == query).count();
    if windows > WINDOWS
        && let Some(oldest) = kept.keys().find(|(of, _)| of == query).cloned()
    {
        kept.remove(&oldest);
    }
    while kept.values().map(Gathering::shares).sum::<usize>() > SHARES {
        let Some(oldest) = kept.keys().min_by_key(|(_, window)| *window).cloned() else { return };
        kept.remove(&oldest);
    }
}

#[cfg(test)]
mod tests;
