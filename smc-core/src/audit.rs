//! A peer's log: what it was asked, decided, voted and signed, so that it can be proven afterwards (docs/audit.md).
//!
//! Entries only ever follow one another. Each holds the hash of the one before, and all of them are the leaves of a Merkle
//! tree as in RFC 6962, whose root a peer signs from time to time: a [`Head`]. Others keep the heads, so that a peer can't
//! tell one story today and another one tomorrow.

mod check;
mod content;
mod entry;
mod head;
mod instant;
mod lists;
mod merkle;
mod proof;
mod record;
mod rules;
mod tail;
mod unfit;
mod watch;

pub use self::check::{Audited, Auditor, Examined, Finding, Row, Written, examine, examine_many};
pub use self::content::Content;
pub use self::entry::{Body, BodyError, Entry, Kind, MAX_BODY, UnknownKind, genesis};
pub use self::head::{Before, Forked, Growth, Head, HeadError, MAX_HEAD};
pub use self::instant::parse as instant_of;
pub use self::lists::Lists;
pub use self::merkle::{Frontier, Node, leaf, parent, peaks, root_of};
pub use self::proof::{InclusionProof, ProofError, consistency, inclusion, is_consistent, is_included};
pub use self::record::{PolicyRead, Started, StartedQuery, Voted, cohort_digest};
pub use self::tail::Tail;
pub use self::unfit::{Misfit, Unfit};
pub use self::watch::{Heads, NotTaken, Taken};
