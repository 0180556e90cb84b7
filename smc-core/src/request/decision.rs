//! What one peer says about one request, signed, and as often as it changes.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::document::Signable;
use crate::name::{NodeName, QueryName, SiteName};
use crate::time::Timestamp;

/// A peer's decision about a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The version of the protocol.
    pub v: u8,
    /// The site.
    pub site: SiteName,
    /// Whose decision.
    pub peer: NodeName,
    /// The query's name.
    pub query: QueryName,
    /// Who asked; absent if the query is in the site file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<NodeName>,
    /// The digest of the request; absent if what came could not be read as one, or the query is in the site file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Digest>,
    /// How the request stands at this peer.
    pub verdict: Verdict,
    /// Why, for people.
    pub reason: String,
    /// The rule of the peer's policy that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

impl Signable for Decision {
    const DOMAIN: &'static str = "murmuration/1/decision";
}

/// How a request stands at one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The peer computes it.
    Allowed,
    /// The peer's operator has to say.
    Asked,
    /// Its client needs it no longer.
    Cancelled,
    /// The peer will not compute it.
    Denied,
    /// One value was asked for, and it was given.
    Done,
    /// Its time is over.
    Expired,
    /// The peer's operator has interrupted it.
    Paused,
    /// The peer's operator has ended it.
    Withdrawn,
}

impl Verdict {
    /// Whether nothing can follow.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Cancelled | Self::Denied | Self::Done | Self::Expired | Self::Withdrawn)
    }

    /// As in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Asked => "asked",
            Self::Cancelled => "cancelled",
            Self::Denied => "denied",
            Self::Done => "done",
            Self::Expired => "expired",
            Self::Paused => "paused",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
