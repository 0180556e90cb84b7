//! What a peer says to changes of the member list: by itself, or as its operator orders.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use smc_core::charter::{CharterError, Open, Poll, Proposal, Register};
use smc_core::name::{NodeName, SubjectName};
use smc_core::time::Timestamp;
use smc_mqtt::files;
use smc_mqtt::members::MembersError;
use smc_mqtt::topic::Topic;
use tracing::{info, warn};

use super::service::Service;
use super::{Consent, PeerError, PeerOptions};

/// In the state folder: what it signed last.
const SIGNED: &str = "proposal.json";

/// A peer's part in the polls on the member list.
pub(super) struct Ballot {
    consent: Consent,
    pub(super) poll: Poll,
    /// What it signed last.
    mine: Option<Proposal>,
    /// What its operator refused of the next revision, and what the operator was told of.
    refused: BTreeSet<SubjectName>,
    told: BTreeSet<SubjectName>,
    state_dir: Option<PathBuf>,
}

impl Ballot {
    /// Remembers what it signed.
    ///
    /// # Errors
    /// If that can't be read: without it the peer could sign twice.
    pub(super) fn load(options: &PeerOptions, now: Timestamp) -> Result<Self, PeerError> {
        let state_dir = options.state_dir.clone();
        let signed = state_dir.as_deref().map_or(Ok(None), |folder| read(&folder.join(SIGNED)))?;
        let node = &options.secrets.node;
        let mut ballot = Self {
            consent: options.consent,
            poll: Poll::default(),
            mine: signed.as_deref().and_then(|json| serde_json::from_str(json).ok()),
            refused: BTreeSet::new(),
            told: BTreeSet::new(),
            state_dir,
        };
        if let (Some(json), Some(members)) = (signed, &options.members) {
            // It may have been enacted, or have lapsed, since.
            let _ = ballot.poll.take(members.register(), now, node, json.as_bytes());
        }
        Ok(ballot)
    }

    /// Whether this peer signed another one than `proposal` of the same revision, which has not lapsed.
    fn contradicts(&self, now: Timestamp, proposal: &Proposal) -> bool {
        let charter = &proposal.document;
        self.mine.as_ref().is_some_and(|mine| {
            let mine = &mine.document;
            mine.revision == charter.revision && mine.effective > now && mine != charter
        })
    }

    /// Keeps what this peer signs, before anybody sees it.
    fn keep(&mut self, proposal: &Proposal) -> Result<(), (PathBuf, io::Error)> {
        let json = serde_json::to_vec(proposal).unwrap_or_default();
        if let Some(folder) = &self.state_dir {
            let path = folder.join(SIGNED);
            files::replace(&path, &json).map_err(|error| (path, error))?;
        }
        self.mine = Some(proposal.clone());
        Ok(())
    }

    /// Whether the peer signs `open` without being told to.
    fn signs(&self, me: &NodeName, open: &Open) -> bool {
        self.consent == Consent::Auto
            && !open.charter.change.concerns_peers()
            && !open.signers.contains(me)
            && !self.refused.contains(&open.subject)
    }
}

impl Service {
    /// Takes in what a peer, or its operator in its name, proposes.
    ///
    /// # Errors
    /// If what this peer signed can't be kept.
    pub(super) fn handle_proposal(&mut self, from: &NodeName, payload: &[u8]) -> Result<(), PeerError> {
        let (now, ballot) = (self.clock.now(), &mut self.moving.ballot);
        let Some(members) = &self.moving.members else { return Ok(()) };
        if payload.is_empty() {
            return Ok(());
        }
        if *from == self.name {
            let Ok(proposal) = serde_json::from_slice::<Proposal>(payload) else {
                self.refuse("bad_proposal", from.as_str());
                return Ok(());
            };
            if members.register().is_signed_by(&proposal, from) {
                if ballot.contradicts(now, &proposal) {
                    warn!(node = %self.name, "the operator proposes a second change of one revision; the first counts until it lapses");
                    self.refuse("second_proposal", from.as_str());
                    return Ok(());
                }
                if let Err((path, error)) = ballot.keep(&proposal) {
                    self.not_kept(&path, &error, None);
                    return Ok(());
                }
            }
        }
        match ballot.poll.take(members.register(), now, from, payload) {
            Ok(()) => self.consider(now),
            // What is retained may be over.
            Err(CharterError::Older { .. } | CharterError::When { .. }) => Ok(()),
            Err(error) => {
                warn!(node = %self.name, %from, %error, "proposal refused");
                self.refuse("bad_proposal", from.as_str());
                Ok(())
            }
        }
    }

    /// Does what the operator says about a change of the member list: signs it, or does not sign it by itself.
    ///
    /// # Errors
    /// If what it signs can't be kept.
    pub(super) fn handle_word(
        &mut self,
        now: Timestamp,
        signs: bool,
        subject: SubjectName,
    ) -> Result<(), PeerError> {
        if signs {
            return self.sign_charter(now, &subject).map(|_| ());
        }
        self.moving.ballot.refused.insert(subject);
        Ok(())
    }

    /// Signs what it may, and enacts what enough peers signed, until there is nothing left to do.
    pub(super) fn consider(&mut self, now: Timestamp) -> Result<(), PeerError> {
        loop {
            let Some(members) = &mut self.moving.members else { return Ok(()) };
            let (ballot, register) = (&mut self.moving.ballot, members.register());
            if let Some(enacted) = ballot.poll.result(register, now) {
                match members.enact(enacted) {
                    Ok(_) => {}
                    Err(MembersError::File { path, error }) => {
                        self.not_kept(&path, &error, None);
                        return Ok(());
                    }
                    Err(error) => return Err(error.into()),
                }
                (ballot.refused, ballot.told) = Default::default();
                self.moved();
                self.publish_charters();
                continue;
            }
            let open = ballot.poll.open(register, now);
            tell(&self.name, ballot, register, &open);
            let ballot = &self.moving.ballot;
            let next = open.into_iter().find(|open| ballot.signs(&self.name, open));
            let Some(next) = next else { return Ok(()) };
            if !self.sign_charter(now, &next.subject)? {
                return Ok(());
            }
        }
    }

    /// Signs an open proposal, keeps that, and publishes it; whether it could.
    fn sign_charter(&mut self, now: Timestamp, subject: &SubjectName) -> Result<bool, PeerError> {
        let Some(members) = &self.moving.members else { return Ok(false) };
        let ballot = &mut self.moving.ballot;
        let signed = ballot.poll.sign(members.register(), now, &self.name, &self.signing, subject);
        let proposal = match signed {
            Ok(proposal) if ballot.contradicts(now, &proposal) => {
                self.refuse("second_proposal", "");
                return Ok(false);
            }
            Ok(proposal) => proposal,
            Err(error) => {
                warn!(node = %self.name, %subject, %error, "not signed");
                self.refuse("not_signed", "");
                return Ok(false);
            }
        };
        if let Err((path, error)) = ballot.keep(&proposal) {
            self.not_kept(&path, &error, None);
            return Ok(false);
        }
        info!(node = %self.name, %subject, "signed a change of the member list");
        let json = serde_json::to_vec(&proposal).unwrap_or_default();
        self.moving.publish_later(Topic::CharterProposed { peer: self.name.clone() }, json);
        self.consider(now)?;
        Ok(true)
    }
}

/// Tells the operator once of what waits for a word.
fn tell(me: &NodeName, ballot: &mut Ballot, register: &Register, open: &[Open]) {
    for open in open {
        let waits = !open.signers.contains(me) && !ballot.signs(me, open);
        if waits && ballot.told.insert(open.subject.clone()) {
            let Open { subject, signers, needed, charter } = open;
            info!(
                node = %me, %subject, revision = register.revision() + 1, signers = signers.len(), needed,
                change = %serde_json::to_string(&charter.change).unwrap_or_default(),
                "a change of the member list waits for the operator: murmur member consent, or refuse"
            );
        }
    }
}

fn read(path: &Path) -> Result<Option<String>, PeerError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PeerError::File { path: path.to_owned(), error }),
    }
}
