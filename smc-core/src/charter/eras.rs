//! Whose signatures counted when: the member lists of a site one after the other.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::instant_of;
use crate::digest::Digest;
use crate::name::NodeName;
use crate::result::{SignedResult, VerifyError, WindowDocument};
use crate::roster::{Node, Roster, RosterError, SiteDocument};
use crate::time::Timestamp;

/// Member lists in the order in which they took force, from the site file on.
///
/// Of each list only who signs is kept, the peers and the clients: with as many charters as a chain may have, a hundred thousand
/// agents in each would be too much to keep.
#[derive(Debug, Clone)]
pub struct Eras {
    first: Arc<Roster>,
    list: Digest,
    later: Vec<Era>,
}

#[derive(Debug, Clone)]
struct Era {
    from: Timestamp,
    /// The digest of the whole list.
    list: Digest,
    signers: Arc<Roster>,
}

impl Eras {
    /// The only list that there is, as `roster` has it.
    pub fn only(roster: Arc<Roster>) -> Self {
        Self { list: Digest(*roster.digest()), first: roster, later: Vec::new() }
    }

    /// Begins with the list `site`, whose digest is `list`.
    pub(super) fn begin(site: &SiteDocument, list: Digest) -> Result<Self, RosterError> {
        Ok(Self { first: signers(site)?, list, later: Vec::new() })
    }

    /// Goes on with the list `site`, in force from `from` on: not before the one before it.
    pub(super) fn push(
        &mut self,
        from: Timestamp,
        site: &SiteDocument,
        list: Digest,
    ) -> Result<(), RosterError> {
        self.later.push(Era { from, list, signers: signers(site)? });
        Ok(())
    }

    /// The list in force at `instant`.
    pub fn at(&self, instant: Timestamp) -> &Arc<Roster> {
        let in_force = self.later.iter().rev().find(|era| era.from <= instant);
        in_force.map_or(&self.first, |era| &era.signers)
    }

    /// The list that was in force when `window` closed, before its end: an epoch that begins then is not its own.
    pub fn of(&self, window: &WindowDocument) -> &Arc<Roster> {
        match instant_of(&window.end) {
            Some(end) => self.at(end - Duration::from_micros(1)),
            // No peer states such a window, and so no peer of any list signed for it.
            None => self.newest(),
        }
    }

    /// The list with this digest, queries left out.
    pub fn with_digest(&self, list: &Digest) -> Option<&Arc<Roster>> {
        let later = self.later.iter().rev().find(|era| era.list == *list);
        later.map(|era| &era.signers).or_else(|| (self.list == *list).then_some(&self.first))
    }

    /// The last of them.
    pub fn newest(&self) -> &Arc<Roster> {
        self.later.last().map_or(&self.first, |era| &era.signers)
    }

    /// The peer that bears this name now, or bore it last.
    pub fn peer(&self, name: &NodeName) -> Option<&Node> {
        let lists = self.later.iter().rev().map(|era| &era.signers).chain([&self.first]);
        lists.filter_map(|list| list.peer(list.peer_named(name.as_str())?)).next()
    }

    /// Whether the peers that could vouch for `signed` when its window closed do.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn verify(&self, signed: &SignedResult) -> Result<(), VerifyError> {
        signed.verify(self.of(&signed.result.window))
    }
}

/// The list without its agents, and without queries, which may name them.
fn signers(site: &SiteDocument) -> Result<Arc<Roster>, RosterError> {
    let signers = SiteDocument { agent: Vec::new(), query: Vec::new(), ..site.clone() };
    Ok(Arc::new(signers.try_into()?))
}
