//! A node's member list: from the site file on, by the charters that it has seen, kept beside its other state.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smc_core::charter::{Chain, CharterError, Enacted, MAX_CHAIN, Register};
use smc_core::roster::{Roster, RosterError, SiteDocument};
use smc_core::time::Timestamp;
use tracing::warn;

use crate::files::replace;

/// The file in a node's state folder.
pub const FILE: &str = "members.json";

/// The member list of a node that runs.
#[derive(Debug, Clone)]
pub struct Members {
    register: Register,
    /// Where it is kept; in memory alone if nowhere.
    path: Option<PathBuf>,
}

/// Why the member list can't be read, kept or moved on.
#[derive(Debug, thiserror::Error)]
pub enum MembersError {
    /// What came does not count.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// What was kept does not count for this site file.
    #[error(
        "{path}: {error}; it was kept for another site file: restore that one, or remove {path} if the site file is newer on purpose"
    )]
    Kept {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: Box<CharterError>,
    },
    /// The file can't be read or written.
    #[error("{path}: {error}; check `state_dir`")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The list does not hold together.
    #[error(transparent)]
    Roster(#[from] RosterError),
}

impl Members {
    /// The list of `site`, with the charters kept in `state_dir`, as it stands at `now`.
    ///
    /// # Errors
    /// If the site does not hold together, or what was kept does not follow from it.
    pub fn load(site: SiteDocument, state_dir: Option<&Path>, now: Timestamp) -> Result<Self, MembersError> {
        let mut register = Register::new(site)?;
        let path = state_dir.map(|folder| folder.join(FILE));
        if let Some(path) = &path
            && let Some(chain) = read(path)?
        {
            let kept = |error| MembersError::Kept { path: path.clone(), error: Box::new(error) };
            register.extend(&chain).map_err(kept)?;
        }
        register.advance(now);
        Ok(Self { register, path })
    }

    /// The list of `site`, with the charters in `file`: those that a node keeps, or that were retained. Nothing is kept.
    ///
    /// # Errors
    /// If the site does not hold together, or what the file has does not follow from it.
    pub fn told(site: SiteDocument, file: Option<&Path>, now: Timestamp) -> Result<Self, MembersError> {
        let mut members = Self::load(site, None, now)?;
        if let Some(path) = file {
            let missing = || io::Error::from(io::ErrorKind::NotFound);
            let chain =
                read(path)?.ok_or_else(|| MembersError::File { path: path.to_owned(), error: missing() })?;
            let kept = |error| MembersError::Kept { path: path.to_owned(), error: Box::new(error) };
            members.register.extend(&chain).map_err(kept)?;
            members.register.advance(now);
        }
        Ok(members)
    }

    /// The same, kept in memory alone from now on: for who looks at the state of a node that runs.
    #[must_use]
    pub fn detached(self) -> Self {
        Self { path: None, ..self }
    }

    /// What it knows.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// Takes in a chain as it is published; whether it had anything new. It is on disk when this returns.
    ///
    /// # Errors
    /// If it does not count or can't be kept; then nothing has changed.
    pub fn take(&mut self, json: &[u8]) -> Result<bool, MembersError> {
        if json.len() > MAX_CHAIN {
            return Err(CharterError::Malformed.into());
        }
        let chain: Chain = serde_json::from_slice(json).map_err(|_| CharterError::Malformed)?;
        let mut next = self.register.clone();
        let new = next.extend(&chain)?;
        self.keep(next, new > 0)
    }

    /// Takes in one charter that enough peers signed, as [`Members::take`] does.
    ///
    /// # Errors
    /// If it does not count or can't be kept; then nothing has changed.
    pub fn enact(&mut self, enacted: Enacted) -> Result<bool, MembersError> {
        let mut next = self.register.clone();
        next.enact(enacted)?;
        self.keep(next, true)
    }

    /// All charters, as they are published.
    pub fn to_json(&self) -> Vec<u8> {
        // A chain always has a JSON form; nothing is what nobody takes.
        serde_json::to_vec(&self.register.chain()).unwrap_or_default()
    }

    /// When the next charter takes force.
    pub fn due(&self) -> Option<Timestamp> {
        self.register.due()
    }

    /// Puts into force what is due at `now`; the new roster, if anything was.
    ///
    /// # Errors
    /// Never for a list that came in by charters.
    pub fn advance(&mut self, now: Timestamp) -> Result<Option<Arc<Roster>>, MembersError> {
        if self.register.advance(now) { self.roster().map(Some) } else { Ok(None) }
    }

    /// The roster in force. Queries of this node that it does not allow are left out, with a warning.
    ///
    /// # Errors
    /// Never for a list that came in by charters.
    pub fn roster(&self) -> Result<Arc<Roster>, MembersError> {
        let (roster, left_out) = self.register.roster()?;
        for query in left_out {
            warn!(query, "the member list does not allow this query any more; it is left out");
        }
        Ok(Arc::new(roster))
    }

    fn keep(&mut self, next: Register, changed: bool) -> Result<bool, MembersError> {
        if changed && let Some(path) = &self.path {
            let json = serde_json::to_vec(&next.chain()).unwrap_or_default();
            replace(path, &json).map_err(|error| MembersError::File { path: path.clone(), error })?;
        }
        if changed {
            self.register = next;
        }
        Ok(changed)
    }
}

fn read(path: &Path) -> Result<Option<Chain>, MembersError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(MembersError::File { path: path.to_owned(), error }),
    };
    let malformed =
        |_| MembersError::Kept { path: path.to_owned(), error: Box::new(CharterError::Malformed) };
    serde_json::from_slice(&text).map(Some).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use smc_core::charter::Change;
    use smc_core::document::Signable;
    use smc_core::identity::NodeKeys;
    use smc_core::roster::document::PeerTable;

    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);

    fn keys() -> Vec<NodeKeys> {
        let mut rng = crate::entropy::rng().unwrap();
        (0..3).map(|_| NodeKeys::generate(&mut rng)).collect()
    }

    fn site(keys: &[NodeKeys]) -> SiteDocument {
        let mut text = String::from("{\"site\":{\"name\":\"hq\",\"threshold\":1},\"peer\":[");
        for (number, keys) in keys.iter().enumerate() {
            let (identity, sealing) = (keys.signing.verifying_key(), keys.sealing.public());
            let comma = if number == 0 { "" } else { "," };
            text += &format!(
                "{comma}{{\"name\":\"p{number}\",\"identity\":\"{identity}\",\"sealing\":\"{sealing}\"}}"
            );
        }
        serde_json::from_str(&(text + "]}")).unwrap()
    }

    /// A chain in which p2 has given way to p9 from noon on.
    fn chain(keys: &[NodeKeys]) -> Vec<u8> {
        let new = NodeKeys::generate(&mut crate::entropy::rng().unwrap());
        let change = Change::ReplacePeer {
            gone: "p2".parse().unwrap(),
            peer: PeerTable {
                name: "p9".parse().unwrap(),
                identity: new.signing.verifying_key(),
                sealing: *new.sealing.public(),
            },
            login: "$argon2id$x".to_owned().try_into().unwrap(),
        };
        let mut register = Register::new(site(keys)).unwrap();
        let charter = register.propose(change, NOON, NOON - Duration::from_secs(9)).unwrap();
        let sign = |peer: usize| (format!("p{peer}").parse().unwrap(), charter.sign(&keys[peer].signing));
        let signatures: BTreeMap<_, _> = [0, 1].map(sign).into();
        register.enact(Enacted { charter, signatures }).unwrap();
        serde_json::to_vec(&register.chain()).unwrap()
    }

    #[test]
    fn what_was_taken_in_is_there_after_a_restart_and_holds_when_it_is_due() {
        let (keys, folder) = (keys(), tempfile::tempdir().unwrap());
        let load = |now| Members::load(site(&keys), Some(folder.path()), now).unwrap();
        let mut members = load(NOON - Duration::from_secs(9));
        let json = chain(&keys);
        assert!(members.take(&json).unwrap());
        assert!(!members.take(&json).unwrap(), "nothing new");
        assert_eq!(members.due(), Some(NOON));
        let early = load(NOON - Duration::from_secs(1));
        assert!(early.roster().unwrap().peer_named("p2").is_some());
        assert!(load(NOON).roster().unwrap().peer_named("p9").is_some());
        assert!(members.advance(NOON).unwrap().unwrap().peer_named("p9").is_some());
        assert!(members.advance(NOON).unwrap().is_none());
    }

    #[test]
    fn what_does_not_count_changes_nothing_on_disk() {
        let (ours, folder) = (keys(), tempfile::tempdir().unwrap());
        let mut members = Members::load(site(&ours), Some(folder.path()), NOON).unwrap();
        for json in [&b""[..], b"{}", &chain(&keys())] {
            assert!(matches!(members.take(json), Err(MembersError::Charter(_))));
        }
        assert!(!folder.path().join(FILE).exists());
    }

    #[test]
    fn a_list_kept_for_another_site_file_is_refused_with_the_remedy() {
        let (ours, theirs, folder) = (keys(), keys(), tempfile::tempdir().unwrap());
        fs::write(folder.path().join(FILE), chain(&theirs)).unwrap();
        let refused = Members::load(site(&ours), Some(folder.path()), NOON).unwrap_err().to_string();
        assert!(refused.contains("members.json") && refused.contains("remove"), "{refused}");
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(Members::load(site(&ours), Some(folder.path()), NOON).is_err());
    }
}
