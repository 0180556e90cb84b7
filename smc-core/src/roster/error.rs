//! What a site file can get wrong.

use std::time::Duration;

use crate::function::FunctionError;
use crate::name::{NodeName, QuantityName, QueryName, StreamName};
use crate::quantity::QuantityError;
use crate::shamir::SharingError;
use crate::time::PeriodError;

/// A site file that does not hold together; the text names the key and the remedy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RosterError {
    /// Fewer peers could change the member list than must agree on a result, or more would have to than there are.
    #[error("site.consent is {have}; from the quorum, {least}, to all {most} peers")]
    Consent {
        /// What the file says.
        have: u8,
        /// The least.
        least: usize,
        /// The most.
        most: usize,
    },
    /// Two nodes bear one name.
    #[error("`{name}` names two nodes; every peer and agent needs a name of its own")]
    DuplicateNode {
        /// The name.
        name: NodeName,
    },
    /// Two quantities bear one name.
    #[error("quantity `{name}` is defined twice; remove one [[quantity]]")]
    DuplicateQuantity {
        /// The name.
        name: QuantityName,
    },
    /// Two queries bear one name.
    #[error("query `{name}` is defined twice; rename one [[query]]")]
    DuplicateQuery {
        /// The name.
        name: QueryName,
    },
    /// Two streams of one agent bear one name.
    #[error(
        "agent `{agent}` has two streams called `{stream}`; give one another name: {{ name = \"...\", quantity = \"...\" }}"
    )]
    DuplicateStream {
        /// Whose streams.
        agent: NodeName,
        /// The name.
        stream: StreamName,
    },
    /// A query's function can't be computed as asked.
    #[error("query `{query}`: {error}")]
    Function {
        /// Which query.
        query: QueryName,
        /// Why.
        error: FunctionError,
    },
    /// The site would allow results over so few agents that members learn each other's readings.
    #[error(
        "site.minimum_cohort is {have}; at least 3, since of two members each would learn the other's reading"
    )]
    MinimumCohort {
        /// What the file says.
        have: u32,
    },
    /// Two scopes differ by too few agents: the difference of their results would tell about those.
    #[error(
        "query `{query}` would single out {agents} agents beside the other queries on `{quantity}`, fewer than the minimum cohort of {minimum}; widen or narrow its scope"
    )]
    Overlap {
        /// The query that was refused.
        query: QueryName,
        /// On what.
        quantity: QuantityName,
        /// How many agents it would single out.
        agents: u32,
        /// How many it must be.
        minimum: u32,
    },
    /// A window's length is out of range.
    #[error("{key}: {error}")]
    Period {
        /// Which key: `site.period`, or that of a quantity.
        key: String,
        /// What is allowed.
        error: PeriodError,
    },
    /// A quantity makes no sense.
    #[error("[[quantity]]: {0}")]
    Quantity(Box<QuantityError>),
    /// The number of peers or the threshold is out of range.
    #[error("site.threshold and [[peer]]: {0}")]
    Sharing(#[from] SharingError),
    /// A length of time is out of range.
    #[error("site.{key} must lie between {least:?} and {most:?}")]
    Span {
        /// The key.
        key: &'static str,
        /// The least.
        least: Duration,
        /// The most.
        most: Duration,
    },
    /// More agents than a site may have.
    #[error("{have} agents; a site has at most {max}: make two sites of it", max = super::MAX_AGENTS)]
    TooManyAgents {
        /// How many the file has.
        have: usize,
    },
    /// An agent's readings are larger than can be sent and held in a window.
    #[error(
        "agent `{agent}`: its readings have {have} bits in all; at most {max}: give its [[quantity]] fewer `elements` or a \
         coarser `resolution`, or make several agents of it",
        max = super::MAX_BITS_PER_AGENT
    )]
    TooManyBits {
        /// Whose readings.
        agent: NodeName,
        /// How many bits they have.
        have: usize,
    },
    /// The vectors of all agents together are cut into too many messages.
    #[error(
        "the vectors of all agents take more than {max} messages per window: give their [[quantity]] fewer `elements` \
         or a coarser `resolution`, or make two sites of it",
        max = super::MAX_PARTS
    )]
    TooManyParts,
    /// More queries than a site may have.
    #[error("{have} queries; a site has at most {max}: remove some [[query]]", max = super::MAX_QUERIES)]
    TooManyQueries {
        /// How many the file has.
        have: usize,
    },
    /// The sum of so many readings could overflow the field, or one agent has too many streams.
    #[error(
        "too many streams of `{quantity}`: one agent has more than {max}, or the sum of all could overflow; use more agents, or a coarser resolution",
        max = super::MAX_STREAMS_PER_AGENT
    )]
    TooManyStreams {
        /// Of what.
        quantity: QuantityName,
    },
    /// A stream or query on a quantity that is neither known nor defined.
    #[error(
        "`{user}` uses the quantity `{quantity}`, which is neither built in nor defined; correct it or add a [[quantity]]"
    )]
    UnknownQuantity {
        /// The agent or query.
        user: String,
        /// The quantity.
        quantity: QuantityName,
    },
}

impl RosterError {
    /// The query that is to blame, if it is one.
    pub fn query(&self) -> Option<&QueryName> {
        match self {
            Self::DuplicateQuery { name } => Some(name),
            Self::Function { query, .. } | Self::Overlap { query, .. } => Some(query),
            _ => None,
        }
    }
}

impl From<QuantityError> for RosterError {
    fn from(error: QuantityError) -> Self {
        Self::Quantity(Box::new(error))
    }
}
