//! The member list as it stands, as it is going to stand, and how it came to that.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Chain, Change, Charter, CharterError, Enacted, Eras, LoginHash, MAX_CHAIN, MAX_PROPOSAL, MAX_REVISIONS,
    Proposal,
};
use crate::digest::Digest;
use crate::document::{Signable, canonical};
use crate::name::NodeName;
use crate::result::VERSION;
use crate::roster::document::QueryTable;
use crate::roster::{Roster, RosterError, SiteDocument};
use crate::shamir::PeerIndex;
use crate::time::Timestamp;

/// How far ahead a charter may take force when it is signed.
pub const MAX_LEAD: Duration = Duration::from_secs(62 * 86_400);

/// Knows the member list from the site file on.
#[derive(Debug, Clone)]
pub struct Register {
    /// The list in force, without queries.
    current: SiteDocument,
    /// How many charters it has taken in.
    in_force: usize,
    /// The list that all charters together make.
    newest: SiteDocument,
    /// The same, checked.
    voters: Voters,
    /// The queries of this node's own site file: those are no matter of the members.
    queries: Vec<QueryTable>,
    charters: Vec<Enacted>,
    /// Who could sign when.
    eras: Eras,
    /// How long they are in their JSON form.
    bytes: usize,
}

/// What it takes to judge the next charter.
#[derive(Debug, Clone)]
struct Voters {
    roster: std::sync::Arc<Roster>,
    /// How many of the peers must sign.
    need: usize,
}

impl Voters {
    fn of(site: &SiteDocument) -> Result<Self, RosterError> {
        let roster: Roster = site.clone().try_into()?;
        let need = site.site.consent.needed(&roster)?;
        Ok(Self { roster: roster.into(), need })
    }
}

impl Register {
    /// Begins with a site file, which is revision 0.
    ///
    /// # Errors
    /// If the site does not hold together.
    pub fn new(mut site: SiteDocument) -> Result<Self, RosterError> {
        Roster::try_from(site.clone())?;
        let queries = std::mem::take(&mut site.query);
        let voters = Voters::of(&site)?;
        let eras = Eras::begin(&site, digest(&voters.roster))?;
        Ok(Self {
            current: site.clone(),
            in_force: 0,
            newest: site,
            voters,
            queries,
            charters: Vec::new(),
            eras,
            bytes: 0,
        })
    }

    /// The newest revision known, in force or not.
    pub fn revision(&self) -> u64 {
        self.charters.len() as u64
    }

    /// The revision in force, as [`Register::advance`] left it.
    pub fn revision_in_force(&self) -> u64 {
        self.in_force as u64
    }

    /// All charters, as they are published.
    pub fn chain(&self) -> Chain {
        Chain { v: VERSION, site: self.newest.site.name.clone(), charters: self.charters.clone() }
    }

    /// All charters, from revision 1 on.
    pub fn charters(&self) -> &[Enacted] {
        &self.charters
    }

    /// Whose signatures counted when, from the site file to the newest list, whether that is in force or not.
    pub fn eras(&self) -> &Eras {
        &self.eras
    }

    /// The charters that are not in force yet.
    pub fn pending(&self) -> &[Enacted] {
        &self.charters[self.in_force..]
    }

    /// When the next charter takes force.
    pub fn due(&self) -> Option<Timestamp> {
        self.pending().first().map(|enacted| enacted.charter.effective)
    }

    /// The list in force, without queries.
    pub fn document(&self) -> &SiteDocument {
        &self.current
    }

    /// The list that all charters together make, without queries.
    pub fn newest(&self) -> &SiteDocument {
        &self.newest
    }

    /// The logins that charters gave, of members that are in the newest list.
    pub fn logins(&self) -> BTreeMap<&NodeName, &LoginHash> {
        let mut logins = BTreeMap::new();
        for Enacted { charter, .. } in &self.charters {
            if let Some(gone) = charter.change.gone_peer() {
                logins.remove(gone);
            }
            match charter.change.member() {
                Some((name, Some(login))) => logins.insert(name, login),
                Some((name, None)) => logins.remove(name),
                None => None,
            };
        }
        logins
    }

    /// The peers that judge the next charter: those of the newest list.
    pub fn voters(&self) -> &Roster {
        &self.voters.roster
    }

    /// The roster in force, with the queries that it allows; and the names of those that it does not, because an agent or a
    /// client that they name is gone, or since agents came or went they would single out too few.
    ///
    /// # Errors
    /// Never for queries; a list that came in by charters holds together.
    pub fn roster(&self) -> Result<(Roster, Vec<String>), RosterError> {
        let mut left_out = Vec::new();
        let mut document = SiteDocument { query: self.queries.clone(), ..self.current.clone() };
        loop {
            let error = match Roster::try_from(document.clone()) {
                Ok(roster) => return Ok((roster, left_out)),
                Err(error) => error,
            };
            let at =
                error.query().and_then(|name| document.query.iter().position(|query| query.name == *name));
            let Some(at) = at else { return Err(error) };
            left_out.push(document.query.remove(at).name.to_string());
        }
    }

    /// Takes in what the chain has beyond what is known; how many charters that were.
    ///
    /// # Errors
    /// At the first charter that does not count. What came before it is taken in.
    pub fn extend(&mut self, chain: &Chain) -> Result<usize, CharterError> {
        if chain.v != VERSION || chain.site != self.newest.site.name {
            return Err(CharterError::Malformed);
        }
        for (known, told) in self.charters.iter().zip(&chain.charters) {
            if known.charter != told.charter {
                return Err(CharterError::Fork { revision: known.charter.revision });
            }
        }
        let (have, told) = (self.revision(), chain.charters.len() as u64);
        if told < have {
            return Err(CharterError::Older { revision: told, have });
        }
        let new = &chain.charters[self.charters.len()..];
        new.iter().try_for_each(|enacted| self.enact(enacted.clone()))?;
        Ok(new.len())
    }

    /// Takes in the next charter.
    ///
    /// # Errors
    /// If it does not count; nothing has changed then.
    pub fn enact(&mut self, enacted: Enacted) -> Result<(), CharterError> {
        let (next, voters) = self.outcome(&enacted.charter)?;
        self.count(&enacted)?;
        self.eras.push(enacted.charter.effective, &next, enacted.charter.after)?;
        (self.newest, self.voters) = (next, voters);
        self.bytes += canonical(&enacted).len() + 1;
        self.charters.push(enacted);
        Ok(())
    }

    /// Puts into force what is due; whether anything was.
    pub fn advance(&mut self, now: Timestamp) -> bool {
        let due = self.pending().iter().take_while(|enacted| enacted.charter.effective <= now).count();
        for at in self.in_force..self.in_force + due {
            // It was applied when it was taken in, to the same list.
            if let Ok(next) = self.charters[at].charter.change.apply(&self.current) {
                self.current = next;
            }
        }
        self.in_force += due;
        due > 0
    }

    /// The next charter, for peers to sign.
    ///
    /// # Errors
    /// If no peer would sign it.
    pub fn propose(
        &self,
        change: Change,
        effective: Timestamp,
        now: Timestamp,
    ) -> Result<Charter, CharterError> {
        let after = digest(&Roster::try_from(change.apply(&self.newest)?)?);
        let charter = Charter {
            v: VERSION,
            site: self.newest.site.name.clone(),
            revision: self.revision() + 1,
            effective,
            before: digest(&self.voters.roster),
            change,
            after,
        };
        self.check(&charter, now)?;
        Ok(charter)
    }

    /// Whether a peer may sign `charter` at `now`.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, charter: &Charter, now: Timestamp) -> Result<(), CharterError> {
        let Charter { revision, effective, .. } = *charter;
        if effective <= now || effective.since(now) > MAX_LEAD {
            return Err(CharterError::When { revision, effective });
        }
        let size = canonical(charter).len();
        let chain = self.bytes + size + AROUND;
        if self.revision() >= MAX_REVISIONS || chain > MAX_CHAIN || size > MAX_PROPOSAL / 2 {
            return Err(CharterError::Full);
        }
        let (next, _) = self.outcome(charter)?;
        // A change must not silence this peer's own queries without anybody noticing.
        Roster::try_from(SiteDocument { query: self.queries.clone(), ..next })?;
        Ok(())
    }

    /// How many peers must sign `change`. A peer that is gone for good can't.
    pub fn needed(&self, change: &Change) -> usize {
        let others = usize::from(self.voters.roster.sharing().peers()) - 1;
        if change.gone_peer().is_some() { self.voters.need.min(others) } else { self.voters.need }
    }

    /// The peer called `name`, if it has a say in `charter`.
    pub fn voter(&self, charter: &Charter, name: &NodeName) -> Option<PeerIndex> {
        let has_say = charter.change.gone_peer() != Some(name);
        self.voters.roster.peer_named(name.as_str()).filter(|_| has_say)
    }

    /// Whether the peer called `name` signed this proposal and has a say in it.
    pub fn is_signed_by(&self, proposal: &Proposal, name: &NodeName) -> bool {
        let Proposal { document: charter, sig } = proposal;
        let voter = self.voter(charter, name).and_then(|peer| self.voters.roster.peer(peer));
        voter.is_some_and(|peer| charter.is_signed_by(&peer.identity, sig))
    }

    /// The list after `charter`, if it follows the newest one and says itself what comes of it.
    fn outcome(&self, charter: &Charter) -> Result<(SiteDocument, Voters), CharterError> {
        let Charter { v, revision, effective, .. } = *charter;
        if v != VERSION || charter.site != self.newest.site.name {
            return Err(CharterError::Malformed);
        }
        let have = self.revision();
        if revision <= have {
            return Err(CharterError::Older { revision, have });
        }
        if revision > have + 1 || charter.before != digest(&self.voters.roster) {
            return Err(CharterError::Gap { revision, have });
        }
        let before = self.charters.last().map_or(Timestamp::default(), |last| last.charter.effective);
        let epoch = self.voters.roster.timing().cohort_epoch;
        if effective < before || next_boundary(effective, epoch) != effective {
            return Err(CharterError::When { revision, effective });
        }
        let next = charter.change.apply(&self.newest)?;
        let voters = Voters::of(&next)?;
        if digest(&voters.roster) != charter.after {
            return Err(CharterError::OtherOutcome { revision });
        }
        Ok((next, voters))
    }

    /// Counts the signatures. One that is false, or by somebody who has no say, spoils all: whoever put it there can't be
    /// trusted with the rest.
    fn count(&self, enacted: &Enacted) -> Result<(), CharterError> {
        let Enacted { charter, signatures } = enacted;
        let revision = charter.revision;
        let verify = charter.verifier();
        for (signer, signature) in signatures {
            let voter = self.voter(charter, signer).and_then(|peer| self.voters.roster.peer(peer));
            let Some(voter) = voter else {
                return Err(CharterError::Stranger { revision, signer: signer.clone() });
            };
            if !verify(&voter.identity, signature) {
                return Err(CharterError::Forged { revision, peer: signer.clone() });
            }
        }
        let (have, need) = (signatures.len(), self.needed(&charter.change));
        if have < need { Err(CharterError::TooFew { revision, have, need }) } else { Ok(()) }
    }
}

/// What a chain takes besides its charters as they are proposed: nine peers' signatures with the longest names, which are
/// 9 * (64 + 86 + 6) bytes in JSON, and the words around.
const AROUND: usize = 2048;

/// The first instant from `at` on at which a cohort epoch of length `epoch` begins.
pub fn next_boundary(at: Timestamp, epoch: Duration) -> Timestamp {
    // At least 100 ms and at most 31 days.
    let length = (epoch.as_micros() as u64).max(1);
    Timestamp::from_micros(at.as_micros().div_ceil(length).saturating_mul(length))
}

fn digest(roster: &Roster) -> Digest {
    Digest(*roster.digest())
}
