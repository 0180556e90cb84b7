//! How many peers must sign a change of the member list.

use serde::{Deserialize, Serialize};

use super::{Roster, RosterError};

/// `consent` of a site file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(untagged, expecting = "consent is \"quorum\", \"all\" or a number of peers")]
pub enum Consent {
    /// So many, from the quorum to all.
    Count(u8),
    /// As many as a word says.
    Rule(ConsentRule),
    /// As many as must agree on a result.
    #[default]
    #[serde(skip)]
    Unsaid,
}

/// A number of peers in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentRule {
    /// All of them.
    All,
    /// As many as must agree on a result.
    #[default]
    Quorum,
}

impl Consent {
    /// Whether the site file says nothing of it.
    pub(super) fn is_unsaid(&self) -> bool {
        *self == Self::Unsaid
    }

    /// The number of peers of `roster`.
    ///
    /// # Errors
    /// If fewer could change the list than must agree on a result, or more than there are.
    pub fn needed(self, roster: &Roster) -> Result<usize, RosterError> {
        let (least, most) = (roster.quorum().size(), usize::from(roster.sharing().peers()));
        match self {
            Self::Count(have) if (least..=most).contains(&usize::from(have)) => Ok(usize::from(have)),
            Self::Count(have) => Err(RosterError::Consent { have, least, most }),
            Self::Rule(ConsentRule::All) => Ok(most),
            Self::Rule(ConsentRule::Quorum) | Self::Unsaid => Ok(least),
        }
    }
}
