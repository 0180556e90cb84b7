//! What can be wrong with a request, in words for whoever asked.

use crate::name::{NodeName, QueryName, SiteName};
use crate::request::bounds::{MAX_BYTES, MAX_LIFE, MAX_PURPOSE};
use crate::result::VERSION;
use crate::time::Timestamp;

/// Why a request counts for nothing. Whoever sent it is to blame.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// A number that readers of JSON could take for another one.
    #[error("a number is too large to be the same for every reader: at most 2^53 - 1")]
    InexactNumber,
    /// Over before it came.
    #[error("expired: it ends at {until}")]
    Expired {
        /// When it ended.
        until: Timestamp,
    },
    /// A text is not what the protocol asks for.
    #[error("not a request: {0}")]
    Malformed(String),
    /// Asks for no time at all.
    #[error("`until` must be after `not_before`")]
    NeverDue,
    /// Not an object.
    #[error("not a request: a JSON object is expected")]
    NoObject,
    /// Without a reason.
    #[error("`purpose` is missing: say why it is asked, in 1 to {MAX_PURPOSE} characters")]
    NoPurpose,
    /// Another site's.
    #[error("for another site, `{site}`")]
    OtherSite {
        /// Whose.
        site: SiteName,
    },
    /// What it says of itself is not where it was published.
    #[error("`{query}` of `{client}` came on a topic of another client or query")]
    OtherTopic {
        /// Whose it claims to be.
        client: NodeName,
        /// Its name.
        query: QueryName,
    },
    /// Ends or begins so late that nobody can promise anything.
    #[error("{until} is too far ahead: at most {} days", MAX_LIFE.as_secs() / 86_400)]
    TooFar {
        /// The instant that is.
        until: Timestamp,
    },
    /// Too many labels, or too long ones.
    #[error("`scope` may have 16 labels of 64 characters each")]
    ScopeTooLong,
    /// More than is read.
    #[error("{have} bytes; at most {MAX_BYTES} are read")]
    TooLong {
        /// How many there are.
        have: usize,
    },
    /// Nobody that the site knows, or without an identity there.
    #[error("`{client}` is no client with an `identity` in the site file")]
    UnknownClient {
        /// The name.
        client: NodeName,
    },
    /// Not by whom it claims.
    #[error("the signature is missing or not the client's")]
    Unsigned,
    /// Another version.
    #[error("version {have} of the protocol; this site speaks {VERSION}")]
    Version {
        /// What it is.
        have: u8,
    },
}

impl RequestError {
    /// A short word for counting.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Expired { .. } => "request_expired",
            Self::InexactNumber
            | Self::Malformed(_)
            | Self::NeverDue
            | Self::NoObject
            | Self::NoPurpose
            | Self::ScopeTooLong
            | Self::TooFar { .. }
            | Self::TooLong { .. } => "request_malformed",
            Self::OtherSite { .. } | Self::OtherTopic { .. } | Self::Version { .. } => "request_elsewhere",
            Self::UnknownClient { .. } => "unknown_client",
            Self::Unsigned => "request_unsigned",
        }
    }
}
