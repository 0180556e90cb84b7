//! Agents and clients introduce themselves: which program runs under which keys, and since when. Signed, so that a peer's
//! operator who looks at it knows who said it. It tells nothing that a status does not (docs/decisions/0008).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::document::{Signable, Signed};
use crate::identity::{NodeKeys, SealingPublic, VerifyingKey};
use crate::name::{NodeName, SiteName};
use crate::order::FRESH;
use crate::result::VERSION;
use crate::roster::Roster;
use crate::time::Timestamp;

/// The longest one, in bytes.
pub const MAX_INTRODUCTION: usize = 1024;
/// The longest version of a program, in characters.
const MAX_VERSION: usize = 32;

/// What an agent or a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Introduction {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Who.
    pub node: NodeName,
    /// What it does.
    pub role: IntroducedRole,
    /// The version of its program.
    pub program: ProgramVersion,
    /// What verifies what it signs.
    pub identity: VerifyingKey,
    /// What outputs for it are sealed with.
    pub sealing: SealingPublic,
    /// Since when it runs.
    pub since: Timestamp,
}

impl Signable for Introduction {
    const DOMAIN: &'static str = "murmuration/1/introduction";
}

/// What somebody does who introduces itself; peers have cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntroducedRole {
    /// Shares readings.
    Agent,
    /// Asks.
    Client,
}

/// The version of a program: 1 to 32 letters, digits, `.`, `-` and `+`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProgramVersion(String);

/// A text that is no version of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is 1 to {MAX_VERSION} letters, digits, `.`, `-` and `+`")]
pub struct NoVersion;

impl TryFrom<String> for ProgramVersion {
    type Error = NoVersion;
    fn try_from(text: String) -> Result<Self, NoVersion> {
        let fits = (1..=MAX_VERSION).contains(&text.len()) && text.chars().all(is_legal);
        if fits { Ok(Self(text)) } else { Err(NoVersion) }
    }
}

impl From<ProgramVersion> for String {
    fn from(version: ProgramVersion) -> String {
        version.0
    }
}

impl fmt::Display for ProgramVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an introduction was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntroductionError {
    /// Not JSON of this form, too long, or of another version, site, node or role.
    #[error("not an introduction of this node")]
    Malformed,
    /// Older than the one that is known.
    #[error("an introduction that is older than the newest known one")]
    NotNew,
    /// From the future: it would keep later ones out.
    #[error("an introduction from the future; compare the clocks")]
    NotYet,
    /// Nobody of this name is an agent of the site, or a client with an identity.
    #[error("an introduction of nobody of the site")]
    Stranger,
    /// Not signed with the node's key.
    #[error("an introduction that is not signed with the node's key")]
    Unsigned,
}

/// The newest introduction of each agent and client of a site: no more than the site has.
#[derive(Debug)]
pub struct Introductions {
    roster: Arc<Roster>,
    newest: BTreeMap<NodeName, Introduction>,
}

impl Introductions {
    /// None yet.
    pub fn new(roster: Arc<Roster>) -> Self {
        Self { roster, newest: BTreeMap::new() }
    }

    /// Those of nodes that are in `roster`, too, with the same keys.
    #[must_use]
    pub fn moved_to(&self, roster: Arc<Roster>) -> Self {
        let mut newest = self.newest.clone();
        newest.retain(|node, known| key(&roster, node) == Some((known.role, known.identity)));
        Self { roster, newest }
    }

    /// The newest one of `node`.
    pub fn get(&self, node: &NodeName) -> Option<&Introduction> {
        self.newest.get(node)
    }

    /// All, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = &Introduction> {
        self.newest.values()
    }

    /// Takes in what came as the introduction of `node`.
    ///
    /// # Errors
    /// Why it was not taken; what was known before stays.
    pub fn take(&mut self, now: Timestamp, node: &NodeName, json: &[u8]) -> Result<(), IntroductionError> {
        if json.len() > MAX_INTRODUCTION {
            return Err(IntroductionError::Malformed);
        }
        let (role, identity) = key(&self.roster, node).ok_or(IntroductionError::Stranger)?;
        let signed: Signed<Introduction> =
            serde_json::from_slice(json).map_err(|_| IntroductionError::Malformed)?;
        let new = signed.verified(&identity).ok_or(IntroductionError::Unsigned)?;
        let own = (&new.site, &new.node, new.role, new.identity);
        if new.v != VERSION || own != (self.roster.site(), node, role, identity) {
            return Err(IntroductionError::Malformed);
        }
        if new.since.since(now) > FRESH {
            return Err(IntroductionError::NotYet);
        }
        if self.newest.get(node).is_some_and(|known| new.since < known.since) {
            return Err(IntroductionError::NotNew);
        }
        self.newest.insert(node.clone(), new);
        Ok(())
    }
}

/// What a node does and signs with, if it can introduce itself.
fn key(roster: &Roster, node: &NodeName) -> Option<(IntroducedRole, VerifyingKey)> {
    let agent = roster.agent_named(node.as_str()).map(|agent| roster.agent(agent).node.identity);
    let client = || roster.client(node).and_then(|client| client.identity);
    let agent = agent.map(|identity| (IntroducedRole::Agent, identity));
    agent.or_else(|| client().map(|identity| (IntroducedRole::Client, identity)))
}

/// How `node`, which has `keys`, introduces itself at `now`, as it is published.
pub fn of(
    site: SiteName,
    node: NodeName,
    role: IntroducedRole,
    program: &str,
    keys: &NodeKeys,
    now: Timestamp,
) -> Vec<u8> {
    let program = ProgramVersion(program.chars().filter(|c| is_legal(*c)).take(MAX_VERSION).collect());
    let (identity, sealing) = (keys.signing.verifying_key(), *keys.sealing.public());
    let introduction = Introduction { v: VERSION, site, node, role, program, identity, sealing, since: now };
    // It always has a JSON form; nothing is what nobody takes.
    serde_json::to_vec(&Signed::new(introduction, &keys.signing)).unwrap_or_default()
}

fn is_legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+')
}
