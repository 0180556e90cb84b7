//! What can be wrong with an entry, and what that means.

use super::entry::{BodyError, Kind};
use super::head::HeadError;
use crate::charter::CharterError;
use crate::name::{NodeName, QuantityName, QueryName};
use crate::request::RequestError;
use crate::result::VerifyError;
use crate::time::WindowIndex;

/// The first entry that doesn't fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("entry {seq}: {unfit}")]
pub struct Misfit {
    /// Which entry.
    pub seq: u64,
    /// What is wrong with it.
    pub unfit: Unfit,
}

/// What is wrong with an entry.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// The body is no document, or not written as it was hashed.
    #[error("its body is {0}")]
    Body(#[from] BodyError),
    /// A head that was signed differs from the log.
    #[error("the head of {size} entries that {keeper} does not fit the entries from {from} on")]
    Changed {
        /// How many entries the head has.
        size: u64,
        /// Who has the head.
        keeper: String,
        /// The first entry that no earlier head vouches for.
        from: u64,
    },
    /// A change of the member list that nobody could make.
    #[error("a change of the member list that does not count: {0}")]
    Charter(CharterError),
    /// The cohort is not the one that it is said to be.
    #[error("a vote on {quantity} for a cohort that is not written down")]
    Cohort {
        /// Of what.
        quantity: QuantityName,
    },
    /// The body is not the document that its kind demands.
    #[error("its body is no {kind}: {error}")]
    Content {
        /// What it should be.
        kind: Kind,
        /// Why it is none.
        error: String,
    },
    /// Entries are missing at the end.
    #[error("it is missing: the log ends here, and {keeper} a head of {size} entries")]
    Ends {
        /// How many entries the head has.
        size: u64,
        /// Who has the head.
        keeper: String,
    },
    /// A field is not written as it must be.
    #[error("its {0} is not what can stand there")]
    Field(&'static str),
    /// The hash is not that of the entry.
    #[error("its hash is not that of its content")]
    Hash,
    /// An own head is no head.
    #[error("the peer's own head of {size} entries: {error}")]
    Head {
        /// How many entries it has.
        size: u64,
        /// What is wrong with it.
        error: HeadError,
    },
    /// Own heads are missing, or not in their order.
    #[error("the peer's own head of {size} entries does not name the head before it")]
    HeadOrder {
        /// How many entries it has.
        size: u64,
    },
    /// The entry before is another one.
    #[error("it does not follow the entry before it")]
    Link,
    /// There is an entry with another number.
    #[error("it is missing: entry {found} follows")]
    Missing {
        /// What is there instead.
        found: u64,
    },
    /// Nothing allowed a result.
    #[error("a result of {query}, which this peer had not allowed")]
    NotAllowed {
        /// Of which query.
        query: QueryName,
    },
    /// Nobody asked.
    #[error("a result of {query}, which nobody had asked for")]
    NotRequested {
        /// Of which query.
        query: QueryName,
    },
    /// The peer's own signature is missing.
    #[error("a result of {query} for window {window} without this peer's own signature")]
    NotSigned {
        /// Of which query.
        query: QueryName,
        /// Which window.
        window: WindowIndex,
    },
    /// The peer had not voted.
    #[error("a result of {query} for window {window} of {quantity}, on which this peer had not voted")]
    NotVoted {
        /// Of which query.
        query: QueryName,
        /// Of what.
        quantity: QuantityName,
        /// Which window.
        window: WindowIndex,
    },
    /// The log does not begin with a start.
    #[error("it comes before any start")]
    NoStart,
    /// Another peer's word in this peer's place.
    #[error("a {kind} of {peer}, whose log this is not")]
    Other {
        /// What it is.
        kind: Kind,
        /// Whose it is.
        peer: NodeName,
    },
    /// The result answers another question.
    #[error("a result of {query} with another function or quantity than was asked for")]
    OtherQuestion {
        /// Of which query.
        query: QueryName,
    },
    /// What a client is said to have asked is not what it signed.
    #[error("the request is none: {0}")]
    Request(RequestError),
    /// The signatures are not those that it takes.
    #[error("the result is not signed as it must be: {0}")]
    Signatures(VerifyError),
    /// A result of a window that began after the end of the question.
    #[error("a result of {query}, whose window began after this peer had stopped it")]
    Stopped {
        /// Of which query.
        query: QueryName,
    },
    /// The tree was tampered with.
    #[error("the subtrees stored with it are not those that end with it")]
    Tree,
    /// A window has two values.
    #[error("a second result of {query} for window {window}")]
    TwoResults {
        /// Of which query.
        query: QueryName,
        /// Which window.
        window: WindowIndex,
    },
    /// A window has two votes.
    #[error("a second vote on window {window} of {quantity}")]
    TwoVotes {
        /// Of what.
        quantity: QuantityName,
        /// Which window.
        window: WindowIndex,
    },
    /// A document is not by the peer that it names.
    #[error("the {kind} is not signed by {peer}")]
    Unsigned {
        /// What it is.
        kind: Kind,
        /// Whose it is said to be.
        peer: NodeName,
    },
}

impl Unfit {
    /// What that means, for people.
    pub fn means(&self) -> &'static str {
        match self {
            Self::Body(_) | Self::Field(_) | Self::Hash | Self::Tree => {
                "the entry was changed after it was written, or the file is damaged"
            }
            Self::Charter(_) => {
                "the peers did not sign this change, or it is of another site file or chain than the ones given"
            }
            Self::Link => {
                "this entry or the one before it was changed, put in or taken out after it was written"
            }
            Self::Missing { .. } => "an entry was taken out, or the file is damaged",
            Self::Ends { .. } => "entries were taken off the end after the peer had signed for them",
            Self::Changed { .. } => {
                "the log was rewritten, hashes and all, after the peer had signed for it: keep both files, they prove it"
            }
            Self::Head { .. } | Self::HeadOrder { .. } => {
                "what the peer keeps of its own heads was changed, or another key signed it"
            }
            Self::Content { .. } | Self::NoStart | Self::Cohort { .. } | Self::Other { .. } => {
                "the peer's program did not write this: the log was made up from here on, or by another version"
            }
            Self::Request(_) => {
                "nobody asked this: it was made up, or asked with a key that the member list does not have"
            }
            Self::Unsigned { .. } => {
                "the peer did not say this: it was made up, or the peer had a key that the member list does not have"
            }
            Self::Signatures(_) | Self::NotSigned { .. } => {
                "the result is not what the peers signed, or was signed with keys that the member list does not have"
            }
            Self::NotAllowed { .. }
            | Self::NotRequested { .. }
            | Self::OtherQuestion { .. }
            | Self::Stopped { .. } => "the peer computed what it should not have",
            Self::NotVoted { .. } | Self::TwoResults { .. } | Self::TwoVotes { .. } => {
                "the peer broke the protocol, or forgot how it had voted: an old copy of its store was put back"
            }
        }
    }
}
