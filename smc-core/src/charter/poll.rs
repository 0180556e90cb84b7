//! What the peers say about the next charter.

use std::collections::BTreeMap;

use super::{Charter, CharterError, Enacted, MAX_PROPOSAL, Proposal, Register};
use crate::document::Signed;
use crate::identity::SigningKey;
use crate::name::{NodeName, SubjectName};
use crate::time::Timestamp;

/// The proposals for the revision after the newest: of each peer the one that it signed last.
#[derive(Debug, Default)]
pub struct Poll {
    proposals: BTreeMap<NodeName, Proposal>,
    /// What came before the charter that it follows, as it came: of each peer one.
    early: BTreeMap<NodeName, Vec<u8>>,
}

/// A charter that waits for signatures.
#[derive(Debug, Clone, PartialEq)]
pub struct Open {
    /// The charter.
    pub charter: Charter,
    /// What orders about it name.
    pub subject: SubjectName,
    /// Who signed it.
    pub signers: Vec<NodeName>,
    /// How many must.
    pub needed: usize,
}

impl Poll {
    /// Takes in what was found in the place of the peer `from`.
    ///
    /// # Errors
    /// If no peer could sign it now, or this one did not.
    pub fn take(
        &mut self,
        register: &Register,
        now: Timestamp,
        from: &NodeName,
        json: &[u8],
    ) -> Result<(), CharterError> {
        if json.len() > MAX_PROPOSAL {
            return Err(CharterError::Malformed);
        }
        let proposal: Proposal = serde_json::from_slice(json).map_err(|_| CharterError::Malformed)?;
        let revision = proposal.document.revision;
        if revision > register.revision() + 1 && register.voters().peer_named(from.as_str()).is_some() {
            self.early.insert(from.clone(), json.to_vec());
            return Ok(());
        }
        if register.voter(&proposal.document, from).is_none() {
            return Err(CharterError::Stranger { revision, signer: from.clone() });
        }
        if !register.is_signed_by(&proposal, from) {
            return Err(CharterError::Forged { revision, peer: from.clone() });
        }
        register.check(&proposal.document, now)?;
        self.proposals.insert(from.clone(), proposal);
        Ok(())
    }

    /// Looks again at what came early, after a charter was enacted.
    ///
    /// # Errors
    /// Of the first that is no good.
    pub fn look_again(&mut self, register: &Register, now: Timestamp) -> Result<(), CharterError> {
        let early = std::mem::take(&mut self.early);
        early.iter().map(|(from, json)| self.take(register, now, from, json)).fold(Ok(()), Result::and)
    }

    /// What waits for signatures and has not lapsed: most signatures first.
    pub fn open(&self, register: &Register, now: Timestamp) -> Vec<Open> {
        let mut by_subject: BTreeMap<SubjectName, Open> = BTreeMap::new();
        for (peer, Signed { document: charter, .. }) in self.live(register, now) {
            let subject = charter.subject();
            let open = by_subject.entry(subject.clone()).or_insert_with(|| Open {
                charter: charter.clone(),
                subject,
                signers: Vec::new(),
                needed: register.needed(&charter.change),
            });
            open.signers.push(peer.clone());
        }
        let mut open: Vec<_> = by_subject.into_values().collect();
        open.sort_by_key(|open| std::cmp::Reverse(open.signers.len()));
        open
    }

    /// Signs the open charter with this `subject` as the peer `me`: one of each revision, unless that has lapsed.
    ///
    /// # Errors
    /// If it is not open, or another one was signed.
    pub fn sign(
        &mut self,
        register: &Register,
        now: Timestamp,
        me: &NodeName,
        key: &SigningKey,
        subject: &SubjectName,
    ) -> Result<Proposal, CharterError> {
        let charter = self.open(register, now).into_iter().find(|open| open.subject == *subject);
        let charter = charter.ok_or(CharterError::Unknown)?.charter;
        register.check(&charter, now)?;
        let mine = self.live(register, now).find(|(peer, _)| *peer == me).map(|(_, mine)| mine);
        if let Some(mine) = mine.filter(|mine| mine.document != charter) {
            return Err(CharterError::SignedAnother { lapses: mine.document.effective });
        }
        let revision = charter.revision;
        let signed = Signed::new(charter, key);
        if !register.is_signed_by(&signed, me) {
            return Err(CharterError::Stranger { revision, signer: me.clone() });
        }
        self.proposals.insert(me.clone(), signed.clone());
        Ok(signed)
    }

    /// The charter that enough peers signed, if there is one.
    pub fn result(&self, register: &Register, now: Timestamp) -> Option<Enacted> {
        let open = self.open(register, now).into_iter().find(|open| open.signers.len() >= open.needed)?;
        let of = |peer: &NodeName| Some((peer.clone(), self.proposals.get(peer)?.sig));
        let signatures = open.signers.iter().filter_map(of).collect();
        Some(Enacted { charter: open.charter, signatures })
    }

    /// Those that follow the newest charter and have not lapsed.
    fn live(&self, register: &Register, now: Timestamp) -> impl Iterator<Item = (&NodeName, &Proposal)> {
        let next = register.revision() + 1;
        self.proposals.iter().filter(move |(_, proposal)| {
            proposal.document.revision == next && proposal.document.effective > now
        })
    }
}
