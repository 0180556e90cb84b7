//! The bodies of entries that are no documents of their own elsewhere.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::name::{QuantityName, QueryName};
use crate::peers::PeerSet;
use crate::protocol::standing::{Members, Standing};
use crate::result::VERSION;
use crate::roster::Roster;
use crate::time::{WindowIndex, exact};

/// What a peer started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Started {
    /// The version of the protocol.
    pub v: u8,
    /// The version of the program.
    pub version: String,
    /// The digest of the site file without its queries.
    pub roster: Digest,
    /// The standing queries of the site file.
    pub queries: Vec<StartedQuery>,
}

/// A standing query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartedQuery {
    /// Its name.
    pub name: QueryName,
    /// The function's name.
    pub function: String,
    /// Of what.
    pub quantity: QuantityName,
    /// The digest of all that its results depend on.
    pub digest: Digest,
}

impl Started {
    /// A start of the program's version `version` with the site file `roster`.
    pub fn new(roster: &Roster, version: &str) -> Self {
        let queries = roster.queries().map(|(_, query)| StartedQuery {
            name: query.name.clone(),
            function: query.function.entry().name.to_owned(),
            quantity: roster.quantity(query.quantity).quantity.name().clone(),
            digest: query.digest,
        });
        Self {
            v: VERSION,
            version: version.to_owned(),
            roster: Digest(*roster.digest()),
            queries: queries.collect(),
        }
    }
}

/// That a peer read its policy, when it started or because the file had changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRead {
    /// The version of the protocol.
    pub v: u8,
    /// Whether what was read is in force from then on. If not, what was in force stays so, and where nothing was, every
    /// request is denied.
    pub taken: bool,
    /// The SHA-256 of the text in force then, so that whoever has a text can tell whether it was that.
    pub digest: Digest,
    /// How many rules that has.
    #[serde(deserialize_with = "exact")]
    pub rules: u64,
    /// What is wrong with what was read, if it was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mistake: Option<String>,
}

/// A vote that the peer sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voted {
    /// Of what.
    pub quantity: QuantityName,
    /// Which window.
    pub window: WindowIndex,
    /// The cohort epoch.
    #[serde(deserialize_with = "exact")]
    pub epoch: u64,
    /// The peers that were to agree.
    pub peers: PeerSet,
    /// Whether the cohort was frozen already.
    pub frozen: bool,
    /// The digest of the site file whose streams the cohort counts.
    pub roster: Digest,
    /// The [`cohort_digest`].
    pub cohort: Digest,
    /// The cohort; left out where it is that of the vote before on the same quantity, since the last start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Members>,
}

impl Voted {
    /// The record of a vote after one for the cohort with the digest `before`. A cohort stays for an epoch and may have
    /// 100,000 members: it is written down when it changes.
    pub fn new(quantity: QuantityName, vote: &Standing, before: Option<Digest>) -> Self {
        let cohort = cohort_digest(&vote.members);
        Self {
            quantity,
            window: vote.window,
            epoch: vote.epoch,
            peers: vote.peers,
            frozen: vote.frozen,
            roster: vote.roster,
            cohort,
            members: (before != Some(cohort)).then(|| vote.members.clone()),
        }
    }
}

/// The SHA-256 of a cohort as text.
pub fn cohort_digest(members: &Members) -> Digest {
    Digest(Sha256::digest(String::from(members.clone())).into())
}
