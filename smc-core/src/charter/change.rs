//! One change of a member list, and what comes of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::identity::{SealingPublic, VerifyingKey};
use crate::name::NodeName;
use crate::roster::SiteDocument;
use crate::roster::document::{AgentTable, ClientTable, PeerTable};

/// What one charter changes. There is one change to each, so that every change is consented to by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// An agent joins.
    AddAgent {
        /// The agent, with all that the site file says of one.
        agent: AgentTable,
        /// What a broker checks its password against.
        login: LoginHash,
    },
    /// A client joins.
    AddClient {
        /// The client.
        client: ClientTable,
        /// What a broker checks its password against.
        login: LoginHash,
    },
    /// A peer joins, as the last one.
    AddPeer {
        /// The peer.
        peer: PeerTable,
        /// What a broker checks its password against.
        login: LoginHash,
    },
    /// More peers than before must collude to learn anything.
    RaiseThreshold {
        /// The new t.
        threshold: u8,
    },
    /// An agent goes on with other keys.
    RekeyAgent {
        /// Which.
        name: NodeName,
        /// Its new Ed25519 public key.
        identity: VerifyingKey,
        /// Its new X25519 public key.
        sealing: SealingPublic,
        /// What a broker checks its new password against.
        login: LoginHash,
    },
    /// A client goes on with other keys.
    RekeyClient {
        /// The client, with its new keys.
        client: ClientTable,
        /// What a broker checks its new password against.
        login: LoginHash,
    },
    /// An agent or a client leaves.
    Remove {
        /// Who.
        name: NodeName,
    },
    /// A peer takes the place of another one, which is gone for good.
    ReplacePeer {
        /// Who is gone.
        gone: NodeName,
        /// Who takes its place.
        peer: PeerTable,
        /// What a broker checks its password against.
        login: LoginHash,
    },
}

/// What a broker checks a member's password against, as text: public, for the password has 256 random bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LoginHash(String);

/// A text that is no hash of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a login is a hash of 8 to 256 visible characters that begins with `$`")]
pub struct LoginHashError;

impl LoginHash {
    /// The hash in its PHC form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LoginHash {
    type Error = LoginHashError;
    fn try_from(text: String) -> Result<Self, LoginHashError> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = (8..=256).contains(&text.len()) && text.starts_with('$') && visible;
        if fits { Ok(Self(text)) } else { Err(LoginHashError) }
    }
}

impl From<LoginHash> for String {
    fn from(hash: LoginHash) -> String {
        hash.0
    }
}

/// Why a list can't be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The keys are those of a member.
    #[error("`{name}` has the keys of `{other}`; every member needs keys of its own")]
    KeysTaken {
        /// Who was to have them.
        name: NodeName,
        /// Whose they are.
        other: NodeName,
    },
    /// A member of this name is there, with keys of its own.
    #[error(
        "`{name}` is a member already; choose another name, or give it new keys with `murmur member rekey {name}`"
    )]
    NameTaken {
        /// The name.
        name: NodeName,
    },
    /// The new keys are the old ones.
    #[error("`{name}` has these very keys already")]
    SameKeys {
        /// Whose.
        name: NodeName,
    },
    /// The threshold would not rise.
    #[error("the threshold is {have} already; it can only be raised")]
    Threshold {
        /// The threshold as it is.
        have: u8,
    },
    /// There is nobody of this name and role.
    #[error("the site has no {role} called `{name}`; `murmur member list` shows who there is")]
    Unknown {
        /// What it should be.
        role: &'static str,
        /// The name.
        name: NodeName,
    },
}

impl Change {
    /// Whether it changes who the peers are or how they share.
    pub fn concerns_peers(&self) -> bool {
        match self {
            Self::AddPeer { .. } | Self::RaiseThreshold { .. } | Self::ReplacePeer { .. } => true,
            Self::AddAgent { .. }
            | Self::AddClient { .. }
            | Self::RekeyAgent { .. }
            | Self::RekeyClient { .. }
            | Self::Remove { .. } => false,
        }
    }

    /// The peer that this change takes for gone: it has no say in it.
    pub fn gone_peer(&self) -> Option<&NodeName> {
        match self {
            Self::ReplacePeer { gone, .. } => Some(gone),
            _ => None,
        }
    }

    /// The member that it is about, if it is about one, and the login that it has from then on.
    pub fn member(&self) -> Option<(&NodeName, Option<&LoginHash>)> {
        match self {
            Self::AddAgent { agent, login } => Some((&agent.name, Some(login))),
            Self::AddClient { client, login } | Self::RekeyClient { client, login } => {
                Some((&client.name, Some(login)))
            }
            Self::AddPeer { peer, login } | Self::ReplacePeer { peer, login, .. } => {
                Some((&peer.name, Some(login)))
            }
            Self::RaiseThreshold { .. } => None,
            Self::RekeyAgent { name, login, .. } => Some((name, Some(login))),
            Self::Remove { name } => Some((name, None)),
        }
    }

    /// The list that comes of `site`. Whether that holds together is for [`Roster`](crate::roster::Roster) to say.
    ///
    /// # Errors
    /// If `site` can't be changed so.
    pub fn apply(&self, site: &SiteDocument) -> Result<SiteDocument, ChangeError> {
        let mut next = site.clone();
        match self {
            Self::AddAgent { agent, .. } => {
                new_name(site, &agent.name)?;
                new_keys(site, &agent.name, Some(&agent.identity), &agent.sealing)?;
                next.agent.push(agent.clone());
            }
            Self::AddClient { client, .. } => {
                new_name(site, &client.name)?;
                new_keys(site, &client.name, client.identity.as_ref(), &client.sealing)?;
                next.client.push(client.clone());
            }
            Self::AddPeer { peer, .. } => {
                new_name(site, &peer.name)?;
                new_keys(site, &peer.name, Some(&peer.identity), &peer.sealing)?;
                next.peer.push(peer.clone());
            }
            Self::RaiseThreshold { threshold } => {
                let have = site.site.threshold;
                if *threshold <= have {
                    return Err(ChangeError::Threshold { have });
                }
                next.site.threshold = *threshold;
            }
            Self::RekeyAgent { name, identity, sealing, .. } => {
                let entry = next.agent.iter_mut().find(|agent| agent.name == *name);
                let entry = entry.ok_or_else(|| unknown("agent", name))?;
                new_keys(site, name, Some(identity), sealing)?;
                (entry.identity, entry.sealing) = (*identity, *sealing);
            }
            Self::RekeyClient { client, .. } => {
                let entry = next.client.iter_mut().find(|known| known.name == client.name);
                let entry = entry.ok_or_else(|| unknown("client", &client.name))?;
                new_keys(site, &client.name, client.identity.as_ref(), &client.sealing)?;
                *entry = client.clone();
            }
            Self::Remove { name } => {
                next.agent.retain(|agent| agent.name != *name);
                next.client.retain(|client| client.name != *name);
                if next == *site {
                    return Err(unknown("agent or client", name));
                }
            }
            Self::ReplacePeer { gone, peer, .. } => {
                let place = site.peer.iter().position(|known| known.name == *gone);
                let place = place.ok_or_else(|| unknown("peer", gone))?;
                if peer.name != *gone {
                    new_name(site, &peer.name)?;
                }
                new_keys(site, &peer.name, Some(&peer.identity), &peer.sealing)?;
                next.peer[place] = peer.clone();
            }
        }
        Ok(next)
    }
}

/// Refuses a name that a member bears.
fn new_name(site: &SiteDocument, name: &NodeName) -> Result<(), ChangeError> {
    let names: BTreeSet<_> = site.members().map(|(name, ..)| name).collect();
    if names.contains(name) { Err(ChangeError::NameTaken { name: name.clone() }) } else { Ok(()) }
}

/// Refuses keys that a member has: whoever holds them could speak for both.
fn new_keys(
    site: &SiteDocument,
    name: &NodeName,
    identity: Option<&VerifyingKey>,
    sealing: &SealingPublic,
) -> Result<(), ChangeError> {
    let holder = site.members().find(|(_, known, theirs)| {
        *theirs == sealing || identity.is_some_and(|identity| *known == Some(identity))
    });
    match holder {
        None => Ok(()),
        Some((other, ..)) if other == name => Err(ChangeError::SameKeys { name: name.clone() }),
        Some((other, ..)) => Err(ChangeError::KeysTaken { name: name.clone(), other: other.clone() }),
    }
}

fn unknown(role: &'static str, name: &NodeName) -> ChangeError {
    ChangeError::Unknown { role, name: name.clone() }
}
