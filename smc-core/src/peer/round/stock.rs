//! What a peer says it holds, and whether what another says can be true (docs/protocol.md, 4.2).

use std::collections::BTreeSet;

use super::Round;
use crate::digest::Digest;
use crate::peer::Node;
use crate::peer::event::Refusal;
use crate::protocol::epoch::Epoch;
use crate::protocol::inventory::{Held, HeldList, Inventory, MAX_TERMS};
use crate::protocol::standing::Standing;
use crate::protocol::terms::Terms;
use crate::roster::BundleIndex;
use crate::session::Known;
use crate::shamir::PeerIndex;

impl Round {
    /// What this peer holds, and how it voted last.
    ///
    /// Whoever was found to lie in this epoch is as good as silent: `excluded` are the places of its streams.
    pub(super) fn inventory(
        &self,
        node: &Node,
        epoch: Epoch,
        vote: Option<&Standing>,
        excluded: &BTreeSet<usize>,
    ) -> Inventory {
        let measured = node.roster.quantity(self.quantity);
        let held = |(stream, &(bundle, place)): (usize, &(BundleIndex, usize))| {
            if excluded.contains(&stream) {
                return (Held::NOTHING, Terms::default());
            }
            node.holdings.held(bundle, place, epoch.first, self.window)
        };
        let (mut held, demanded): (Vec<_>, Vec<_>) = measured.streams.iter().enumerate().map(held).unzip();
        let (terms, demands) = tabulate(&demanded, &mut held);
        let roster = Digest(*node.roster.digest());
        Inventory {
            quantity: measured.quantity.name().clone(),
            window: self.window,
            roster,
            held: HeldList::new(held),
            terms,
            demands,
            standing: vote.filter(|vote| vote.roster == roster).cloned(),
            queries: self.definitions(node, true),
            known: self.definitions(node, false),
            seeds: node.seeds.names(self.key_epoch(node)),
        }
    }

    /// The definitions of the queries on this quantity that this peer computes in this window, or only knows of.
    fn definitions(&self, node: &Node, computed: bool) -> Vec<Digest> {
        let wanted = |known: &&Known| known.computed == computed && known.needs(self.quantity, self.window);
        let mut queries: Vec<_> =
            node.sessions.iter().filter(wanted).map(|known| known.session.query().digest).collect();
        queries.sort_unstable();
        queries
    }

    /// An inventory speaks of our roster's streams, and of a vote that an honest peer could have cast.
    pub(super) fn check(&self, node: &Node, from: PeerIndex, inventory: &Inventory) -> Result<(), Refusal> {
        if inventory.roster.0 != *node.roster.digest() {
            return Err(Refusal::ForeignRoster);
        }
        let streams = node.roster.quantity(self.quantity).streams.len();
        let peers = usize::from(node.roster.sharing().peers());
        let standing_fits = inventory.standing.as_ref().is_none_or(|vote| {
            let period = node.roster.quantity(self.quantity).quantity.period();
            vote.window < self.window
                && vote.epoch == Epoch::of(node.roster.timing().cohort_epoch, period, vote.window).index
                && vote.roster == inventory.roster
                && vote.peers.contains(from)
                && vote.peers.is_subset(node.others().with(node.me))
                && vote.peers.len() >= node.roster.quorum().size()
                && vote.members.fits(streams)
                && self.agents(node, vote.members.iter()) >= node.roster.minimum_cohort()
        });
        if inventory.fits(streams, peers) && standing_fits { Ok(()) } else { Err(Refusal::Malformed) }
    }
}

/// The different terms that are `demanded`, stream by stream, and which hold for which stream. Readings with terms for which
/// there is no room are as good as not held: better left out than counted without them.
fn tabulate(demanded: &[Terms], held: &mut [Held]) -> (Vec<Terms>, Vec<(u32, u32)>) {
    let none = Terms::default();
    let different: BTreeSet<Terms> = demanded.iter().filter(|terms| **terms != none).copied().collect();
    let table: Vec<_> = different.into_iter().take(MAX_TERMS).collect();
    let mut demands = Vec::new();
    for (stream, terms) in demanded.iter().enumerate().filter(|(_, terms)| **terms != none) {
        match table.binary_search(terms) {
            Ok(at) => demands.push((stream as u32, at as u32)),
            Err(_) => held[stream] = Held::NOTHING,
        }
    }
    (table, demands)
}
